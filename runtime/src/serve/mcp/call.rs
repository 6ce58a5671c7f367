//! Answers `tools/call`: makes an [`Invocation`] of the request, and picks the driver for its rounds.

use std::sync::Arc;

use futures::future::BoxFuture;
use rmcp::{
    RoleServer,
    model::{CallToolRequestParams, CallToolResponse, ErrorData},
    service::RequestContext,
};
use tokio::sync::mpsc;

#[cfg(feature = "http")]
use super::callers::HttpIdentity;
use super::{
    callers::CallerSource,
    handler::{McpHandler, revision},
    peer::{self, ClientPeer},
    progress,
    rounds::{CallInput, Invocation},
    task_call::TaskCall,
};
use crate::{
    idempotency::SentKey,
    pipeline::{self, Admission},
    revision::Revision,
    serve::convert,
    tool::{call::Reports, caller::Caller, progress::ReportFilter},
    wire_names,
};

impl McpHandler {
    /// Answers a call. Boxed, since rmcp's state machine, of which there are several copies, would otherwise hold ours.
    pub(crate) fn call(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> BoxFuture<'_, Result<CallToolResponse, ErrorData>> {
        #[cfg(feature = "http")]
        let identity = HttpIdentity::of(&context).inspect(|identity| identity.note_observed()).cloned();
        Box::pin(async move {
            let answer = self.answer(request, context).await;
            #[cfg(feature = "http")]
            if let (Some(identity), Err(error)) = (identity, &answer) {
                identity.note_refusal(error);
            }
            answer
        })
    }

    async fn answer(
        &self,
        mut request: CallToolRequestParams,
        mut context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let revision = revision(&context);
        let (caller, admission) = self.identify(&context)?;
        // The transport admitted the tool that it read in the body; rmcp must have read the same one.
        let mut admission = admission
            .filter(|admission| self.shared.core.registry.index(&request.name) == Some(admission.tool));
        let input = CallInput::take(&mut request);
        let mut invocation =
            self.invocation(request.name.into_owned(), caller, admission.as_ref(), revision, &mut context);
        if admission.is_none() && self.takes_tasks(&invocation, &context) {
            admission = Some(self.admit_task(&invocation).await?);
        }
        if let Some(running) = admission.as_mut().and_then(Admission::take_task) {
            let features = peer::features(context.client_capabilities());
            let call = TaskCall::new(invocation, input, features, running, self.task_rounds.clone());
            return call.begin(admission, &context.ct).await;
        }
        let _in_flight = self.shared.in_flight.token();
        let token = context.meta.get_progress_token();
        let log = self.shared.about.logging.then(|| self.log.of(&context, revision)).flatten();
        let filter = ReportFilter { progress: token.is_some(), log };
        let (sender, reports) = filter.any().then(|| mpsc::channel(progress::MAX_QUEUED_REPORTS)).unzip();
        invocation.reports = sender.map(|sender| Reports { sender, filter });
        let answer = async {
            if revision.is_legacy() {
                invocation.legacy(input, ClientPeer::connected(&context, &self.gone), admission).await
            } else {
                let features = peer::features(context.client_capabilities());
                invocation.modern(input, features, admission).await
            }
        };
        match reports {
            None => answer.await,
            Some(reports) => progress::forward(answer, token, reports, &context).await,
        }
    }

    /// Collects what this transport knows about the call.
    fn invocation(
        &self,
        name: String,
        caller: Arc<Caller>,
        admission: Option<&Admission>,
        revision: Revision,
        context: &mut RequestContext<RoleServer>,
    ) -> Invocation {
        let tool = match admission {
            Some(admission) => Some(admission.tool),
            None => self.shared.core.registry.index(&name),
        };
        Invocation {
            tool,
            name,
            caller,
            revision,
            idempotency_key: sent_key(context),
            origin: self.shared.origin(
                self.callers.transport(),
                &context.meta,
                || context.client_info(),
                self.incoming(context),
            ),
            reports: None,
            info: self.info(tool, context),
            cancelled: context.ct.clone(),
            runs: self.task_rounds.clone(),
            shared: Arc::clone(&self.shared),
        }
    }

    /// Whether both the tool and the client take tasks.
    fn takes_tasks(&self, invocation: &Invocation, context: &RequestContext<RoleServer>) -> bool {
        let tool = invocation.tool.map(|tool| self.shared.core.tool(tool).descriptor);
        tool.is_some_and(|tool| tool.task.is_some())
            && !invocation.revision.is_legacy()
            && context.client_capabilities().is_some_and(|client| client.supports_tasks())
    }

    /// Admits a call whose task decides how it is answered.
    async fn admit_task(&self, invocation: &Invocation) -> Result<Admission, ErrorData> {
        let Invocation { caller, tool, name, origin, revision, .. } = invocation;
        let core = &self.shared.core;
        match pipeline::admit(core, caller, *tool, name, true).await {
            Ok(admission) => Ok(admission),
            Err(refusal) => {
                let origin = (origin, Some(*revision));
                pipeline::record_refusal(core, caller, *tool, name, origin, &refusal);
                Err(convert::error(&refusal.into()))
            }
        }
    }

    /// Finds out who sent this request, and whether the transport admitted it.
    #[cfg_attr(
        not(feature = "http"),
        expect(clippy::unnecessary_wraps, reason = "only an HTTP request can lack an identity")
    )]
    pub(crate) fn identify(
        &self,
        context: &RequestContext<RoleServer>,
    ) -> Result<(Arc<Caller>, Option<Admission>), ErrorData> {
        match &self.callers {
            CallerSource::Connection(caller) => {
                let _ = context;
                Ok((Arc::clone(caller), None))
            }
            #[cfg(feature = "http")]
            CallerSource::Request => {
                // The gate attaches an identity to every request, so a missing one is a defect of the server.
                let identity = HttpIdentity::of(context)
                    .ok_or_else(|| ErrorData::internal_error("this request has no identity", None))?;
                Ok((Arc::clone(&identity.caller), identity.take_admission()))
            }
        }
    }
}

/// The header of a caller's idempotency key (`draft-ietf-httpapi-idempotency-key-header`).
#[cfg(feature = "http")]
const KEY_HEADER: http::HeaderName = http::HeaderName::from_static("idempotency-key");

/// Returns the idempotency keys in the headers of a request.
#[cfg(feature = "http")]
pub(crate) fn header_keys(headers: &http::HeaderMap) -> Vec<Box<[u8]>> {
    headers.get_all(KEY_HEADER).iter().map(|value| value.as_bytes().into()).collect()
}

/// Takes the idempotency key of a call out of its request.
fn sent_key(context: &mut RequestContext<RoleServer>) -> SentKey {
    #[cfg(feature = "http")]
    let headers = {
        let parts = context.extensions.get::<http::request::Parts>();
        parts.map(|parts| header_keys(&parts.headers)).unwrap_or_default()
    };
    #[cfg(not(feature = "http"))]
    let headers = Vec::new();
    SentKey { meta: context.meta.remove(wire_names::IDEMPOTENCY_KEY), headers }
}
