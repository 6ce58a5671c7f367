//! A plain `tools/call` of 2026-07-28 → its answer, without what only streams and sessions need.
//!
//! rmcp makes a service, a transport and two tasks of each request, which takes longer than the call. One that reports
//! nothing on its way has one answer, and needs none of that. Whatever is not plain is left to rmcp, so that there is
//! one opinion of it.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use ::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, ErrorCode, ErrorData, ProtocolVersion, RequestId,
    RequestMetaObject, ServerJsonRpcMessage, ServerResult,
};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::{Drain, HttpError, drain, error};
use crate::{
    pipeline::{Admission, TaskMode},
    revision::Revision,
    serve::{
        Shared,
        mcp::{peer, rounds::Rounds},
        stdio::parse,
    },
    tool::{ask::Abilities, caller::Caller},
};

const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");
/// Where a modern request repeats its revision (SEP-2575).
const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";

/// A call with nothing out of the ordinary.
pub(super) struct FastCall {
    pub(super) id: RequestId,
    params: CallToolRequestParams,
    meta: RequestMetaObject,
    abilities: Abilities,
}

impl FastCall {
    /// Reads a request as such a call; `None` where it is another, or none that can be answered.
    pub(super) fn read(shared: &Shared, headers: &HeaderMap, body: &[u8]) -> Option<Self> {
        let revision = ProtocolVersion::V_2026_07_28;
        let modern = once(headers, &VERSION)? == revision.as_str() && shared.revisions.contains(&revision);
        if !modern || once(headers, &METHOD)? != "tools/call" || !takes_both(headers) || !is_json(headers) {
            return None;
        }
        let (id, mut params) = parse::plain_call(body)?;
        let meta = params.meta.take()?;
        let agree = once(headers, &NAME)? == params.name
            && meta.get(META_VERSION).and_then(Value::as_str) == Some(revision.as_str());
        // Reports go in a stream before the answer; arguments in headers are rmcp's to compare.
        let reports =
            meta.get_progress_token().is_some() || (shared.about.logging && meta.log_level().is_some());
        // What is answered with a task goes another way.
        let has_task =
            shared.core.registry.find(&params.name).is_some_and(|(_, tool)| tool.descriptor.task.is_some());
        if !agree || reports || has_task || shared.lists.has_headers(&params.name) {
            return None;
        }
        let abilities = peer::abilities(Some(meta.client_capabilities()?));
        Some(Self { id, params, meta, abilities })
    }

    pub(super) fn tool(&self) -> &str {
        &self.params.name
    }

    /// Answers it, or says that the server stopped before.
    pub(super) async fn answer(
        self,
        shared: &Arc<Shared>,
        caller: Arc<Caller>,
        admission: Option<Admission>,
        drain: &Drain,
    ) -> Result<Response, HttpError> {
        let (id, cancelled) = (self.id.clone(), CancellationToken::new());
        let call =
            DetachOnDrop::new(self.call(Arc::clone(shared), caller, admission, cancelled.clone()), cancelled);
        tokio::select! {
            biased;
            answer = call => Ok(response(answer, id)),
            () = drain.cut.cancelled() => Err(drain::cut_off().to(Some(id))),
        }
    }

    async fn call(
        mut self,
        shared: Arc<Shared>,
        caller: Arc<Caller>,
        admission: Option<Admission>,
        cancelled: CancellationToken,
    ) -> Result<CallToolResponse, ErrorData> {
        let _at_work = shared.at_work.token();
        let revision = Revision::V2026_07_28;
        let idempotency_key = self.meta.remove("candor/idempotency-key");
        let origin = shared.origin("http", &self.meta, || self.meta.client_info());
        let rounds = Rounds {
            core: &shared.core,
            caller,
            revision,
            origin: &origin,
            unsandboxed: None,
            idempotency_key,
            reports: None,
            cancelled,
            meta: shared.meta(revision),
        };
        rounds.one(self.params, self.abilities, admission, TaskMode::NotRequested).await
    }
}

fn response(answer: Result<CallToolResponse, ErrorData>, id: RequestId) -> Response {
    match answer {
        Ok(answer) => {
            let message = ServerJsonRpcMessage::response(ServerResult::from(answer), id);
            error::response(StatusCode::OK, &message)
        }
        Err(error) => {
            let status = status(error.code);
            error::response(status, &ServerJsonRpcMessage::error(error, Some(id)))
        }
    }
}

/// The status of an error (MCP 2026-07-28, transports); most are answers like others.
fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::UNSUPPORTED_PROTOCOL_VERSION
        | ErrorCode::MISSING_REQUIRED_CLIENT_CAPABILITY
        | ErrorCode::HEADER_MISMATCH => StatusCode::BAD_REQUEST,
        ErrorCode::METHOD_NOT_FOUND => StatusCode::NOT_FOUND,
        _ => StatusCode::OK,
    }
}

/// A header that stands there once.
fn once<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() { None } else { value.to_str().ok() }
}

/// Whether both kinds of answer are taken, and nothing is weighed.
fn takes_both(headers: &HeaderMap) -> bool {
    let takes = |kind: &str| {
        let mut kinds = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        kinds.any(|value| value.split(',').any(|said| said.trim_matches(' ') == kind))
    };
    takes("application/json") && takes("text/event-stream")
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes) == Some(b"application/json")
}

/// A call that goes on to its end where nobody waits for it any more: its handler is told, and how it ended is recorded.
struct DetachOnDrop<F: Future<Output: Send> + Send + 'static> {
    /// None once it has ended.
    call: Option<Pin<Box<F>>>,
    cancelled: CancellationToken,
}

impl<F: Future<Output: Send> + Send + 'static> DetachOnDrop<F> {
    fn new(call: F, cancelled: CancellationToken) -> Self {
        Self { call: Some(Box::pin(call)), cancelled }
    }
}

impl<F: Future<Output: Send> + Send + 'static> Future for DetachOnDrop<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Some(call) = self.call.as_mut() else { return Poll::Pending };
        let polled = call.as_mut().poll(cx);
        if polled.is_ready() {
            self.call = None;
        }
        polled
    }
}

impl<F: Future<Output: Send> + Send + 'static> Drop for DetachOnDrop<F> {
    fn drop(&mut self) {
        let Some(call) = self.call.take() else { return };
        self.cancelled.cancel();
        // Where the runtime itself ends, so does the call.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(call);
        }
    }
}
