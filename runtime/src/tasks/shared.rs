//! Shares the tasks of this process with the other replicas, and answers for theirs.

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval},
};

use super::{
    AnswerStatus, RunOnce, RunsAgain, Snapshot, StoreUnavailable, StoredCall, TaskState, Tasks,
    entry::TaskEntry,
    row::{self, TaskRow},
    stored_call::CallCipher,
};
use crate::{
    database::{Database, DatabaseError, Runner, SharedTask, TASK_LEASE, TaskChange},
    ordered::CollectOrdered as _,
    state_key::StateKey,
    tool::caller::Caller,
};

/// The time between two look-ups of what callers asked other replicas.
const REQUEST_POLL_INTERVAL: Duration = Duration::from_millis(500);

/// The tasks of all replicas.
pub(super) struct SharedTasks {
    database: Arc<Database>,
    /// The id of this process.
    runner: Runner,
    news: mpsc::UnboundedSender<(String, News)>,
    cipher: CallCipher,
    runs_again: OnceLock<Box<dyn RunsAgain>>,
}

/// The state of a task whose replica is dead.
pub(super) struct LostTask {
    pub(super) runner: Runner,
    /// The number of replicas that have run it.
    pub(super) attempts: u16,
    pub(super) is_cancelled: bool,
    /// `None` if the call must not run again, or cannot be read.
    pub(super) call: Option<StoredCall>,
}

/// A change of a task of this process.
enum News {
    State(TaskChange),
    Removed,
}

impl News {
    /// Returns the later of two changes, with what must be known of the earlier.
    fn after(self, earlier: Option<&Self>) -> Self {
        match (self, earlier) {
            (Self::State(later), Some(Self::State(earlier))) => Self::State(TaskChange {
                is_new_round: later.is_new_round || earlier.is_new_round,
                call: later.call.or_else(|| earlier.call.clone()),
                ..later
            }),
            (later, _) => later,
        }
    }
}

/// The part of [`SharedTasks`] that is started once there are tasks to share.
pub(super) struct TaskPublisher {
    database: Arc<Database>,
    runner: Runner,
    changes: mpsc::UnboundedReceiver<(String, News)>,
}

impl TaskPublisher {
    /// Publishes the changes of `tasks`, and does as callers ask of them, until the server ends.
    pub(super) fn start(self, tasks: &Arc<Tasks>) {
        let Self { database, runner, changes } = self;
        database.spawn(share(Arc::clone(&database), runner, Arc::downgrade(tasks), changes));
    }
}

impl SharedTasks {
    pub(super) fn new(database: &Arc<Database>, key: &StateKey) -> (Self, TaskPublisher) {
        let mut runner = Runner::default();
        getrandom::fill(&mut runner).expect("the operating system provides random bytes");
        let (news, changes) = mpsc::unbounded_channel();
        let publisher = TaskPublisher { database: Arc::clone(database), runner, changes };
        let (cipher, runs_again) = (CallCipher::new(key), OnceLock::new());
        (Self { database: Arc::clone(database), runner, news, cipher, runs_again }, publisher)
    }

    /// Sets the runner of the tasks of dead replicas.
    pub(super) fn set_runs_again(&self, runs_again: Box<dyn RunsAgain>) {
        // It is set once, when the service is made.
        let _ = self.runs_again.set(runs_again);
    }

    pub(super) fn runs_again(&self) -> Option<&dyn RunsAgain> {
        self.runs_again.get().map(Box::as_ref)
    }

    /// Encrypts the call of a task.
    pub(super) fn seal(&self, id: &str, call: &StoredCall) -> Result<Vec<u8>, RunOnce> {
        self.cipher.seal(id, call)
    }

    /// Adds a task before its handler begins, so that the other replicas know it when the client does.
    pub(super) async fn open(
        &self,
        id: &str,
        caller: &Caller,
        task: Vec<u8>,
        lifetime: Duration,
    ) -> Result<(), StoreUnavailable> {
        let opened = self.database.open_task(id.to_owned(), owner(caller), self.runner, task, lifetime);
        Ok(opened.await?)
    }

    pub(super) fn publish(&self, id: &str, entry: &mut TaskEntry, is_new_round: bool) {
        let (call, has_ended) = (entry.call.take(), entry.has_ended());
        let news = News::State(TaskChange { task: row::write(entry), has_ended, is_new_round, call });
        // It fails when the server ends.
        let _ = self.news.send((id.to_owned(), news));
    }

    pub(super) fn publish_removal(&self, id: &str) {
        let _ = self.news.send((id.to_owned(), News::Removed));
    }

    /// Reads a task of any replica, and what is known of it if that is dead.
    pub(super) async fn read(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<Option<(TaskRow, Option<LostTask>)>, StoreUnavailable> {
        let Some(stored) = self.database.read_task(id.to_owned()).await? else { return Ok(None) };
        let SharedTask { caller: of, task, is_lost, runner, attempts, is_cancelled, call } = stored;
        let row = row::read(&task).filter(|row| of == owner(caller) && row.is_within(caller));
        let lost = || {
            let call = call.and_then(|call| self.cipher.open(id, &call));
            LostTask { runner, attempts, is_cancelled, call }
        };
        Ok(row.map(|row| (row, is_lost.then(lost))))
    }

    /// Ends a task whose replica is dead, unless another one has taken it over.
    pub(super) async fn end_lost(&self, id: &str, task: Vec<u8>) -> Result<(), StoreUnavailable> {
        self.database.end_lost_task(id.to_owned(), task).await?;
        Ok(())
    }

    /// Takes over a task that `of` ran. Returns whether it is this process's now.
    pub(super) async fn claim(
        &self,
        id: &str,
        of: Runner,
        lifetime: Duration,
    ) -> Result<bool, StoreUnavailable> {
        Ok(self.database.claim_task(id.to_owned(), self.runner, of, lifetime).await?)
    }

    /// Leaves answers for the replica that runs a task.
    pub(super) async fn answer(
        &self,
        id: &str,
        snapshot: Snapshot,
        responses: BTreeMap<String, Value>,
    ) -> Result<AnswerStatus, StoreUnavailable> {
        let TaskState::Asking(open) = snapshot.state else { return Ok(AnswerStatus::Accepted) };
        let is_open = |key: &String| open.iter().any(|(open, _)| open == key);
        let answers: Map<String, Value> =
            responses.into_iter().filter(|(key, _)| is_open(key)).collect_ordered();
        if answers.is_empty() {
            return Ok(AnswerStatus::Accepted);
        }
        let stored = self.database.answer_task(id.to_owned(), row::write_answers(answers)).await?;
        Ok(if stored { AnswerStatus::Accepted } else { AnswerStatus::TooLarge })
    }

    /// Asks the replica that runs a task to cancel it.
    pub(super) async fn cancel(&self, id: &str) -> Result<(), StoreUnavailable> {
        Ok(self.database.cancel_task(id.to_owned()).await?)
    }
}

impl From<DatabaseError> for StoreUnavailable {
    fn from(_: DatabaseError) -> Self {
        Self
    }
}

/// Returns the digest of a caller. A missing issuer is an empty text, which is not a URL.
fn owner(caller: &Caller) -> [u8; 32] {
    let identity = caller.identity();
    let mut hash = Sha256::new_with_prefix("candor task v1\0");
    for part in [identity.issuer.unwrap_or_default(), identity.subject] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// Publishes changes until the server ends, renews the leases of tasks that run, and does as callers ask of them.
async fn share(
    database: Arc<Database>,
    runner: Runner,
    tasks: Weak<Tasks>,
    mut changes: mpsc::UnboundedReceiver<(String, News)>,
) {
    // The latest change of each task that is not written yet.
    let mut unwritten: BTreeMap<String, News> = BTreeMap::new();
    let mut received = Vec::new();
    let mut renewed: Option<Instant> = None;
    let mut polls = interval(REQUEST_POLL_INTERVAL);
    polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            count = changes.recv_many(&mut received, 256) => {
                if count == 0 {
                    return;
                }
                for (id, news) in received.drain(..) {
                    let news = news.after(unwritten.get(&id));
                    unwritten.insert(id, news);
                }
            }
            () = database.closing() => {
                // What has ended is told before the server ends; what has not is lost.
                while let Ok((id, news)) = changes.try_recv() {
                    let news = news.after(unwritten.get(&id));
                    unwritten.insert(id, news);
                }
                return write(&database, runner, &mut unwritten).await;
            }
            _ = polls.tick() => {
                let Some(tasks) = tasks.upgrade() else { return };
                // A task that has ended here runs for the other replicas until its end is written.
                if tasks.is_running() || !unwritten.is_empty() {
                    if renewed.is_none_or(|at| at.elapsed() > TASK_LEASE / 5)
                        && database.renew_tasks(runner).await.is_ok()
                    {
                        renewed = Some(Instant::now());
                    }
                    // What fails is done at the next look-up.
                    let requests = database.task_requests(runner).await.unwrap_or_default();
                    for requests in requests {
                        tasks.apply(requests);
                    }
                }
            }
        }
        write(&database, runner, &mut unwritten).await;
    }
}

/// Writes changes. Those that cannot be written are kept for the next time.
async fn write(database: &Arc<Database>, runner: Runner, unwritten: &mut BTreeMap<String, News>) {
    while let Some((id, news)) = unwritten.pop_first() {
        let written = match &news {
            News::State(change) => database.publish_task(id.clone(), runner, change.clone()).await,
            News::Removed => database.forget_task(id.clone(), runner).await,
        };
        if written.is_err() {
            unwritten.insert(id, news);
            return;
        }
    }
}
