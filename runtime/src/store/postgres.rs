//! Keeps keys in a PostgreSQL database that several replicas share. Its clock decides, and no replica's.
//!
//! Every change of a caller's keys locks the caller's row, so that changes of one key, and of one caller's numbers, follow
//! each other. A change reads and writes single rows by their primary key.

mod batch;
mod probe;
mod rows;
mod statements;
mod tables;
#[cfg(test)]
mod tests;
mod writer;

use std::{
    sync::{Arc, Mutex, PoisonError, mpsc as blocking},
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use self::writer::PostgresWriter;
use super::{
    Attempt, AttemptId, IdempotencyStore, KeyState, KeyStoreError, Reserved, ScopedKey, StoreLimits,
    StoredResult, clock::StoreClock, write_op::WriteOp,
};
use crate::{
    clock::Clock,
    database::{Database, DatabaseError, STATEMENT_TIMEOUT},
    message::Message,
};

/// The time for a check of readiness.
const STORE_CHECK_TIMEOUT: Duration = Duration::from_secs(1);
/// The time between two prunings. Each removes as many keys as calls have asked for since the last.
const PRUNE_INTERVAL: Duration = Duration::from_millis(250);
/// The number of keys of one pruning, which holds up other changes.
const MAX_PRUNED_KEYS: usize = 500;

/// A store in a database.
pub(crate) struct PostgresStore {
    database: Arc<Database>,
    queue: mpsc::UnboundedSender<WriteOp>,
    /// The clock of a test, in place of the database's.
    clock: Option<Arc<StoreClock>>,
    pruning: Mutex<Pruning>,
    closing: CancellationToken,
    /// Disconnected when the writer has ended.
    ended: Mutex<blocking::Receiver<()>>,
}

#[derive(Default)]
struct Pruning {
    /// The keys that calls have asked to prune since the last time.
    keys: usize,
    last: Option<Instant>,
}

impl PostgresStore {
    pub(super) fn new(database: Arc<Database>, limits: StoreLimits, clock: Clock) -> Self {
        let test_clock = clock.is_manual().then(|| Arc::new(StoreClock::new(clock.clone(), 0)));
        let (queue, ops) = mpsc::unbounded_channel();
        let (disconnects, ended) = blocking::channel();
        let closing = CancellationToken::new();
        let writer = PostgresWriter::new(Arc::clone(&database), limits, clock, test_clock.clone());
        let running = writer.run(ops, closing.clone());
        database.spawn(async move {
            let _disconnects: blocking::Sender<()> = disconnects;
            running.await;
        });
        let (pruning, ended) = (Mutex::default(), Mutex::new(ended));
        Self { database, queue, clock: test_clock, pruning, closing, ended }
    }

    /// Hands a change to the writer, and waits until it is committed.
    async fn write<T>(
        &self,
        op: impl FnOnce(oneshot::Sender<Result<T, KeyStoreError>>) -> WriteOp,
    ) -> Result<T, KeyStoreError> {
        let (done, answer) = oneshot::channel();
        if self.queue.send(op(done)).is_err() {
            return Err(DatabaseError::closed().into());
        }
        match tokio::time::timeout(STATEMENT_TIMEOUT, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(DatabaseError::closed().into()),
            Err(_) => Err(KeyStoreError(Message::new("the database does not answer in time"))),
        }
    }

    fn read(&self, key: ScopedKey) -> BoxFuture<'static, Result<KeyState, KeyStoreError>> {
        let (deployment, clock) = (self.database.deployment, self.clock.clone());
        let read = self.database.statement(move |connection| {
            let clock = clock.clone();
            Box::pin(async move {
                let statement = connection.prepared(rows::READ_KEY).await?;
                let rows = connection.client.query(&statement, &[&deployment, &key.key.as_slice()]).await?;
                let (now, keys) = rows::read(&rows)?;
                let now = clock.as_deref().map_or(now, StoreClock::now);
                Ok(keys.first().map_or(KeyState::Absent, |stored| stored.record.state(now)))
            })
        });
        Box::pin(async move { read.await.map_err(KeyStoreError::from) })
    }

    /// Returns the number of keys to prune now.
    fn prunable(&self, limit: usize) -> usize {
        if self.clock.is_some() {
            return limit;
        }
        let mut pruning = self.pruning.lock().unwrap_or_else(PoisonError::into_inner);
        pruning.keys += limit;
        if pruning.last.is_some_and(|last| last.elapsed() < PRUNE_INTERVAL) {
            return 0;
        }
        pruning.last = Some(Instant::now());
        std::mem::take(&mut pruning.keys).min(MAX_PRUNED_KEYS)
    }
}

impl From<DatabaseError> for KeyStoreError {
    fn from(error: DatabaseError) -> Self {
        Self(error.message)
    }
}

impl IdempotencyStore for PostgresStore {
    fn reserve(&self, key: ScopedKey, attempt: Attempt) -> BoxFuture<'_, Result<Reserved, KeyStoreError>> {
        Box::pin(self.write(move |done| WriteOp::Reserve { key, attempt, done }))
    }

    fn complete(
        &self,
        key: ScopedKey,
        attempt: AttemptId,
        result: StoredResult,
    ) -> BoxFuture<'_, Result<bool, KeyStoreError>> {
        Box::pin(self.write(move |done| WriteOp::Complete { key, attempt, result, done }))
    }

    fn release(&self, key: ScopedKey, attempt: AttemptId) -> BoxFuture<'_, Result<bool, KeyStoreError>> {
        Box::pin(self.write(move |done| WriteOp::Release { key, attempt, done }))
    }

    fn get(&self, key: ScopedKey) -> BoxFuture<'_, Result<KeyState, KeyStoreError>> {
        self.read(key)
    }

    fn prune(&self, limit: usize) -> BoxFuture<'_, Result<usize, KeyStoreError>> {
        match self.prunable(limit) {
            0 => Box::pin(std::future::ready(Ok(0))),
            limit => Box::pin(self.write(move |done| WriteOp::Prune { limit, done })),
        }
    }

    fn check(&self) -> BoxFuture<'_, Result<(), KeyStoreError>> {
        // After a transaction that failed, only another one tells whether the database takes them again.
        let check: BoxFuture<'_, _> = if self.database.takes_transactions() {
            let check = self.database.check();
            Box::pin(async move { check.await.map_err(KeyStoreError::from) })
        } else {
            Box::pin(self.write(|done| WriteOp::Check { done }))
        };
        Box::pin(async move {
            let late = || Err(KeyStoreError(Message::new("the database does not answer")));
            tokio::time::timeout(STORE_CHECK_TIMEOUT, check).await.unwrap_or_else(|_| late())
        })
    }

    fn close(&self) {
        self.closing.cancel();
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        // The writer never sends anything: it disconnects.
        let _ = ended.recv_timeout(STATEMENT_TIMEOUT);
        self.database.close();
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}
