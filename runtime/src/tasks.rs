//! Calls that outlast their requests: whose they are, how far they are and how they ended, for as long as that is kept.

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

/// The most tasks that one caller has at a time, those that have ended and are still kept among them.
const MOST_PER_CALLER: usize = 64;
/// The most tasks in all.
const MOST: usize = 512;
/// The most bytes that all results together take: of those that are kept, and of those that are yet to come.
const MOST_BYTES: usize = 256 << 20;
/// What is set aside for a result that is yet to come: all that a tool may return, as text and as structured content.
const ROOM: usize = 2 << 20;
/// The most bytes that answers to one round of questions take.
const MOST_OF_ANSWERS: usize = 1 << 20;
/// How long a task is kept beyond the time that its tool may take: for people to answer, and for clients to come back.
const KEPT: Duration = Duration::from_secs(600);
/// The least that an ended task is kept, however late it ended.
const KEPT_AFTER_ITS_END: Duration = Duration::from_secs(60);

/// The tasks of one server.
pub(crate) struct Tasks {
    clock: Clock,
    by_id: Mutex<HashMap<String, Entry>>,
}

struct Entry {
    issuer: Option<String>,
    subject: String,
    /// The scopes that the call needed; so does all that is done with its task.
    scopes: &'static [&'static str],
    /// By the clock's time since 1970.
    created: Duration,
    changed: Duration,
    ttl: Duration,
    stage: Stage,
    /// How far the handler says that it is.
    progress: Option<String>,
    cancelled: CancellationToken,
    /// Told when the last open question is answered.
    answered: Arc<Notify>,
}

enum Stage {
    /// Not begun: nobody knows of it, and it may yet come to nothing.
    Opened,
    Working,
    Asking {
        open: BTreeMap<String, Question>,
        answers: BTreeMap<String, Value>,
        /// What the answers take, in bytes.
        size: usize,
    },
    Ended(End),
}

/// How a task came to its end.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum End {
    /// The call has its result, be it the tool's own error: an object, as JSON.
    Completed(Box<str>),
    /// The call has none: what stands in its place, as JSON-RPC has it.
    Failed(Map<String, Value>),
    /// The caller took it back, and nothing of it runs any more.
    Cancelled,
}

/// A task at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) id: String,
    pub(crate) created: Duration,
    pub(crate) changed: Duration,
    pub(crate) ttl: Duration,
    /// How far the handler says that it is.
    pub(crate) progress: Option<String>,
    pub(crate) state: State,
}

/// How answers were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AnswerStatus {
    /// Those that were asked for.
    Accepted,
    /// Not at all: they hold too much.
    TooLarge,
    /// The caller has no such task.
    Unknown,
}

/// How far it is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum State {
    Working,
    Asking(Vec<(String, Question)>),
    Ended(End),
}

impl Tasks {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, by_id: Mutex::default() }
    }

    /// Opens a task for a call that may take so long; `None` where there are as many as may be.
    pub(crate) fn open(
        self: &Arc<Self>,
        caller: &Caller,
        scopes: &'static [&'static str],
        timeout: Duration,
    ) -> Option<Running> {
        let now = self.clock.since_1970();
        let mut tasks = self.tasks();
        let own = tasks.values().filter(|entry| entry.owner() == caller.identity()).count();
        let bytes = tasks.values().map(Entry::room).sum::<usize>() + ROOM;
        if own >= MOST_PER_CALLER || tasks.len() >= MOST || bytes > MOST_BYTES {
            return None;
        }
        let id = id();
        let cancelled = CancellationToken::new();
        let entry = Entry {
            issuer: caller.issuer().map(str::to_owned),
            subject: caller.subject().to_owned(),
            scopes,
            created: now,
            changed: now,
            ttl: timeout.saturating_add(KEPT),
            stage: Stage::Opened,
            progress: None,
            cancelled: cancelled.clone(),
            answered: Arc::default(),
        };
        tasks.insert(id.clone(), entry);
        drop(tasks);
        Some(Running { tasks: Arc::clone(self), id, cancelled })
    }

    /// The task of this name, where `caller` may see it. Any other is as unknown as one that never was.
    pub(crate) fn get(&self, caller: &Caller, id: &str) -> Option<Snapshot> {
        let tasks = self.tasks();
        let entry = tasks.get(id).filter(|entry| entry.is_open_to(caller))?;
        entry.snapshot(id)
    }

    /// Takes answers to a task's open questions; others are nobody's.
    pub(crate) fn answer(
        &self,
        caller: &Caller,
        id: &str,
        said: impl IntoIterator<Item = (String, Value)>,
    ) -> AnswerStatus {
        let now = self.clock.since_1970();
        let mut tasks = self.tasks();
        let Some(entry) = tasks.get_mut(id).filter(|entry| entry.is_open_to(caller)) else {
            return AnswerStatus::Unknown;
        };
        let Stage::Asking { open, answers, size } = &mut entry.stage else { return AnswerStatus::Accepted };
        let said: BTreeMap<_, _> = said.into_iter().filter(|(key, _)| open.contains_key(key)).collect();
        let more = said.values().map(|answer| answer.to_string().len()).sum::<usize>();
        if *size + more > MOST_OF_ANSWERS {
            return AnswerStatus::TooLarge;
        }
        if !said.is_empty() {
            entry.changed = now;
        }
        *size += more;
        open.retain(|key, _| !said.contains_key(key));
        answers.extend(said);
        if open.is_empty() {
            // Whoever hears it again does no harm: each round of questions listens anew.
            entry.answered.notify_one();
        }
        AnswerStatus::Accepted
    }

    /// Takes a task back, if it still runs. Whether there is such a task.
    pub(crate) fn cancel(&self, caller: &Caller, id: &str) -> bool {
        let tasks = self.tasks();
        let Some(entry) = tasks.get(id).filter(|entry| entry.is_open_to(caller)) else { return false };
        entry.cancelled.cancel();
        true
    }

    /// All tasks, for whoever is one of them: what runs is not over.
    fn all(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        // Each entry is whole after any panic.
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All tasks but those whose time is over.
    fn tasks(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        let mut tasks = self.all();
        let now = self.clock.since_1970();
        tasks.retain(|_, entry| {
            let over = entry.created + entry.ttl <= now && entry.changed + KEPT_AFTER_ITS_END <= now;
            !(over && matches!(entry.stage, Stage::Ended(_)))
        });
        tasks
    }
}

impl Entry {
    /// The bytes that its result takes, or may come to take.
    fn room(&self) -> usize {
        match &self.stage {
            Stage::Ended(End::Completed(result)) => result.len(),
            Stage::Ended(_) => 0,
            _ => ROOM,
        }
    }

    fn owner(&self) -> Identity<'_> {
        Identity { issuer: self.issuer.as_deref(), subject: &self.subject }
    }

    /// Whether it is the caller's, who may still do what it does.
    fn is_open_to(&self, caller: &Caller) -> bool {
        !matches!(self.stage, Stage::Opened)
            && self.owner() == caller.identity()
            && self.scopes.iter().all(|scope| caller.holds(scope))
    }

    fn snapshot(&self, id: &str) -> Option<Snapshot> {
        let state = match &self.stage {
            Stage::Opened => return None,
            Stage::Working => State::Working,
            // All is said, and the call is about to go on.
            Stage::Asking { open, .. } if open.is_empty() => State::Working,
            Stage::Asking { open, .. } => {
                State::Asking(open.iter().map(|(key, question)| (key.clone(), question.clone())).collect())
            }
            Stage::Ended(end) => State::Ended(end.clone()),
        };
        let Self { created, changed, ttl, .. } = *self;
        Some(Snapshot { id: id.to_owned(), created, changed, ttl, progress: self.progress.clone(), state })
    }
}

/// A task's own end of it. Dropped before its call has ended, the task has failed; before it has begun, it never was.
pub(crate) struct Running {
    tasks: Arc<Tasks>,
    id: String,
    cancelled: CancellationToken,
}

impl Running {
    /// Cancelled once the caller takes the task back.
    pub(crate) fn cancelled(&self) -> &CancellationToken {
        &self.cancelled
    }

    /// The name of the task.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Whether anybody can know of the task.
    pub(crate) fn has_begun(&self) -> bool {
        let tasks = self.tasks.all();
        tasks.get(&self.id).is_some_and(|entry| !matches!(entry.stage, Stage::Opened))
    }

    /// Lets the caller see the task, from now on.
    pub(crate) fn begin(tasks: &Tasks, id: &str) -> Option<Snapshot> {
        tasks.change(id, |entry| {
            entry.stage = Stage::Working;
            entry.snapshot(id)
        })?
    }

    /// Puts questions, and waits until all are answered; `None` where the task was taken back, or its time is up.
    pub(crate) async fn ask(&self, questions: Vec<(String, Question)>) -> Option<BTreeMap<String, Value>> {
        let (answered, left) = self.tasks.change(&self.id, |entry| {
            let open = questions.into_iter().collect();
            entry.stage = Stage::Asking { open, answers: BTreeMap::new(), size: 0 };
            entry.progress = None;
            entry.answered = Arc::default();
            (Arc::clone(&entry.answered), (entry.created + entry.ttl).saturating_sub(entry.changed))
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

    /// Says how far the handler is, in its own words.
    pub(crate) fn set_progress(&self, progress: String) {
        self.tasks.change(&self.id, |entry| entry.progress = Some(progress));
    }

    /// Ends the task so.
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
    fn change<T>(&self, id: &str, change: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        let now = self.clock.since_1970();
        let mut tasks = self.all();
        let entry = tasks.get_mut(id)?;
        entry.changed = now;
        Some(change(entry))
    }

    /// Ends a task that has not ended; one that nobody knows of is forgotten.
    fn end(&self, id: &str, end: End) {
        let now = self.clock.since_1970();
        let mut tasks = self.all();
        match tasks.get_mut(id) {
            Some(Entry { stage: Stage::Opened, .. }) => _ = tasks.remove(id),
            Some(Entry { stage: Stage::Ended(_), .. }) | None => {}
            Some(entry) => {
                entry.changed = now;
                entry.progress = None;
                entry.stage = Stage::Ended(end);
            }
        }
    }
}

/// A name that nobody guesses.
fn id() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    format!("{:032x}", u128::from_ne_bytes(bytes))
}
