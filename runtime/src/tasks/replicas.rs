//! Finds tasks of this process and, in the database that they share, of the other replicas.

use std::{sync::Arc, time::Duration};

use serde_json::Value;

#[cfg(feature = "postgres")]
use super::lost::Purpose;
use super::{AnswerStatus, Running, Snapshot, TaskLimit, Tasks, entry::TaskEntry};
use crate::{clock::Clock, state_key::StateKey, store::SharedDatabase, tool::caller::Caller};

/// The database that the replicas share does not answer, which has told the operator why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoreUnavailable;

/// Why a call gets no task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoTask {
    Limit(TaskLimit),
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "nothing is shared"))]
    Store,
}

impl Tasks {
    /// Creates the tasks of a server, and shares them with its other replicas.
    pub(crate) fn start(
        clock: Clock,
        #[cfg_attr(not(feature = "postgres"), expect(unused_variables, reason = "nothing is shared"))]
        shared: &SharedDatabase,
        #[cfg_attr(not(feature = "postgres"), expect(unused_variables, reason = "nothing is shared"))]
        key: &StateKey,
    ) -> Arc<Self> {
        #[cfg(feature = "postgres")]
        {
            let shared = shared.database().map(|database| super::SharedTasks::new(database, key));
            let (shared, publisher) = shared.unzip();
            let tasks = Arc::new(Self { clock, by_id: std::sync::Mutex::default(), shared });
            if let Some(publisher) = publisher {
                publisher.start(&tasks);
            }
            tasks
        }
        #[cfg(not(feature = "postgres"))]
        Arc::new(Self::new(clock))
    }

    /// Opens a task for a call with this timeout, unless the caller or this process has too many.
    pub(crate) async fn open_for(
        self: &Arc<Self>,
        caller: &Caller,
        scopes: &'static [&'static str],
        timeout: Duration,
    ) -> Result<Running, NoTask> {
        let running = self.open(caller, scopes, timeout).map_err(NoTask::Limit)?;
        #[cfg(feature = "postgres")]
        if let Some(shared) = &self.shared {
            let row = self.all().get(running.id()).map(super::row::write);
            let lifetime = timeout.saturating_mul(2).saturating_add(super::entry::MAX_RETENTION);
            let opened = shared.open(running.id(), caller, row.unwrap_or_default(), lifetime).await;
            opened.map_err(|StoreUnavailable| NoTask::Store)?;
        }
        Ok(running)
    }

    /// The task `id`, if `caller` may see it. Another caller's task is reported as unknown.
    pub(crate) async fn find(
        self: &Arc<Self>,
        caller: &Arc<Caller>,
        id: &str,
    ) -> Result<Option<Snapshot>, StoreUnavailable> {
        if let Some(own) = self.get(caller, id) {
            return Ok(Some(own));
        }
        #[cfg(feature = "postgres")]
        if let Some(shared) = &self.shared {
            return self.find_shared(shared, caller, id, Purpose::Read).await;
        }
        Ok(None)
    }

    /// Stores answers to a task's open questions, and ignores others.
    pub(crate) async fn update(
        self: &Arc<Self>,
        caller: &Arc<Caller>,
        id: &str,
        responses: impl IntoIterator<Item = (String, Value)>,
    ) -> Result<AnswerStatus, StoreUnavailable> {
        if self.get(caller, id).is_some() {
            return Ok(self.answer(caller, id, responses));
        }
        #[cfg(feature = "postgres")]
        if let Some(shared) = &self.shared
            && let Some(snapshot) = self.find_shared(shared, caller, id, Purpose::Read).await?
        {
            return shared.answer(id, snapshot, responses.into_iter().collect()).await;
        }
        Ok(AnswerStatus::Unknown)
    }

    /// Cancels a task that still runs. Returns whether the task exists.
    pub(crate) async fn request_cancel(
        self: &Arc<Self>,
        caller: &Arc<Caller>,
        id: &str,
    ) -> Result<bool, StoreUnavailable> {
        if self.cancel(caller, id) {
            return Ok(true);
        }
        #[cfg(feature = "postgres")]
        if let Some(shared) = &self.shared
            && self.find_shared(shared, caller, id, Purpose::Cancel).await?.is_some()
        {
            shared.cancel(id).await?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Tells the other replicas of a change.
    #[cfg_attr(
        not(feature = "postgres"),
        expect(clippy::unused_self, unused_variables, reason = "nothing is shared")
    )]
    pub(super) fn publish(&self, id: &str, entry: &mut TaskEntry, is_new_round: bool) {
        #[cfg(feature = "postgres")]
        if let Some(shared) = &self.shared {
            shared.publish(id, entry, is_new_round);
        }
    }

    /// Tells the other replicas that a task never began.
    #[cfg_attr(
        not(feature = "postgres"),
        expect(clippy::unused_self, unused_variables, reason = "nothing is shared")
    )]
    pub(super) fn publish_removal(&self, id: &str) {
        #[cfg(feature = "postgres")]
        if let Some(shared) = &self.shared {
            shared.publish_removal(id);
        }
    }

    /// Sets the runner of the tasks of dead replicas. Does nothing if the server shares no tasks.
    #[cfg(feature = "postgres")]
    pub(crate) fn set_runs_again(&self, runs_again: impl super::RunsAgain + 'static) {
        if let Some(shared) = &self.shared {
            shared.set_runs_again(Box::new(runs_again));
        }
    }

    /// Whether other replicas may run the tasks of this one.
    #[cfg(feature = "postgres")]
    pub(crate) fn are_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// Keeps the call of a task for other replicas, or the reason why none of them runs it. It is stored when the handler
    /// begins.
    #[cfg(feature = "postgres")]
    pub(super) fn keep_call(&self, id: &str, call: Result<super::StoredCall, super::RunOnce>) {
        let Some(shared) = &self.shared else { return };
        let sealed = call.and_then(|call| shared.seal(id, &call));
        if let Some(entry) = self.all().get_mut(id) {
            entry.once = sealed.as_ref().err().copied();
            entry.call = sealed.ok();
        }
    }

    /// Whether a task of this process has not ended.
    #[cfg(feature = "postgres")]
    pub(super) fn is_running(&self) -> bool {
        self.all().values().any(|entry| !entry.has_ended())
    }

    /// Does to a task of this process as its caller asked at another replica.
    #[cfg(feature = "postgres")]
    pub(super) fn apply(&self, requests: crate::database::TaskRequests) {
        let now = self.clock.since_1970();
        let mut tasks = self.all();
        let Some(entry) = tasks.get_mut(&requests.id) else { return };
        if requests.is_cancelled {
            entry.cancelled.cancel();
        }
        for answers in requests.answers {
            self.put_answers(&requests.id, entry, now, super::row::read_answers(&answers));
        }
    }
}
