//! Shuts a server down in phases: not ready, refusing new requests, out of time, closing connections.

use std::time::Duration;

use axum::{body::Body, response::Response};
use http::{HeaderValue, StatusCode, header};
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

use super::{body_guard::GuardedBody, error::HttpError};
use crate::{
    message::Message,
    serve::shutdown::{SHUTTING_DOWN, Shutdown},
};

/// The time of each phase.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShutdownTimeouts {
    /// For load balancers, to see that the server is not ready any more.
    pub(crate) delay: Duration,
    /// For calls in flight.
    pub(crate) drain: Duration,
}

/// The time for connections to close when their requests are done.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The phases of a server; each is entered once.
pub(super) struct Drain {
    /// The server was asked to stop, and is not ready any more.
    pub(super) stopping: CancellationToken,
    /// New requests are refused.
    pub(super) refusing: CancellationToken,
    /// The time of calls in flight has run out.
    pub(super) timed_out: CancellationToken,
    /// Connections close after their current request.
    pub(super) closing: CancellationToken,
    /// The open connections.
    pub(super) connections: TaskTracker,
    in_flight: TaskTracker,
}

impl Drain {
    /// Drains the requests and calls that `in_flight` counts.
    pub(super) fn new(in_flight: TaskTracker) -> Self {
        Self {
            stopping: CancellationToken::new(),
            refusing: CancellationToken::new(),
            timed_out: CancellationToken::new(),
            closing: CancellationToken::new(),
            connections: TaskTracker::new(),
            in_flight,
        }
    }

    /// Counts a request as in flight, or refuses it.
    pub(super) fn enter(&self) -> Result<InFlightGuard, HttpError> {
        // Counted before the check, so that the drain cannot miss a request that passes it.
        let in_flight = InFlightGuard(Some(self.in_flight.token()));
        if self.refusing.is_cancelled() {
            return Err(shutting_down());
        }
        Ok(in_flight)
    }

    /// Goes through the phases; `stop_accepting` ends the first.
    pub(super) async fn run(&self, timeouts: ShutdownTimeouts, stop_accepting: impl FnOnce()) -> Shutdown {
        self.stopping.cancel();
        tokio::time::sleep(timeouts.delay).await;
        self.refusing.cancel();
        stop_accepting();
        self.in_flight.close();
        let ended = match tokio::time::timeout(timeouts.drain, self.in_flight.wait()).await {
            Ok(()) => Shutdown::Complete,
            Err(_) => Shutdown::TimedOut,
        };
        // Ends streams without a call, too.
        self.timed_out.cancel();
        self.closing.cancel();
        self.connections.close();
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, self.connections.wait()).await;
        ended
    }
}

fn shutting_down() -> HttpError {
    let data = serde_json::json!({"reason": "shutting_down", "retryAfterSeconds": 1});
    let message = Message::new("this server is shutting down").help("call again when it is back");
    HttpError::new(StatusCode::SERVICE_UNAVAILABLE, SHUTTING_DOWN, message, Some(data))
        .retry_after(1)
        .header(header::CONNECTION, HeaderValue::from_static("close"))
}

/// The answer to a call that took longer than the server could wait.
pub(super) fn timed_out() -> HttpError {
    let data = serde_json::json!({"reason": "shutting_down"});
    let message = Message::new("this server stopped before the call was answered")
        .note("its effect may still happen")
        .help("check before you call again");
    HttpError::new(StatusCode::SERVICE_UNAVAILABLE, SHUTTING_DOWN, message, Some(data))
}

/// Counts a request as in flight until its answer is sent, or its client is gone.
pub(super) struct InFlightGuard(Option<TaskTrackerToken>);

impl InFlightGuard {
    /// Stops counting early, for an answer without an end.
    pub(super) fn release(&mut self) {
        self.0 = None;
    }

    /// Counts the request until this answer is sent.
    pub(super) fn hold(self, answer: Response) -> Response {
        answer.map(|body| Body::new(GuardedBody::new(body, self)))
    }
}
