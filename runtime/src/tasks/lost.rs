//! Decides what becomes of the task of a dead replica: it runs again here, or it has ended.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{
    Running, Snapshot, StoreUnavailable, Tasks, bounds,
    entry::{MAX_RETENTION, Stage, TaskEntry},
    row::TaskRow,
    shared::{LostTask, SharedTasks},
    state::End,
    stored_call::StoredCall,
};
use crate::tool::caller::Caller;

/// The time that a replica has to renew a lease that has run out, for example after the database was away.
const RENEWAL_GRACE: Duration = Duration::from_secs(2);
/// The number of replicas that run a task, one after another, before it fails.
const MAX_TASK_ATTEMPTS: u16 = 3;

/// Runs calls again whose replica is dead.
pub(crate) trait RunsAgain: Send + Sync {
    /// Returns the scopes and the timeout of the call's tool; `None` if this version of the server declares it otherwise.
    fn declaration(&self, call: &StoredCall) -> Option<(&'static [&'static str], Duration)>;

    /// Starts a run.
    fn run(&self, task: ClaimedTask);
}

/// A task that this process has taken over from a dead replica.
pub(crate) struct ClaimedTask {
    pub(crate) call: StoredCall,
    /// The caller, as it was authenticated for the request about its task.
    pub(crate) caller: Arc<Caller>,
    /// The number of replicas that ran it before.
    pub(crate) attempts: u16,
    pub(crate) running: Running,
}

/// The request that a dead replica's task was found by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Read,
    Cancel,
}

impl Tasks {
    /// Finds a task of another replica. If that is dead, the task runs again here, if it may, or has ended.
    ///
    /// The caller asks for its own task, and has just been authenticated: its access, and nothing that was stored, decides
    /// whether the task runs again.
    pub(super) async fn find_shared(
        self: &Arc<Self>,
        shared: &SharedTasks,
        caller: &Arc<Caller>,
        id: &str,
        purpose: Purpose,
    ) -> Result<Option<Snapshot>, StoreUnavailable> {
        let Some((mut task, mut lost)) = shared.read(caller, id).await? else { return Ok(None) };
        if lost.is_some() {
            sleep(RENEWAL_GRACE).await;
            let Some(again) = shared.read(caller, id).await? else { return Ok(None) };
            (task, lost) = again;
        }
        let Some(lost) = lost else { return Ok(task.snapshot(id)) };
        let end = match self.run_again(shared, caller, id, &task, lost, purpose).await? {
            LostEnd::Ended(end) => end,
            LostEnd::Runs(snapshot) => return Ok(Some(snapshot)),
            LostEnd::Undecided => return Ok(task.snapshot(id)),
        };
        shared.end_lost(id, task.ended(&end)).await?;
        // Either this replica ended it, or another one did, or its own was alive after all.
        Ok(shared.read(caller, id).await?.and_then(|(ended, _)| ended.snapshot(id)))
    }

    async fn run_again(
        self: &Arc<Self>,
        shared: &SharedTasks,
        caller: &Arc<Caller>,
        id: &str,
        task: &TaskRow,
        lost: LostTask,
        purpose: Purpose,
    ) -> Result<LostEnd, StoreUnavailable> {
        let Some(call) = lost.call else {
            return Ok(LostEnd::Ended(outcome_unknown(task.once().map_or(
                "it does not run again: its call was not stored",
                super::stored_call::RunOnce::note,
            ))));
        };
        if lost.is_cancelled || purpose == Purpose::Cancel {
            return Ok(LostEnd::Ended(End::Cancelled));
        }
        let runner = shared.runs_again().and_then(|runner| Some((runner, runner.declaration(&call)?)));
        let Some((runner, (scopes, timeout))) = runner else {
            let why = "it does not run again: this version of the server declares its tool otherwise";
            return Ok(LostEnd::Ended(outcome_unknown(why)));
        };
        if lost.attempts >= MAX_TASK_ATTEMPTS {
            return Ok(LostEnd::Ended(interrupted()));
        }
        // A replica without room leaves it to another, or to a later request.
        if bounds::check_number(&self.tasks(), caller, self.clock.since_1970()).is_err() {
            return Ok(LostEnd::Undecided);
        }
        let lifetime = timeout.saturating_mul(2).saturating_add(MAX_RETENTION);
        if !shared.claim(id, lost.runner, lifetime).await? {
            return Ok(LostEnd::Undecided);
        }
        let Some((running, snapshot)) = self.take_over(caller, id, scopes, timeout, task.created()) else {
            return Ok(LostEnd::Undecided);
        };
        runner.run(ClaimedTask { call, caller: Arc::clone(caller), attempts: lost.attempts, running });
        Ok(LostEnd::Runs(snapshot))
    }

    /// Makes a claimed task one of this process; `None` if it is already.
    fn take_over(
        self: &Arc<Self>,
        caller: &Caller,
        id: &str,
        scopes: &'static [&'static str],
        timeout: Duration,
        created: Duration,
    ) -> Option<(Running, Snapshot)> {
        let now = self.clock.since_1970();
        let mut tasks = self.tasks();
        if tasks.contains_key(id) {
            return None;
        }
        let cancelled = CancellationToken::new();
        let entry = TaskEntry {
            created,
            stage: Stage::Working,
            ..TaskEntry::new(caller, scopes, timeout, now, cancelled.clone())
        };
        let snapshot = entry.snapshot(id)?;
        tasks.insert(id.to_owned(), entry);
        drop(tasks);
        Some((Running::new(Arc::clone(self), id.to_owned(), cancelled), snapshot))
    }
}

/// The decision about the task of a dead replica.
enum LostEnd {
    Ended(End),
    Runs(Snapshot),
    /// Another replica may run it.
    Undecided,
}

fn failed(message: &str, reason: &str) -> End {
    let error = json!({"code": -32603, "message": message, "data": {"reason": reason}});
    End::Failed(error.as_object().cloned().unwrap_or_default())
}

/// The end of a task whose handler may have had its effect.
fn outcome_unknown(why: &str) -> End {
    let message = format!(
        "outcome unknown: the replica of the server that ran this task has stopped\n\
         note: {why}\n\
         help: find out with another tool whether it was done before you call again"
    );
    failed(&message, "task_outcome_unknown")
}

/// The end of a task that has been run too often.
fn interrupted() -> End {
    let message = format!(
        "this task was interrupted {MAX_TASK_ATTEMPTS} times: the replicas of the server that ran it have stopped\n\
         note: its tool is declared `idempotent`, so a call that is sent again does no harm\n\
         help: call the tool again later, or ask the operator of the server why its replicas stop"
    );
    failed(&message, "task_interrupted")
}
