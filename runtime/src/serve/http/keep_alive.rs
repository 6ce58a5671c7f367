//! Answers a call that takes long with an event stream, so that proxies and clients see that the connection is alive.

use std::{convert::Infallible, time::Duration};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures::{future::BoxFuture, stream};
use http::{HeaderName, HeaderValue, header};
use rmcp::model::{RequestId, ServerJsonRpcMessage};
use tokio_util::sync::CancellationToken;

use super::drain;

/// A comment, which clients ignore (HTML standard, server-sent events).
const COMMENT: &[u8] = b":\n\n";

/// The stream of one call: comments until its answer, which is the only event.
struct Events {
    answer: BoxFuture<'static, ServerJsonRpcMessage>,
    id: RequestId,
    interval: Duration,
    timed_out: CancellationToken,
}

/// Starts the stream of the call `id`, with a comment every `interval`. If the server stops first, the stream ends with
/// that error.
pub(super) fn stream(
    answer: impl Future<Output = ServerJsonRpcMessage> + Send + 'static,
    id: RequestId,
    interval: Duration,
    timed_out: CancellationToken,
) -> Response {
    let events = Events { answer: Box::pin(answer), id, interval, timed_out };
    let first = stream::iter([Ok::<_, Infallible>(Bytes::from_static(COMMENT))]);
    let rest = stream::unfold(Some(events), |events| async move {
        let mut events = events?;
        let message = tokio::select! {
            biased;
            answer = &mut events.answer => answer,
            () = events.timed_out.cancelled() => drain::timed_out().to(Some(events.id)).into_message(),
            () = tokio::time::sleep(events.interval) => {
                return Some((Ok(Bytes::from_static(COMMENT)), Some(events)));
            }
        };
        let json = serde_json::to_string(&message).expect("messages are made of JSON and strings");
        Some((Ok(format!("event: message\ndata: {json}\n\n").into()), None))
    });
    let body = Body::from_stream(futures::StreamExt::chain(first, rest));
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx would otherwise keep the comments back (MCP 2026-07-28, transports).
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}
