//! One call, from a well-formed message to an answer: the stages in their order, which is a security property.

pub(crate) mod access;
mod arguments;
mod known;
mod output;
mod refusal;
mod run;

use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    args::Args,
    call::{Call, Caller, Progress},
    output::Reply,
    registry::Registry,
    revision::Revision,
    tool::Handler,
};
pub(crate) use refusal::Refusal;

/// What every call of one server shares. Nothing in it changes once the server runs.
pub(crate) struct Core {
    pub(crate) registry: Registry,
    /// One a tool, in the registry's order.
    pub(crate) handlers: Vec<Handler>,
    /// Whether a tool out of reach looks like one that does not exist.
    pub(crate) conceal: bool,
}

/// One `tools/call`, as a transport hands it over.
pub(crate) struct Request {
    pub(crate) tool: String,
    pub(crate) arguments: Map<String, Value>,
    pub(crate) caller: Arc<Caller>,
    pub(crate) revision: Revision,
    pub(crate) idempotency_key: Option<Value>,
    pub(crate) progress: Option<mpsc::Sender<Progress>>,
    pub(crate) cancelled: CancellationToken,
}

/// Answers one call. Who calls has been settled by the transport; everything else is settled here, in this order.
pub(crate) async fn call(core: &Core, request: Request) -> Result<Reply, Refusal> {
    let (at, tool) = known::tool(core, &request.caller, &request.tool)?;
    access::check(core, tool.descriptor, &request.caller)?;
    let idempotency_key = known::idempotency_key(request.idempotency_key)?;
    let arguments = match arguments::check(tool, request.arguments) {
        Ok(arguments) => arguments,
        Err(reply) => return Ok(*reply),
    };
    let call = Call {
        descriptor: tool.descriptor,
        caller: request.caller,
        idempotency_key,
        progress: request.progress,
        cancelled: request.cancelled,
        // tokio's clock, which a test may hold still.
        deadline: tokio::time::Instant::now().into_std() + tool.descriptor.timeout,
    };
    let reply = run::run(&core.handlers[at], call, Args::new(tool.descriptor, arguments)).await;
    Ok(output::shape(tool, reply, request.revision))
}
