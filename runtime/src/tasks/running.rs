//! Drives the task of a running call.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{
    Tasks,
    entry::Stage,
    state::{End, Snapshot},
};
use crate::{ordered::CollectOrdered as _, tool::ask::Question};

/// The handle of a running call. If it is dropped before the call ends, the task fails; before the handler begins, the
/// task is forgotten.
pub(crate) struct Running {
    tasks: Arc<Tasks>,
    id: String,
    cancelled: CancellationToken,
}

impl Running {
    pub(super) fn new(tasks: Arc<Tasks>, id: String, cancelled: CancellationToken) -> Self {
        Self { tasks, id, cancelled }
    }

    /// Cancelled when the caller cancels the task.
    pub(crate) fn cancelled(&self) -> &CancellationToken {
        &self.cancelled
    }

    /// The id of the task.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Whether the handler has begun, so that the client knows of the task.
    pub(crate) fn has_begun(&self) -> bool {
        let tasks = self.tasks.all();
        tasks.get(&self.id).is_some_and(|entry| !matches!(entry.stage, Stage::Opened))
    }

    /// Keeps the call for other replicas, or the reason why none of them runs it again.
    #[cfg(feature = "postgres")]
    pub(crate) fn keep_call(&self, call: Result<super::StoredCall, super::RunOnce>) {
        self.tasks.keep_call(&self.id, call);
    }

    /// Makes the task visible to its caller.
    pub(crate) fn begin(tasks: &Tasks, id: &str) -> Option<Snapshot> {
        tasks.change(id, false, |entry| {
            entry.stage = Stage::Working;
            entry.snapshot(id)
        })?
    }

    /// Puts questions, and waits until all are answered; `None` if the task is cancelled or expires first.
    pub(crate) async fn ask(&self, questions: Vec<(String, Question)>) -> Option<BTreeMap<String, Value>> {
        let (answered, left) = self.tasks.change(&self.id, true, |entry| {
            let open = questions.into_iter().collect_ordered();
            entry.stage = Stage::Asking { open, answers: BTreeMap::new(), size: 0 };
            entry.has_asked = true;
            entry.progress = None;
            entry.answered = Arc::default();
            let expiry = entry.created.saturating_add(entry.ttl());
            (Arc::clone(&entry.answered), expiry.saturating_sub(entry.changed))
        })?;
        let in_time = tokio::select! {
            biased;
            () = self.cancelled.cancelled() => false,
            () = answered.notified() => true,
            () = tokio::time::sleep(left) => false,
        };
        self.tasks.change(&self.id, false, |entry| {
            match std::mem::replace(&mut entry.stage, Stage::Working) {
                Stage::Asking { answers, .. } if in_time => Some(answers),
                _ => None,
            }
        })?
    }

    /// Publishes the handler's progress.
    pub(crate) fn set_progress(&self, progress: String) {
        self.tasks.change(&self.id, false, |entry| entry.progress = Some(progress));
    }

    /// Ends the task.
    pub(crate) fn end(self, end: End) {
        self.tasks.end(&self.id, end);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let error = serde_json::json!({"code": -32603, "message": "internal error"});
        self.tasks.end(&self.id, End::Failed(error.as_object().cloned().unwrap_or_default()));
    }
}
