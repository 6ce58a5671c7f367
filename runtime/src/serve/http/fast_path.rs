//! Answers a plain `tools/call` of 2026-07-28 without the machinery that only streams and sessions need.
//!
//! rmcp makes a service, a transport and two tasks for each request, which takes longer than the call itself. A call that
//! reports no progress has one answer, and needs none of them. Every other call is left to rmcp, so that there is one
//! reading of it.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::response::Response;
use futures::FutureExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, ErrorCode, ErrorData, ProtocolVersion, RequestId,
    RequestMetaObject, ServerJsonRpcMessage, ServerResult,
};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::{
    drain::{self, Drain},
    error::{self, HttpError},
    header_names::{METHOD, NAME, VERSION},
    keep_alive, refusal,
};
use crate::{
    idempotency::SentKey,
    pipeline::Admission,
    record::Origin,
    revision::Revision,
    serve::{
        convert,
        mcp::{
            call::header_keys,
            incoming, info, peer,
            rounds::{CallInput, Invocation},
        },
        shared::Shared,
    },
    spans::IncomingTrace,
    tool::{ask::ClientFeatures, caller::Caller, request_info::RequestInfo},
    wire_names,
};

/// The key of a modern request's revision in its `_meta` (SEP-2575).
const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";

/// A call whose only message to the client is its answer.
pub(super) struct FastCall {
    pub(super) id: RequestId,
    /// The tool's index in the registry, looked up once.
    pub(super) tool: Option<usize>,
    params: CallToolRequestParams,
    meta: RequestMetaObject,
    features: ClientFeatures,
    info: Option<Arc<RequestInfo>>,
    /// The idempotency keys in the headers.
    header_keys: Vec<Box<[u8]>>,
    incoming: Option<Arc<IncomingTrace>>,
}

impl FastCall {
    /// Whether the headers are those of a plain modern call, before the body is parsed.
    pub(super) fn has_plain_headers(shared: &Shared, headers: &HeaderMap) -> bool {
        let revision = ProtocolVersion::V_2026_07_28;
        once(headers, &VERSION) == Some(revision.as_str())
            && once(headers, &METHOD) == Some("tools/call")
            && accepts_both(headers)
            && is_json(headers)
            && shared.revisions.contains(&revision)
    }

    /// Takes a call with such headers; if it is not plain, gives back its id, its tool's name and its `_meta`.
    pub(super) fn new(
        shared: &Shared,
        headers: &HeaderMap,
        id: RequestId,
        mut params: CallToolRequestParams,
    ) -> Result<Self, (RequestId, String, RequestMetaObject)> {
        let meta = params.meta.take().unwrap_or_default();
        let agrees = once(headers, &NAME) == Some(&params.name)
            && meta.get(META_VERSION).and_then(Value::as_str) == Some(Revision::V2026_07_28.as_str());
        // Reports travel in a stream before the answer; rmcp compares arguments with headers.
        let reports =
            meta.get_progress_token().is_some() || (shared.about.logging && meta.log_level().is_some());
        let tool = shared.core.registry.index(&params.name);
        let takes_task = tool.is_some_and(|tool| shared.core.tool(tool).descriptor.task.is_some());
        match meta.client_capabilities() {
            Some(capabilities)
                if agrees && !reports && !takes_task && !shared.lists.has_headers(&params.name) =>
            {
                let features = peer::features(Some(capabilities));
                let info = shared.takes_info(tool).then(|| {
                    let mut request = info::of_request(&id, &meta, meta.client_info());
                    info::add_headers(&mut request, headers);
                    Arc::new(request)
                });
                let header_keys = header_keys(headers);
                let incoming = incoming::of_plain_call(&id, &meta, headers);
                Ok(Self { id, tool, params, meta, features, info, header_keys, incoming })
            }
            _ => Err((id, params.name.into_owned(), meta)),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.params.name
    }

    /// Answers the call, or reports that the server stopped before its answer.
    pub(super) async fn answer(
        self: Box<Self>,
        shared: &Arc<Shared>,
        caller: Arc<Caller>,
        admission: Admission,
        drain: &Drain,
        keep_alive: Duration,
    ) -> Result<Response, HttpError> {
        let (id, cancelled) = (self.id.clone(), CancellationToken::new());
        let call = self.call(Arc::clone(shared), caller, admission, cancelled.clone());
        let mut call = DetachOnDrop::new(call, cancelled);
        tokio::select! {
            biased;
            answer = &mut call => Ok(response(answer, id)),
            () = drain.timed_out.cancelled() => Err(drain::timed_out().to(Some(id))),
            () = tokio::time::sleep(keep_alive) => {
                let answered = id.clone();
                let answer = async move { response(call.await, answered) };
                Ok(keep_alive::stream(answer, Some(id), keep_alive, drain.timed_out.clone()))
            }
        }
    }

    /// Describes the client, for the audit log.
    pub(super) fn origin(&self, shared: &Shared) -> Origin {
        shared.origin("http", &self.meta, || self.meta.client_info(), self.incoming.clone())
    }

    async fn call(
        mut self: Box<Self>,
        shared: Arc<Shared>,
        caller: Arc<Caller>,
        admission: Admission,
        cancelled: CancellationToken,
    ) -> Result<CallToolResponse, ErrorData> {
        let _in_flight = shared.in_flight.token();
        let input = CallInput::take(&mut self.params);
        let origin = self.origin(&shared);
        let invocation = Invocation {
            tool: self.tool,
            name: self.params.name.into_owned(),
            caller,
            revision: Revision::V2026_07_28,
            idempotency_key: SentKey {
                meta: self.meta.remove(wire_names::IDEMPOTENCY_KEY),
                headers: self.header_keys,
            },
            origin,
            reports: None,
            info: self.info,
            cancelled,
            runs: shared.in_flight.clone(),
            shared,
        };
        invocation.modern(input, self.features, Some(admission)).await
    }
}

fn response(answer: Result<CallToolResponse, ErrorData>, id: RequestId) -> Response {
    let status = answer.as_ref().map_or_else(|error| status(error.code), |_| StatusCode::OK);
    let retry_after = answer.as_ref().err().and_then(convert::retry_after);
    let mut response = error::response(status, &message(answer, id));
    if let Some(seconds) = retry_after {
        refusal::limit_exceeded(&mut response, seconds);
    }
    response
}

fn message(answer: Result<CallToolResponse, ErrorData>, id: RequestId) -> ServerJsonRpcMessage {
    match answer {
        Ok(answer) => ServerJsonRpcMessage::response(ServerResult::from(answer), id),
        Err(error) => ServerJsonRpcMessage::error(error, Some(id)),
    }
}

/// The status of an error (MCP 2026-07-28, transports). Most errors are answers like any other.
fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::UNSUPPORTED_PROTOCOL_VERSION
        | ErrorCode::MISSING_REQUIRED_CLIENT_CAPABILITY
        | ErrorCode::HEADER_MISMATCH => StatusCode::BAD_REQUEST,
        ErrorCode::METHOD_NOT_FOUND => StatusCode::NOT_FOUND,
        _ => StatusCode::OK,
    }
}

/// The value of a header that occurs once.
fn once<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() { None } else { value.to_str().ok() }
}

/// Whether the client accepts both kinds of answer, without weights.
fn accepts_both(headers: &HeaderMap) -> bool {
    let accepts = |kind: &str| {
        let mut kinds = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        kinds.any(|value| value.split(',').any(|item| item.trim_matches(' ') == kind))
    };
    accepts("application/json") && accepts("text/event-stream")
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes) == Some(b"application/json")
}

/// A call that, when dropped, cancels its handler and goes on detached, so that its end is recorded.
struct DetachOnDrop<F: Future<Output: Send> + Send + 'static> {
    /// `None` after its end.
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
        // At the end of the runtime, the call ends too.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(call.map(drop).boxed());
        }
    }
}
