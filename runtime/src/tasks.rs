//! Keeps the calls that outlast their requests: their owners, their progress and their results, for a limited time.

mod bounds;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::{Map, Value};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    tool::{
        ask::Question,
        caller::{Caller, Identity},
    },
};

pub(crate) use bounds::{MAX_KEPT_RESULT_BYTES, MAX_KEPT_RESULT_BYTES_PER_CALLER, TaskLimit, TasksOf};

/// The bytes of the answers to one round of questions.
const MAX_ANSWER_BYTES: usize = 1 << 20;
/// The time that a task is kept beyond its tool's timeout, for users to answer and for clients to fetch the result.
const RETENTION: Duration = Duration::from_secs(600);
/// The least time that an ended task is kept, however late it ended.
const MIN_RETENTION_AFTER_END: Duration = Duration::from_secs(60);

/// The tasks of one server.
pub(crate) struct Tasks {
    clock: Clock,
    by_id: Mutex<HashMap<String, TaskEntry>>,
}

struct TaskEntry {
    issuer: Option<String>,
    subject: String,
    /// The scopes that the call needed; every request about its task needs them, too.
    scopes: &'static [&'static str],
    /// The time since 1970 by the clock.
    created: Duration,
    changed: Duration,
    /// The timeout of the tool.
    timeout: Duration,
    stage: Stage,
    /// Whether the call has put questions, so that it can end later than after one timeout.
    has_asked: bool,
    /// The progress that the handler last reported.
    progress: Option<String>,
    cancelled: CancellationToken,
    /// Notified when the last open question is answered.
    answered: Arc<Notify>,
}

enum Stage {
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

/// How a task ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum End {
    /// With the result of the call, which may be a tool error: an object, as JSON.
    Completed(Box<str>),
    /// Without a result: the JSON-RPC error in its place.
    Failed(Map<String, Value>),
    /// With a result that is not kept any more: the results exceeded their size limit.
    Dropped,
    /// The caller cancelled it, and its handler has stopped.
    Cancelled,
}

/// A task at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) id: String,
    pub(crate) created: Duration,
    pub(crate) changed: Duration,
    pub(crate) ttl: Duration,
    /// The progress that the handler last reported.
    pub(crate) progress: Option<String>,
    pub(crate) state: TaskState,
}

/// The result of storing a client's answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AnswerStatus {
    /// The answers to open questions are stored; others are ignored.
    Accepted,
    /// They exceed the size limit, and are dropped.
    TooLarge,
    /// The caller has no such task.
    Unknown,
}

/// The state of a task, as its caller sees it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TaskState {
    Working,
    Asking(Vec<(String, Question)>),
    Ended(End),
}

impl Tasks {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, by_id: Mutex::default() }
    }

    /// Opens a task for a call with this timeout, unless the caller or the server has too many.
    pub(crate) fn open(
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
        let entry = TaskEntry {
            issuer: caller.issuer().map(str::to_owned),
            subject: caller.subject().to_owned(),
            scopes,
            created: now,
            changed: now,
            timeout,
            stage: Stage::Opened,
            has_asked: false,
            progress: None,
            cancelled: cancelled.clone(),
            answered: Arc::default(),
        };
        tasks.insert(id.clone(), entry);
        drop(tasks);
        Ok(Running { tasks: Arc::clone(self), id, cancelled })
    }

    /// The number of tasks that are kept, whether they run or have ended.
    #[cfg(feature = "telemetry")]
    pub(crate) fn count(&self) -> usize {
        self.tasks().len()
    }

    /// The task `id`, if `caller` may see it. Another caller's task is reported as unknown.
    pub(crate) fn get(&self, caller: &Caller, id: &str) -> Option<Snapshot> {
        let mut tasks = self.tasks();
        let entry = tasks.get_mut(id).filter(|entry| entry.is_visible_to(caller))?;
        if let Stage::Ended { is_fetched, .. } = &mut entry.stage {
            *is_fetched = true;
        }
        entry.snapshot(id)
    }

    /// Stores answers to a task's open questions, and ignores others.
    pub(crate) fn answer(
        &self,
        caller: &Caller,
        id: &str,
        responses: impl IntoIterator<Item = (String, Value)>,
    ) -> AnswerStatus {
        let now = self.clock.since_1970();
        let mut tasks = self.tasks();
        let Some(entry) = tasks.get_mut(id).filter(|entry| entry.is_visible_to(caller)) else {
            return AnswerStatus::Unknown;
        };
        let Stage::Asking { open, answers, size } = &mut entry.stage else { return AnswerStatus::Accepted };
        let responses: BTreeMap<_, _> =
            responses.into_iter().filter(|(key, _)| open.contains_key(key)).collect();
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
        AnswerStatus::Accepted
    }

    /// Cancels a task that still runs. Returns whether the task exists.
    pub(crate) fn cancel(&self, caller: &Caller, id: &str) -> bool {
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

impl TaskEntry {
    /// The bytes of the task's result.
    fn result_bytes(&self) -> usize {
        match &self.stage {
            Stage::Ended { end: End::Completed(result), .. } => result.len(),
            _ => 0,
        }
    }

    fn has_ended(&self) -> bool {
        matches!(self.stage, Stage::Ended { .. })
    }

    /// The time for which the client can ask for the task, from its creation.
    fn ttl(&self) -> Duration {
        self.timeout.saturating_add(RETENTION)
    }

    /// The time at which the task is forgotten. Before its end, the latest one.
    fn expiry(&self) -> Duration {
        let expiry = self.created.saturating_add(self.ttl());
        match self.stage {
            Stage::Ended { .. } => expiry.max(self.changed + MIN_RETENTION_AFTER_END),
            // The last answer can come at that time, and the handler then has its timeout again.
            _ if self.has_asked => expiry.saturating_add(self.timeout + MIN_RETENTION_AFTER_END),
            _ => expiry,
        }
    }

    fn owner(&self) -> Identity<'_> {
        Identity { issuer: self.issuer.as_deref(), subject: &self.subject }
    }

    /// Whether the task belongs to `caller`, who still holds its scopes.
    fn is_visible_to(&self, caller: &Caller) -> bool {
        !matches!(self.stage, Stage::Opened)
            && self.owner() == caller.identity()
            && self.scopes.iter().all(|scope| caller.holds(scope))
    }

    fn snapshot(&self, id: &str) -> Option<Snapshot> {
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

/// The handle of a running call. If it is dropped before the call ends, the task fails; before the handler begins, the
/// task is forgotten.
pub(crate) struct Running {
    tasks: Arc<Tasks>,
    id: String,
    cancelled: CancellationToken,
}

impl Running {
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

    /// Makes the task visible to its caller.
    pub(crate) fn begin(tasks: &Tasks, id: &str) -> Option<Snapshot> {
        tasks.change(id, |entry| {
            entry.stage = Stage::Working;
            entry.snapshot(id)
        })?
    }

    /// Puts questions, and waits until all are answered; `None` if the task is cancelled or expires first.
    pub(crate) async fn ask(&self, questions: Vec<(String, Question)>) -> Option<BTreeMap<String, Value>> {
        let (answered, left) = self.tasks.change(&self.id, |entry| {
            let open = questions.into_iter().collect();
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
        self.tasks.change(&self.id, |entry| match std::mem::replace(&mut entry.stage, Stage::Working) {
            Stage::Asking { answers, .. } if in_time => Some(answers),
            _ => None,
        })?
    }

    /// Publishes the handler's progress.
    pub(crate) fn set_progress(&self, progress: String) {
        self.tasks.change(&self.id, |entry| entry.progress = Some(progress));
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

impl Tasks {
    fn change<T>(&self, id: &str, change: impl FnOnce(&mut TaskEntry) -> T) -> Option<T> {
        let now = self.clock.since_1970();
        let mut tasks = self.all();
        let entry = tasks.get_mut(id)?;
        entry.changed = now;
        Some(change(entry))
    }

    /// Ends a task that has not ended; a task that never began is forgotten.
    fn end(&self, id: &str, end: End) {
        let now = self.clock.since_1970();
        let mut tasks = self.all();
        match tasks.get_mut(id) {
            Some(TaskEntry { stage: Stage::Opened, .. }) => _ = tasks.remove(id),
            None => {}
            Some(entry) if entry.has_ended() => {}
            Some(entry) => {
                entry.changed = now;
                entry.progress = None;
                entry.stage = Stage::Ended { end, is_fetched: false };
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
