//! Holds one task, and says who may see it and for how long.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::Value;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::state::{End, Snapshot, TaskState};
use crate::tool::{
    ask::Question,
    caller::{Caller, Identity},
};

/// The time that a task is kept beyond its tool's timeout, for users to answer and for clients to fetch the result.
const RETENTION: Duration = Duration::from_secs(600);
/// The longest time that any task is kept beyond twice its tool's timeout.
#[cfg(feature = "postgres")]
pub(super) const MAX_RETENTION: Duration = Duration::from_secs(RETENTION.as_secs() + 120);
/// The least time that an ended task is kept, however late it ended.
pub(super) const MIN_RETENTION_AFTER_END: Duration = Duration::from_secs(60);

/// A task of this process.
pub(super) struct TaskEntry {
    pub(super) issuer: Option<String>,
    pub(super) subject: String,
    /// The scopes that the call needed; every request about its task needs them, too.
    pub(super) scopes: &'static [&'static str],
    /// The time since 1970 by the clock.
    pub(super) created: Duration,
    pub(super) changed: Duration,
    /// The timeout of the tool.
    pub(super) timeout: Duration,
    pub(super) stage: Stage,
    /// Whether the call has put questions, so that it can end later than after one timeout.
    pub(super) has_asked: bool,
    /// The progress that the handler last reported.
    pub(super) progress: Option<String>,
    pub(super) cancelled: CancellationToken,
    /// Notified when the last open question is answered.
    pub(super) answered: Arc<Notify>,
    /// The encrypted call, until it is published.
    #[cfg(feature = "postgres")]
    pub(super) call: Option<Vec<u8>>,
    /// The reason why the call does not run again, if it must not.
    #[cfg(feature = "postgres")]
    pub(super) once: Option<super::RunOnce>,
}

/// How far a task is.
pub(super) enum Stage {
    /// The handler has not begun, and no client knows of the task.
    Opened,
    Working,
    Asking {
        open: BTreeMap<String, Question>,
        answers: BTreeMap<String, Value>,
        /// The bytes of the answers.
        size: usize,
    },
    Ended {
        end: End,
        /// Whether the client has got the end.
        is_fetched: bool,
    },
}

impl TaskEntry {
    /// Creates a task whose handler has not begun.
    pub(super) fn new(
        caller: &Caller,
        scopes: &'static [&'static str],
        timeout: Duration,
        now: Duration,
        cancelled: CancellationToken,
    ) -> Self {
        Self {
            issuer: caller.issuer().map(str::to_owned),
            subject: caller.subject().to_owned(),
            scopes,
            created: now,
            changed: now,
            timeout,
            stage: Stage::Opened,
            has_asked: false,
            progress: None,
            cancelled,
            answered: Arc::default(),
            #[cfg(feature = "postgres")]
            call: None,
            #[cfg(feature = "postgres")]
            once: None,
        }
    }

    /// The bytes of the task's result.
    pub(super) fn result_bytes(&self) -> usize {
        match &self.stage {
            Stage::Ended { end: End::Completed(result), .. } => result.len(),
            _ => 0,
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self.stage, Stage::Ended { .. })
    }

    /// The time for which the client can ask for the task, from its creation.
    pub(super) fn ttl(&self) -> Duration {
        self.timeout.saturating_add(RETENTION)
    }

    /// The time at which the task is forgotten. Before its end, the latest one.
    pub(super) fn expiry(&self) -> Duration {
        let expiry = self.created.saturating_add(self.ttl());
        match self.stage {
            Stage::Ended { .. } => expiry.max(self.changed + MIN_RETENTION_AFTER_END),
            // The last answer can come at that time, and the handler then has its timeout again.
            _ if self.has_asked => expiry.saturating_add(self.timeout + MIN_RETENTION_AFTER_END),
            _ => expiry,
        }
    }

    pub(super) fn owner(&self) -> Identity<'_> {
        Identity { issuer: self.issuer.as_deref(), subject: &self.subject }
    }

    /// Whether the task belongs to `caller`, who still holds its scopes.
    pub(super) fn is_visible_to(&self, caller: &Caller) -> bool {
        !matches!(self.stage, Stage::Opened)
            && self.owner() == caller.identity()
            && self.scopes.iter().all(|scope| caller.holds(scope))
    }

    pub(super) fn snapshot(&self, id: &str) -> Option<Snapshot> {
        let state = match &self.stage {
            Stage::Opened => return None,
            Stage::Working => TaskState::Working,
            // Every question is answered, and the call is about to go on.
            Stage::Asking { open, .. } if open.is_empty() => TaskState::Working,
            Stage::Asking { open, .. } => TaskState::Asking(
                open.iter().map(|(key, question)| (key.clone(), question.clone())).collect(),
            ),
            Stage::Ended { end, .. } => TaskState::Ended(end.clone()),
        };
        let Self { created, changed, .. } = *self;
        Some(Snapshot {
            id: id.to_owned(),
            created,
            changed,
            ttl: self.ttl(),
            progress: self.progress.clone(),
            state,
        })
    }
}
