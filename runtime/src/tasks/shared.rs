//! Shares the tasks of this process with the other replicas, and answers for theirs.

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    time::Duration,
};

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, sleep},
};

use super::{
    AnswerStatus, End, Snapshot, StoreUnavailable, TaskState, Tasks,
    entry::TaskEntry,
    row::{self, TaskRow},
};
use crate::{
    database::{Database, DatabaseError, Runner, SharedTask, TASK_LEASE},
    tool::caller::Caller,
};

/// The time between two look-ups of what callers asked other replicas.
const REQUEST_POLL_INTERVAL: Duration = Duration::from_millis(500);
/// The time that a replica has to renew a lease that has run out, for example after the database was away.
const RENEWAL_GRACE: Duration = Duration::from_secs(2);

/// The tasks of all replicas.
pub(super) struct SharedTasks {
    database: Arc<Database>,
    /// The id of this process.
    runner: Runner,
    news: mpsc::UnboundedSender<(String, News)>,
}

/// A change of a task of this process.
enum News {
    State { task: Vec<u8>, has_ended: bool, is_new_round: bool },
    Removed,
}

impl News {
    /// Returns the later of two changes, with what must be known of the earlier.
    fn after(self, earlier: Option<&Self>) -> Self {
        match (self, earlier) {
            (Self::State { task, has_ended, .. }, Some(Self::State { is_new_round: true, .. })) => {
                Self::State { task, has_ended, is_new_round: true }
            }
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
    pub(super) fn new(database: &Arc<Database>) -> (Self, TaskPublisher) {
        let mut runner = Runner::default();
        getrandom::fill(&mut runner).expect("the operating system provides random bytes");
        let (news, changes) = mpsc::unbounded_channel();
        let publisher = TaskPublisher { database: Arc::clone(database), runner, changes };
        (Self { database: Arc::clone(database), runner, news }, publisher)
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

    pub(super) fn publish(&self, id: &str, entry: &TaskEntry, is_new_round: bool) {
        let news = News::State { task: row::write(entry), has_ended: entry.has_ended(), is_new_round };
        // It fails when the server ends.
        let _ = self.news.send((id.to_owned(), news));
    }

    pub(super) fn publish_removal(&self, id: &str) {
        let _ = self.news.send((id.to_owned(), News::Removed));
    }

    /// Finds a task of another replica. If that is dead, the task has ended.
    pub(super) async fn find(&self, caller: &Caller, id: &str) -> Result<Option<Snapshot>, StoreUnavailable> {
        let Some((mut task, mut is_lost)) = self.read(caller, id).await? else { return Ok(None) };
        if is_lost {
            sleep(RENEWAL_GRACE).await;
            let Some(again) = self.read(caller, id).await? else { return Ok(None) };
            (task, is_lost) = again;
        }
        if is_lost {
            let ended = self.database.end_lost_task(id.to_owned(), task.ended(&outcome_unknown()));
            ended.await?;
            // Either this replica ended it, or another one did, or its own was alive after all.
            let Some((ended, _)) = self.read(caller, id).await? else { return Ok(None) };
            task = ended;
        }
        Ok(task.snapshot(id))
    }

    async fn read(&self, caller: &Caller, id: &str) -> Result<Option<(TaskRow, bool)>, StoreUnavailable> {
        let Some(SharedTask { caller: of, task, is_lost }) = self.database.read_task(id.to_owned()).await?
        else {
            return Ok(None);
        };
        let row = row::read(&task).filter(|row| of == owner(caller) && row.is_within(caller));
        Ok(row.map(|row| (row, is_lost)))
    }

    pub(super) async fn answer(
        &self,
        caller: &Caller,
        id: &str,
        responses: BTreeMap<String, Value>,
    ) -> Result<AnswerStatus, StoreUnavailable> {
        let Some(snapshot) = self.find(caller, id).await? else { return Ok(AnswerStatus::Unknown) };
        let TaskState::Asking(open) = snapshot.state else { return Ok(AnswerStatus::Accepted) };
        let is_open = |key: &String| open.iter().any(|(open, _)| open == key);
        let answers: Map<String, Value> = responses.into_iter().filter(|(key, _)| is_open(key)).collect();
        if answers.is_empty() {
            return Ok(AnswerStatus::Accepted);
        }
        let stored = self.database.answer_task(id.to_owned(), row::write_answers(answers)).await?;
        Ok(if stored { AnswerStatus::Accepted } else { AnswerStatus::TooLarge })
    }

    pub(super) async fn cancel(&self, caller: &Caller, id: &str) -> Result<bool, StoreUnavailable> {
        if self.find(caller, id).await?.is_none() {
            return Ok(false);
        }
        self.database.cancel_task(id.to_owned()).await?;
        Ok(true)
    }
}

impl From<DatabaseError> for StoreUnavailable {
    fn from(_: DatabaseError) -> Self {
        Self
    }
}

/// The end of a task whose replica is dead: its handler may have had its effect.
fn outcome_unknown() -> End {
    let error = json!({
        "code": -32603,
        "message": "outcome unknown: the replica of the server that ran this task has stopped\n\
                    help: find out with another tool whether it was done before you call again",
        "data": {"reason": "task_outcome_unknown"}
    });
    End::Failed(error.as_object().cloned().unwrap_or_default())
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
            News::State { task, has_ended, is_new_round } => {
                database.publish_task(id.clone(), runner, task.clone(), *has_ended, *is_new_round).await
            }
            News::Removed => database.forget_task(id.clone(), runner).await,
        };
        if written.is_err() {
            unwritten.insert(id, news);
            return;
        }
    }
}
