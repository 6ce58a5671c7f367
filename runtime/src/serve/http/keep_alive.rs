//! Answers a call that takes long with an event stream, so that proxies and clients see that the connection is alive.

use std::{convert::Infallible, time::Duration};

use axum::{
    body::{Body, BodyDataStream},
    response::Response,
};
use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream};
use http::{HeaderName, HeaderValue, header};
use http_body_util::{BodyExt as _, Collected};
use rmcp::model::RequestId;
use tokio_util::sync::CancellationToken;

use super::drain;

/// A comment, which clients ignore (HTML standard, server-sent events).
const COMMENT: &[u8] = b":\n\n";
/// The media type of a stream of events.
const EVENT_STREAM: &str = "text/event-stream";

/// The stream of one request.
enum Events {
    /// Comments until its answer.
    Waiting(Waiting),
    /// The events of an answer that is itself a stream.
    Sending(BodyDataStream),
}

struct Waiting {
    answer: BoxFuture<'static, Response>,
    id: Option<RequestId>,
    interval: Duration,
    timed_out: CancellationToken,
}

/// Answers the request `id` as `answer` does, or with a stream once that takes longer than `interval`.
pub(super) async fn answer(
    answer: impl Future<Output = Response> + Send + 'static,
    id: Option<RequestId>,
    interval: Duration,
    timed_out: CancellationToken,
) -> Response {
    let mut answer = answer.boxed();
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        () = tokio::time::sleep(interval) => stream(answer, id, interval, timed_out),
    }
}

/// Starts the stream of the request `id`, with a comment every `interval`. If the server stops first, the stream ends with
/// that error.
pub(super) fn stream(
    answer: impl Future<Output = Response> + Send + 'static,
    id: Option<RequestId>,
    interval: Duration,
    timed_out: CancellationToken,
) -> Response {
    let waiting = Waiting { answer: answer.boxed(), id, interval, timed_out };
    let first = stream::iter([Ok::<_, Infallible>(Bytes::from_static(COMMENT))]);
    let rest = stream::unfold(Some(Events::Waiting(waiting)), |events| async move {
        match events? {
            Events::Waiting(waiting) => Some(waiting.next().await),
            Events::Sending(mut body) => {
                let bytes = body.next().await?.ok()?;
                Some((bytes, Some(Events::Sending(body))))
            }
        }
    });
    let body = Body::from_stream(first.chain(rest.map(Ok)));
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(EVENT_STREAM));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx would otherwise keep the comments back (MCP 2026-07-28, transports).
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

impl Waiting {
    /// Waits for the answer, or until a comment is due.
    async fn next(mut self) -> (Bytes, Option<Events>) {
        let answer = tokio::select! {
            biased;
            answer = &mut self.answer => answer,
            () = self.timed_out.cancelled() => drain::timed_out().to(self.id).into_response(),
            () = tokio::time::sleep(self.interval) => {
                return (Bytes::from_static(COMMENT), Some(Events::Waiting(self)));
            }
        };
        let kind = answer.headers().get(header::CONTENT_TYPE);
        if kind.is_some_and(|kind| kind.as_bytes().starts_with(EVENT_STREAM.as_bytes())) {
            return (
                Bytes::from_static(COMMENT),
                Some(Events::Sending(answer.into_body().into_data_stream())),
            );
        }
        // JSON in one line, which the server made itself.
        let json = answer.into_body().collect().await.map(Collected::to_bytes).unwrap_or_default();
        (Bytes::from([b"event: message\ndata: ", &json[..], b"\n\n"].concat()), None)
    }
}
