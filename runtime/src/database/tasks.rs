//! Keeps the tasks of all replicas. The replica that runs a task renews its lease; of a dead one, another takes them over, or
//! they have ended.

use std::{sync::Arc, time::Duration};

use super::{Database, DatabaseError, Parameter};

/// The time after which a replica that has not renewed a lease counts as dead.
pub(crate) const TASK_LEASE: Duration = Duration::from_secs(15);
/// The bytes of answers that wait for the replica that runs a task.
const MAX_WAITING_ANSWER_BYTES: i64 = 1 << 20;

const OPEN_TASK: &str = "\
    INSERT INTO candor.tasks (deployment, id, caller, runner, lease_end, task, expiry) \
    SELECT $1, $2, $3, $4, moment.now + make_interval(secs => $5), $6, moment.now + make_interval(secs => $7) \
    FROM (SELECT pg_catalog.clock_timestamp() AS now) AS moment ON CONFLICT DO NOTHING";
const FORGET_EXPIRED: &str = "\
    DELETE FROM candor.tasks WHERE deployment = $1 AND id IN (\
        SELECT id FROM candor.tasks WHERE deployment = $1 AND expiry < pg_catalog.clock_timestamp() \
            AND (has_ended OR lease_end < pg_catalog.clock_timestamp()) \
        ORDER BY expiry LIMIT 4 FOR UPDATE SKIP LOCKED)";
const PUBLISH: &str = "\
    UPDATE candor.tasks SET task = $4, has_ended = $5, \
        answers = CASE WHEN $6 THEN '{}' ELSE answers END, answer_bytes = CASE WHEN $6 THEN 0 ELSE answer_bytes END, \
        call = CASE WHEN $5 THEN NULL ELSE coalesce($7, call) END \
    WHERE deployment = $1 AND id = $2 AND runner = $3 AND NOT has_ended";
const FORGET_TASK: &str = "DELETE FROM candor.tasks WHERE deployment = $1 AND id = $2 AND runner = $3";
const READ: &str = "\
    SELECT row.caller, row.task, lost.is_lost, row.runner, row.attempts, row.is_cancelled, \
        CASE WHEN lost.is_lost THEN row.call END \
    FROM candor.tasks AS row, LATERAL (\
        SELECT NOT row.has_ended AND row.lease_end < pg_catalog.clock_timestamp() AS is_lost\
    ) AS lost \
    WHERE deployment = $1 AND id = $2 \
        AND (expiry > pg_catalog.clock_timestamp() OR (NOT has_ended AND lease_end > pg_catalog.clock_timestamp()))";
const END_LOST: &str = "\
    UPDATE candor.tasks SET task = $3, has_ended = true, call = NULL \
    WHERE deployment = $1 AND id = $2 AND NOT has_ended AND lease_end < pg_catalog.clock_timestamp()";
/// Takes over a task, of which `$6` was the last runner. One of several replicas does. It may be sent twice.
const CLAIM: &str = "\
    UPDATE candor.tasks SET runner = $3, lease_end = moment.now + make_interval(secs => $4), \
        attempts = attempts + CASE WHEN runner = $3 THEN 0 ELSE 1 END, answers = '{}', answer_bytes = 0, \
        expiry = greatest(expiry, moment.now + make_interval(secs => $5)) \
    FROM (SELECT pg_catalog.clock_timestamp() AS now) AS moment \
    WHERE deployment = $1 AND id = $2 AND NOT has_ended AND NOT is_cancelled \
        AND (runner = $3 OR (runner = $6 AND lease_end < moment.now))";
const ANSWER: &str = "\
    UPDATE candor.tasks SET answers = answers || $3::bytea, answer_bytes = answer_bytes + length($3::bytea) \
    WHERE deployment = $1 AND id = $2 AND NOT has_ended AND answer_bytes + length($3::bytea) <= $4";
const CANCEL: &str =
    "UPDATE candor.tasks SET is_cancelled = true WHERE deployment = $1 AND id = $2 AND NOT has_ended";
const RENEW: &str = "\
    UPDATE candor.tasks SET lease_end = pg_catalog.clock_timestamp() + make_interval(secs => $3) \
    WHERE deployment = $1 AND runner = $2 AND NOT has_ended";
const POLL: &str = "\
    SELECT id, is_cancelled, answers FROM candor.tasks \
    WHERE deployment = $1 AND runner = $2 AND NOT has_ended AND (is_cancelled OR cardinality(answers) > 0)";

/// The id of a process among the replicas.
pub(crate) type Runner = [u8; 16];

/// A task as the database has it.
pub(crate) struct SharedTask {
    pub(crate) caller: [u8; 32],
    pub(crate) task: Vec<u8>,
    /// Whether the replica that ran it is dead.
    pub(crate) is_lost: bool,
    pub(crate) runner: Runner,
    /// The number of replicas that have run it.
    pub(crate) attempts: u16,
    pub(crate) is_cancelled: bool,
    /// The encrypted call of a task whose replica is dead, if it was stored.
    pub(crate) call: Option<Vec<u8>>,
}

/// A change of a task by the replica that runs it.
#[derive(Clone)]
pub(crate) struct TaskChange {
    pub(crate) task: Vec<u8>,
    pub(crate) has_ended: bool,
    /// Whether answers to an earlier round are dropped.
    pub(crate) is_new_round: bool,
    /// The encrypted call, if it is not stored yet.
    pub(crate) call: Option<Vec<u8>>,
}

/// The requests of callers that a task's replica has not yet seen.
pub(crate) struct TaskRequests {
    pub(crate) id: String,
    pub(crate) is_cancelled: bool,
    pub(crate) answers: Vec<Vec<u8>>,
}

impl Database {
    /// Adds a task that `runner` is about to run.
    pub(crate) async fn open_task(
        self: &Arc<Self>,
        id: String,
        caller: [u8; 32],
        runner: Runner,
        task: Vec<u8>,
        lifetime: Duration,
    ) -> Result<(), DatabaseError> {
        let deployment = self.deployment;
        self.statement(move |connection| {
            let (id, task) = (id.clone(), task.clone());
            Box::pin(async move {
                let [open, forget] = connection.all_prepared([OPEN_TASK, FORGET_EXPIRED]).await?;
                let (lease, lifetime) = (TASK_LEASE.as_secs_f64(), lifetime.as_secs_f64());
                let (caller, runner) = (caller.as_slice(), runner.as_slice());
                let client = &connection.client;
                let parameters: [Parameter<'_>; 7] =
                    [&deployment, &id, &caller, &runner, &lease, &task, &lifetime];
                let (opened, forgotten) = tokio::join!(
                    client.execute(&open, &parameters),
                    client.execute(&forget, &parameters[..1]),
                );
                forgotten?;
                opened.map(drop)
            })
        })
        .await
    }

    /// Writes the state of a task that `runner` runs.
    pub(crate) async fn publish_task(
        self: &Arc<Self>,
        id: String,
        runner: Runner,
        change: TaskChange,
    ) -> Result<(), DatabaseError> {
        let deployment = self.deployment;
        self.statement(move |connection| {
            let (id, change) = (id.clone(), change.clone());
            Box::pin(async move {
                let publish = connection.prepared(PUBLISH).await?;
                let runner = runner.as_slice();
                let TaskChange { task, has_ended, is_new_round, call } = &change;
                let parameters: [Parameter<'_>; 7] =
                    [&deployment, &id, &runner, task, has_ended, is_new_round, call];
                connection.client.execute(&publish, &parameters).await.map(drop)
            })
        })
        .await
    }

    /// Removes a task whose handler never began.
    pub(crate) async fn forget_task(
        self: &Arc<Self>,
        id: String,
        runner: Runner,
    ) -> Result<(), DatabaseError> {
        let deployment = self.deployment;
        self.statement(move |connection| {
            let id = id.clone();
            Box::pin(async move {
                let forget = connection.prepared(FORGET_TASK).await?;
                connection.client.execute(&forget, &[&deployment, &id, &runner.as_slice()]).await.map(drop)
            })
        })
        .await
    }

    pub(crate) async fn read_task(self: &Arc<Self>, id: String) -> Result<Option<SharedTask>, DatabaseError> {
        let deployment = self.deployment;
        self.statement(move |connection| {
            let id = id.clone();
            Box::pin(async move {
                let read = connection.prepared(READ).await?;
                let Some(row) = connection.client.query_opt(&read, &[&deployment, &id]).await? else {
                    return Ok(None);
                };
                let (caller, runner): (&[u8], &[u8]) = (row.try_get(0)?, row.try_get(3)?);
                Ok(Some(SharedTask {
                    caller: caller.try_into().unwrap_or_default(),
                    task: row.try_get(1)?,
                    is_lost: row.try_get(2)?,
                    runner: runner.try_into().unwrap_or_default(),
                    attempts: row.try_get::<_, i16>(4)?.unsigned_abs(),
                    is_cancelled: row.try_get(5)?,
                    call: row.try_get(6)?,
                }))
            })
        })
        .await
    }

    /// Ends a task whose replica is dead. Returns whether it is.
    pub(crate) async fn end_lost_task(
        self: &Arc<Self>,
        id: String,
        task: Vec<u8>,
    ) -> Result<bool, DatabaseError> {
        let deployment = self.deployment;
        self.statement(move |connection| {
            let (id, task) = (id.clone(), task.clone());
            Box::pin(async move {
                let end = connection.prepared(END_LOST).await?;
                connection.client.execute(&end, &[&deployment, &id, &task]).await.map(|rows| rows > 0)
            })
        })
        .await
    }

    /// Takes over a task that `of` ran, whose lease has run out. Returns whether it is `runner`'s now.
    pub(crate) async fn claim_task(
        self: &Arc<Self>,
        id: String,
        runner: Runner,
        of: Runner,
        lifetime: Duration,
    ) -> Result<bool, DatabaseError> {
        let deployment = self.deployment;
        self.statement(move |connection| {
            let id = id.clone();
            Box::pin(async move {
                let claim = connection.prepared(CLAIM).await?;
                let (runner, of) = (runner.as_slice(), of.as_slice());
                let (lease, lifetime) = (TASK_LEASE.as_secs_f64(), lifetime.as_secs_f64());
                let parameters: [Parameter<'_>; 6] = [&deployment, &id, &runner, &lease, &lifetime, &of];
                connection.client.execute(&claim, &parameters).await.map(|rows| rows > 0)
            })
        })
        .await
    }

    /// Leaves answers for the replica that runs the task. Returns `false` if too many wait, or if the task has ended.
    pub(crate) async fn answer_task(
        self: &Arc<Self>,
        id: String,
        answers: Vec<u8>,
    ) -> Result<bool, DatabaseError> {
        let deployment = self.deployment;
        self.statement(move |connection| {
            let (id, answers) = (id.clone(), answers.clone());
            Box::pin(async move {
                let answer = connection.prepared(ANSWER).await?;
                let parameters: [Parameter<'_>; 4] = [&deployment, &id, &answers, &MAX_WAITING_ANSWER_BYTES];
                connection.client.execute(&answer, &parameters).await.map(|rows| rows > 0)
            })
        })
        .await
    }

    /// Asks the replica that runs the task to cancel it.
    pub(crate) async fn cancel_task(self: &Arc<Self>, id: String) -> Result<(), DatabaseError> {
        let deployment = self.deployment;
        self.statement(move |connection| {
            let id = id.clone();
            Box::pin(async move {
                let cancel = connection.prepared(CANCEL).await?;
                connection.client.execute(&cancel, &[&deployment, &id]).await.map(drop)
            })
        })
        .await
    }

    /// Renews the leases of all tasks that `runner` runs.
    pub(crate) async fn renew_tasks(self: &Arc<Self>, runner: Runner) -> Result<(), DatabaseError> {
        let deployment = self.deployment;
        self.statement(move |connection| {
            Box::pin(async move {
                let renew = connection.prepared(RENEW).await?;
                let lease = TASK_LEASE.as_secs_f64();
                connection.client.execute(&renew, &[&deployment, &runner.as_slice(), &lease]).await.map(drop)
            })
        })
        .await
    }

    /// Returns what callers have asked of the tasks that `runner` runs. Answers stay until the next round.
    pub(crate) async fn task_requests(
        self: &Arc<Self>,
        runner: Runner,
    ) -> Result<Vec<TaskRequests>, DatabaseError> {
        let deployment = self.deployment;
        self.statement(move |connection| {
            Box::pin(async move {
                let poll = connection.prepared(POLL).await?;
                let rows = connection.client.query(&poll, &[&deployment, &runner.as_slice()]).await?;
                rows.iter()
                    .map(|row| {
                        let (id, is_cancelled, answers) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
                        Ok(TaskRequests { id, is_cancelled, answers })
                    })
                    .collect()
            })
        })
        .await
    }
}
