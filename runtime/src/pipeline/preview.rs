//! Runs the preview of a call that must be confirmed: a tool that only reads, with the same arguments.

use std::{collections::HashMap, sync::Arc};

use tokio_util::sync::CancellationToken;

use super::{Core, arguments, result, run};
use crate::{
    confirm::Bound,
    limits::Slot,
    ordered::CollectOrdered as _,
    registry::{Definition, Registry},
    schema::SchemaForm,
    spans::PartSpan,
    start_error::StartError,
    telemetry::ToolTelemetry,
    tool::{
        ask::Round,
        call::Call,
        caller::Caller,
        descriptor::Descriptor,
        error::ToolError,
        handler::Handler,
        outcome::Outcome,
        output::{Block, Reply},
        request_info::RequestInfo,
    },
};

/// The call that is shown, beside its tool and arguments.
pub(super) struct PreviewedCall<'a> {
    pub(super) caller: &'a Arc<Caller>,
    pub(super) info: Option<&'a Arc<RequestInfo>>,
    pub(super) cancelled: &'a CancellationToken,
    /// The telemetry of the tool that is called.
    pub(super) telemetry: ToolTelemetry<'a>,
}

/// The previews of a server's tools. They need not be tools that callers can call.
pub(crate) struct Previews {
    registry: Registry,
    /// One per preview, in the registry's order.
    handlers: Vec<Handler>,
    /// The index of the preview of each tool that has one.
    by_tool: HashMap<&'static str, usize>,
}

impl Previews {
    /// Takes previews, each with the name of its tool. Those of tools that are not served are left out.
    pub(crate) fn new(
        previews: Vec<(&'static str, &'static Descriptor, Handler)>,
        tools: &Registry,
    ) -> Result<Self, StartError> {
        let mut by_name: HashMap<&'static str, (&'static Descriptor, Handler)> = HashMap::new();
        let mut names = Vec::new();
        for (tool, preview, handler) in previews {
            let Some(index) = tools.index(tool) else { continue };
            check_parameters(tools.tools()[index].descriptor, preview)?;
            names.push((tool, preview.name));
            by_name.insert(preview.name, (preview, handler));
        }
        let registry = Registry::new(by_name.values().map(|(preview, _)| *preview), SchemaForm::Exact)?;
        let handlers = registry.tools().iter().map(|preview| by_name[preview.name()].1.clone()).collect();
        let index = |(tool, preview)| Some((tool, registry.index(preview)?));
        let by_tool = names.into_iter().filter_map(index).collect();
        Ok(Self { registry, handlers, by_tool })
    }

    fn of(&self, tool: &Descriptor) -> Option<(&Definition, &Handler)> {
        let index = *self.by_tool.get(tool.name)?;
        Some((&self.registry.tools()[index], &self.handlers[index]))
    }
}

/// Checks that every parameter of the preview is one of the tool.
fn check_parameters(tool: &'static Descriptor, preview: &'static Descriptor) -> Result<(), StartError> {
    let is_missing = |param: &str| tool.params.iter().all(|other| other.name != param);
    match preview.params.iter().find(|param| is_missing(param.name)) {
        Some(param) => Err(StartError::Preview { tool: tool.name, preview: preview.name, param: param.name }),
        None => Ok(()),
    }
}

/// Runs the preview of `tool`, if it has one, in a sandbox of its own. Returns its text, or its error as the call's answer:
/// a call that cannot be shown is not asked for.
pub(super) async fn text(
    core: &Core,
    bound: &Bound<'_>,
    call: PreviewedCall<'_>,
) -> Result<Option<String>, Box<Reply>> {
    let Some((preview, handler)) = core.previews.of(bound.tool) else { return Ok(None) };
    let PreviewedCall { caller, info, cancelled, telemetry } = call;
    let descriptor = preview.descriptor;
    let has = |name: &String| descriptor.params.iter().any(|param| param.name == name);
    let arguments = bound.arguments.iter().filter(|(name, _)| has(name));
    let arguments = arguments.map(|(name, value)| (name.clone(), value.clone())).collect_ordered();
    let arguments = arguments::check(preview, arguments)?;
    let call = Call {
        descriptor,
        caller: Arc::clone(caller),
        idempotency_key: None,
        reports: None,
        request: info.cloned(),
        round: Round::default(),
        cancelled: cancelled.child_token(),
        deadline: tokio::time::Instant::now().into_std() + descriptor.timeout,
        span: PartSpan::current(),
    };
    let executor = core.sandboxes.executor(descriptor);
    let outcome = run::run(executor, handler, call, arguments, Slot::default(), false, telemetry).await;
    let Outcome::Done(reply) = outcome else {
        let message = format!("preview `{}` asked a question, which a preview cannot", descriptor.name);
        return Err(Box::new(ToolError::not_applied(message).reason("internal").into()));
    };
    let reply = result::shape(preview, reply, core.max_output);
    if reply.error.is_some() {
        return Err(Box::new(reply));
    }
    let texts = reply.content.iter().filter_map(|block| match block.plain() {
        Block::Text(text) | Block::Resource { text, .. } => Some(text.as_str()),
        _ => None,
    });
    Ok(Some(texts.collect::<Vec<_>>().join("\n")))
}
