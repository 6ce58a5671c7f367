//! Commits the changes that calls wait for: all that have gathered become one transaction.

use std::{collections::VecDeque, mem, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::batch::{Batch, Committed};
use crate::{
    clock::Clock,
    database::{Database, DatabaseError, STATEMENT_TIMEOUT},
    store::{
        KeyStoreError, Reserved, StoreLimits,
        clock::StoreClock,
        transition::KeyUsage,
        write_op::{WriteAnswer, WriteOp},
    },
};

/// The number of changes in one transaction. With results of the largest size, these are 16 MiB.
const MAX_BATCH_OPS: usize = 64;
/// The time for which the usage of all callers counts as known. What other replicas add meanwhile is not seen, so that the
/// limits over all callers can be exceeded by as much. A row that all replicas write would make them wait for each other.
const TOTAL_LIFETIME: Duration = Duration::from_secs(5);
/// The number of changes that are made later, when the database works again.
const MAX_REPAIRS: usize = 1_024;
/// The time between two attempts to make such changes, and the age at which they are given up.
const REPAIR_INTERVAL: Duration = Duration::from_secs(1);
const MAX_REPAIR_AGE: Duration = Duration::from_secs(600);

/// The task that writes.
pub(super) struct PostgresWriter {
    database: Arc<Database>,
    limits: StoreLimits,
    time: Clock,
    /// The clock of a test.
    clock: Option<Arc<StoreClock>>,
    /// The usage of all callers, and the time at which it was read.
    total: Option<(Duration, KeyUsage)>,
    repairs: VecDeque<Repair>,
}

/// A change that could not be made in time. Results are stored late rather than never, and a reservation whose call was
/// refused, because the answer of the database was lost, is released.
struct Repair {
    since: Instant,
    op: WriteOp,
}

impl PostgresWriter {
    pub(super) fn new(
        database: Arc<Database>,
        limits: StoreLimits,
        time: Clock,
        clock: Option<Arc<StoreClock>>,
    ) -> Self {
        Self { database, limits, time, clock, total: None, repairs: VecDeque::new() }
    }

    /// Writes until `closing` is cancelled and the queue is empty.
    pub(super) async fn run(
        mut self,
        mut queue: mpsc::UnboundedReceiver<WriteOp>,
        closing: CancellationToken,
    ) {
        let mut ops = Vec::new();
        loop {
            let received = tokio::select! {
                received = queue.recv_many(&mut ops, MAX_BATCH_OPS) => received,
                () = sleep(REPAIR_INTERVAL), if !self.repairs.is_empty() => {
                    self.repair().await;
                    continue;
                }
                () = closing.cancelled(), if !queue.is_closed() => {
                    queue.close();
                    continue;
                }
            };
            if received == 0 {
                break;
            }
            let (prunes, changes): (Vec<_>, Vec<_>) =
                mem::take(&mut ops).into_iter().partition(|op| matches!(op, WriteOp::Prune { .. }));
            // A call that has given up must not find its key reserved when it comes again.
            let changes: Vec<_> = changes.into_iter().filter(|op| !op.is_abandoned()).collect();
            for batch in [changes, prunes].into_iter().filter(|batch| !batch.is_empty()) {
                self.write(batch).await;
            }
        }
        self.repair().await;
    }

    /// Makes changes in one transaction, and answers their calls.
    async fn write(&mut self, ops: Vec<WriteOp>) {
        let (result, may_be_done) = self.commit(&ops).await;
        match result {
            Ok(Committed { answers, .. }) => {
                for (op, answer) in ops.into_iter().zip(answers) {
                    let is_reserved = matches!(answer, WriteAnswer::Reserved(Reserved::Yes));
                    let release = if is_reserved { op.release_of() } else { None };
                    if !op.answer(Ok(answer))
                        && let Some(release) = release
                    {
                        self.repair_later(release);
                    }
                }
            }
            Err(error) => {
                let error = KeyStoreError(error.message);
                for op in ops {
                    match op {
                        WriteOp::Reserve { .. } => {
                            if may_be_done && let Some(release) = op.release_of() {
                                self.repair_later(release);
                            }
                            let _ = op.answer(Err(error.clone()));
                        }
                        WriteOp::Complete { key, attempt, result, done } => {
                            let _ = done.send(Err(error.clone()));
                            let done = oneshot::channel().0;
                            self.repair_later(WriteOp::Complete { key, attempt, result, done });
                        }
                        WriteOp::Release { key, attempt, done } => {
                            let _ = done.send(Err(error.clone()));
                            self.repair_later(WriteOp::release(key, attempt));
                        }
                        op => _ = op.answer(Err(error.clone())),
                    }
                }
            }
        }
    }

    /// Commits a transaction, again if its connection ends: an attempt finds its own reservation, and what was completed or
    /// released stays so. Also returns whether the changes may have been made although it failed.
    async fn commit(&mut self, ops: &[WriteOp]) -> (Result<Committed, DatabaseError>, bool) {
        let deadline = Instant::now() + STATEMENT_TIMEOUT;
        let mut is_sent = false;
        loop {
            let now = self.time.elapsed();
            let known = self.total.filter(|(at, _)| now.saturating_sub(*at) < TOTAL_LIFETIME);
            let batch = Batch {
                deployment: self.database.deployment,
                limits: &self.limits,
                clock: self.clock.as_deref(),
                total: known.map(|(_, total)| total),
            };
            let sent = &mut is_sent;
            let done = self
                .database
                .transaction(deadline, async |connection| batch.commit(connection, ops, sent).await)
                .await;
            let Some(done) = done else { continue };
            if let Ok(Committed { total, .. }) = &done {
                let at = known.map_or(now, |(at, _)| at);
                self.total = total.map(|total| (at, total));
            }
            return (done, is_sent);
        }
    }

    fn repair_later(&mut self, op: WriteOp) {
        if self.repairs.len() == MAX_REPAIRS {
            self.repairs.pop_front();
        }
        self.repairs.push_back(Repair { since: Instant::now(), op });
    }

    /// Makes the oldest of the changes that could not be made in time.
    async fn repair(&mut self) {
        self.repairs.retain(|repair| repair.since.elapsed() < MAX_REPAIR_AGE);
        while !self.repairs.is_empty() {
            let count = self.repairs.len().min(MAX_BATCH_OPS);
            let (since, ops): (Vec<_>, Vec<_>) =
                self.repairs.drain(..count).map(|Repair { since, op }| (since, op)).unzip();
            if self.commit(&ops).await.0.is_err() {
                for (since, op) in since.into_iter().zip(ops).rev() {
                    self.repairs.push_front(Repair { since, op });
                }
                break;
            }
        }
    }
}
