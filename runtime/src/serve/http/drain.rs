//! A server that is to stop → its phases: not ready, nothing new, the rest cut off, gone.

use std::time::Duration;

use ::http::{HeaderValue, StatusCode, header};
use axum::{body::Body, response::Response};
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

use super::{HttpError, body_guard::GuardedBody};
use crate::serve::{SHUTTING_DOWN, Shutdown};

/// How much time each phase has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShutdownTimeouts {
    /// For those who send callers here to see that it is no longer ready.
    pub(crate) delay: Duration,
    /// For calls in flight.
    pub(crate) patience: Duration,
}

/// For connections that are done with their requests.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The phases of a server, each of which is entered once.
pub(super) struct Drain {
    /// Somebody asked it to stop: it is not ready any more.
    pub(super) leaving: CancellationToken,
    /// It begins nothing new.
    refusing: CancellationToken,
    /// What still runs is cut off.
    pub(super) cut: CancellationToken,
    /// Connections close as soon as they can.
    pub(super) closing: CancellationToken,
    /// Connections there are.
    pub(super) connections: TaskTracker,
    at_work: TaskTracker,
}

impl Drain {
    /// Of a server whose requests and calls are counted in `at_work`.
    pub(super) fn new(at_work: TaskTracker) -> Self {
        Self {
            leaving: CancellationToken::new(),
            refusing: CancellationToken::new(),
            cut: CancellationToken::new(),
            closing: CancellationToken::new(),
            connections: TaskTracker::new(),
            at_work,
        }
    }

    /// Counts a request as one at work, or turns it away.
    pub(super) fn enter(&self) -> Result<InFlightGuard, HttpError> {
        // Counted first: whoever waits for the rest must not miss one that is just let in.
        let in_flight = InFlightGuard(Some(self.at_work.token()));
        if self.refusing.is_cancelled() {
            return Err(too_late());
        }
        Ok(in_flight)
    }

    /// Goes through the phases; `stop_accepting` is what ends the first.
    pub(super) async fn run(&self, timeouts: ShutdownTimeouts, stop_accepting: impl FnOnce()) -> Shutdown {
        self.leaving.cancel();
        tokio::time::sleep(timeouts.delay).await;
        self.refusing.cancel();
        stop_accepting();
        self.at_work.close();
        let ended = match tokio::time::timeout(timeouts.patience, self.at_work.wait()).await {
            Ok(()) => Shutdown::Complete,
            Err(_) => Shutdown::TimedOut,
        };
        // Streams that no call waits for end here too.
        self.cut.cancel();
        self.closing.cancel();
        self.connections.close();
        let _ = tokio::time::timeout(LAST_WORDS, self.connections.wait()).await;
        ended
    }
}

fn too_late() -> HttpError {
    let data = serde_json::json!({"reason": "shutting_down", "retryAfterSeconds": 1});
    let message = "this server stops\nhelp: call again once it is back";
    HttpError::new(StatusCode::SERVICE_UNAVAILABLE, SHUTTING_DOWN, message, Some(data))
        .retry_after(1)
        .header(header::CONNECTION, HeaderValue::from_static("close"))
}

/// The answer to a request whose call took longer than the server could wait.
pub(super) fn cut_off() -> HttpError {
    let data = serde_json::json!({"reason": "shutting_down"});
    let message = "this server stopped before the call had its answer\nnote: what it does may still happen\nhelp: look before you call again";
    HttpError::new(StatusCode::SERVICE_UNAVAILABLE, SHUTTING_DOWN, message, Some(data))
}

/// A request's in_flight among those at work: until its answer was sent, or nobody reads it any more.
pub(super) struct InFlightGuard(Option<TaskTrackerToken>);

impl InFlightGuard {
    /// Ends it early, for an answer that has no end of its own.
    pub(super) fn leave(&mut self) {
        self.0 = None;
    }

    /// Holds the in_flight until this answer was sent.
    pub(super) fn through(self, answer: Response) -> Response {
        answer.map(|body| Body::new(GuardedBody::new(body, self)))
    }
}
