//! Tracks the requests of one connection until their answers are written.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rmcp::model::{ErrorCode, ErrorData, RequestId};
use tokio::{sync::Notify, time::Instant};

use crate::message::Message;

/// The requests that a connection may have in flight.
const MAX_REQUESTS_IN_FLIGHT: usize = 1_024;
/// The error code of a request over that limit.
const TOO_MANY_IN_FLIGHT: i32 = -31429;

/// Requests whose answers have not been written.
#[derive(Default)]
pub(super) struct InFlight {
    requests: Mutex<Requests>,
    changed: Notify,
}

#[derive(Default)]
struct Requests {
    /// The ids of requests without an answer.
    ids: HashSet<RequestId>,
    /// The number of answers that are being written. Their ids are free: a client that has read an answer may use its id
    /// again before the writer learns that the write has ended.
    writing: usize,
}

impl Requests {
    fn is_empty(&self) -> bool {
        self.ids.is_empty() && self.writing == 0
    }
}

impl InFlight {
    /// Whether every request is answered.
    pub(super) fn is_empty(&self) -> bool {
        self.requests().is_empty()
    }

    fn requests(&self) -> MutexGuard<'_, Requests> {
        // A panic cannot leave the set inconsistent.
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a request. An id that is in flight is refused, since its two answers could not be told apart.
    pub(super) fn insert(&self, id: &RequestId) -> Result<(), ErrorData> {
        let ids = &mut self.requests().ids;
        if ids.len() >= MAX_REQUESTS_IN_FLIGHT {
            let message = Message::new("this connection is at its limit of requests in flight")
                .help("wait for an answer, then call again");
            let data = serde_json::json!({"reason": "too_many_in_flight", "retryAfterSeconds": 1});
            return Err(ErrorData::new(ErrorCode(TOO_MANY_IN_FLIGHT), message, Some(data)));
        }
        if !ids.insert(id.clone()) {
            let message = Message::new("a request with this `id` is in flight")
                .help("send each request under an `id` of its own");
            return Err(ErrorData::invalid_request(message, None));
        }
        Ok(())
    }

    pub(super) fn cancel(&self, id: &RequestId) {
        self.requests().ids.remove(id);
        self.changed.notify_one();
    }

    fn begin_write(&self, id: &RequestId) {
        let mut requests = self.requests();
        requests.ids.remove(id);
        requests.writing += 1;
    }

    fn end_write(&self) {
        self.requests().writing -= 1;
        self.changed.notify_one();
    }

    /// Waits until every request is answered, or until the deadline.
    pub(super) async fn drained(&self, until: Instant) {
        loop {
            let changed = self.changed.notified();
            if self.requests().is_empty() || tokio::time::timeout_at(until, changed).await.is_err() {
                return;
            }
        }
    }
}

/// Counts an answer as being written until it is dropped.
pub(super) struct AnswerWrite(Arc<InFlight>);

impl AnswerWrite {
    pub(super) fn begin(in_flight: &Arc<InFlight>, id: &RequestId) -> Self {
        in_flight.begin_write(id);
        Self(Arc::clone(in_flight))
    }
}

impl Drop for AnswerWrite {
    fn drop(&mut self) {
        self.0.end_write();
    }
}
