//! Keeps the calls that outlast their requests: their owners, their progress and their results, for a limited time.

mod bounds;
mod entry;
#[cfg(feature = "postgres")]
mod lost;
mod replicas;
#[cfg(feature = "postgres")]
mod row;
mod running;
#[cfg(feature = "postgres")]
mod shared;
mod state;
#[cfg(feature = "postgres")]
mod stored_call;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use self::entry::{Stage, TaskEntry};
#[cfg(feature = "postgres")]
use self::shared::SharedTasks;
pub(crate) use self::{
    bounds::{MAX_KEPT_RESULT_BYTES, MAX_KEPT_RESULT_BYTES_PER_CALLER, TaskLimit, TasksOf},
    replicas::{NoTask, StoreUnavailable},
    running::Running,
    state::{AnswerStatus, End, Snapshot, TaskState},
};
#[cfg(feature = "postgres")]
pub(crate) use self::{
    lost::{ClaimedTask, RunsAgain},
    stored_call::{RunOnce, StoredCall},
};
use crate::{clock::Clock, ordered::CollectOrdered as _, tool::caller::Caller};

/// The bytes of the answers to one round of questions.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// The tasks of one server.
pub(crate) struct Tasks {
    clock: Clock,
    by_id: Mutex<HashMap<String, TaskEntry>>,
    /// The tasks of all replicas.
    #[cfg(feature = "postgres")]
    shared: Option<SharedTasks>,
}

impl Tasks {
    /// Creates the tasks of one process.
    #[cfg(any(test, not(feature = "postgres")))]
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            by_id: Mutex::default(),
            #[cfg(feature = "postgres")]
            shared: None,
        }
    }

    /// Opens a task for a call with this timeout, unless the caller or the server has too many.
    fn open(
        self: &Arc<Self>,
        caller: &Caller,
        scopes: &'static [&'static str],
        timeout: Duration,
    ) -> Result<Running, TaskLimit> {
        let now = self.clock.since_1970();
        let mut tasks = self.tasks();
        bounds::check_number(&tasks, caller, now)?;
        let id = id();
        let cancelled = CancellationToken::new();
        let entry = TaskEntry::new(caller, scopes, timeout, now, cancelled.clone());
        tasks.insert(id.clone(), entry);
        drop(tasks);
        Ok(Running::new(Arc::clone(self), id, cancelled))
    }

    /// The number of tasks that are kept, whether they run or have ended.
    #[cfg(feature = "telemetry")]
    pub(crate) fn count(&self) -> usize {
        self.tasks().len()
    }

    /// The task `id` of this process, if `caller` may see it. Another caller's task is reported as unknown.
    fn get(&self, caller: &Caller, id: &str) -> Option<Snapshot> {
        let mut tasks = self.tasks();
        let entry = tasks.get_mut(id).filter(|entry| entry.is_visible_to(caller))?;
        if let Stage::Ended { is_fetched, .. } = &mut entry.stage {
            *is_fetched = true;
        }
        entry.snapshot(id)
    }

    /// Stores answers to a task's open questions, and ignores others.
    fn answer(
        &self,
        caller: &Caller,
        id: &str,
        responses: impl IntoIterator<Item = (String, Value)>,
    ) -> AnswerStatus {
        let now = self.clock.since_1970();
        let mut tasks = self.tasks();
        match tasks.get_mut(id).filter(|entry| entry.is_visible_to(caller)) {
            Some(entry) => self.put_answers(id, entry, now, responses),
            None => AnswerStatus::Unknown,
        }
    }

    fn put_answers(
        &self,
        id: &str,
        entry: &mut TaskEntry,
        now: Duration,
        responses: impl IntoIterator<Item = (String, Value)>,
    ) -> AnswerStatus {
        let Stage::Asking { open, answers, size } = &mut entry.stage else { return AnswerStatus::Accepted };
        let responses: BTreeMap<_, _> =
            responses.into_iter().filter(|(key, _)| open.contains_key(key)).collect_ordered();
        let more = responses.values().map(|answer| answer.to_string().len()).sum::<usize>();
        if *size + more > MAX_ANSWER_BYTES {
            return AnswerStatus::TooLarge;
        }
        if !responses.is_empty() {
            entry.changed = now;
        }
        *size += more;
        open.retain(|key, _| !responses.contains_key(key));
        answers.extend(responses);
        if open.is_empty() {
            // A second notification does no harm: each round waits on a fresh one.
            entry.answered.notify_one();
        }
        self.publish(id, entry, false);
        AnswerStatus::Accepted
    }

    /// Cancels a task that still runs. Returns whether the task exists.
    fn cancel(&self, caller: &Caller, id: &str) -> bool {
        let tasks = self.tasks();
        let Some(entry) = tasks.get(id).filter(|entry| entry.is_visible_to(caller)) else { return false };
        entry.cancelled.cancel();
        true
    }

    /// All tasks, without expiry: a running task does not expire.
    fn all(&self) -> MutexGuard<'_, HashMap<String, TaskEntry>> {
        // A panic cannot leave an entry inconsistent.
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All tasks, after removing the expired ones.
    fn tasks(&self) -> MutexGuard<'_, HashMap<String, TaskEntry>> {
        let mut tasks = self.all();
        let now = self.clock.since_1970();
        tasks.retain(|_, entry| !(entry.has_ended() && entry.expiry() <= now));
        tasks
    }
}

impl Tasks {
    /// Changes a task, and publishes it. With `is_new_round`, answers to its earlier questions mean nothing any more.
    fn change<T>(&self, id: &str, is_new_round: bool, change: impl FnOnce(&mut TaskEntry) -> T) -> Option<T> {
        let now = self.clock.since_1970();
        let mut tasks = self.all();
        let entry = tasks.get_mut(id)?;
        entry.changed = now;
        let changed = change(entry);
        self.publish(id, entry, is_new_round);
        Some(changed)
    }

    /// Ends a task that has not ended; a task that never began is forgotten.
    fn end(&self, id: &str, end: End) {
        let now = self.clock.since_1970();
        let mut tasks = self.all();
        match tasks.get_mut(id) {
            Some(TaskEntry { stage: Stage::Opened, .. }) => {
                tasks.remove(id);
                self.publish_removal(id);
            }
            None => {}
            Some(entry) if entry.has_ended() => {}
            Some(entry) => {
                entry.changed = now;
                entry.progress = None;
                entry.stage = Stage::Ended { end, is_fetched: false };
                self.publish(id, entry, false);
                bounds::drop_results(&mut tasks, id);
            }
        }
    }
}

/// Returns a random id, which cannot be guessed.
fn id() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    format!("{:032x}", u128::from_ne_bytes(bytes))
}
