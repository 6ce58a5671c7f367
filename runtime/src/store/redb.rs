//! Keeps keys on disk, in one file of the embedded database `redb`. Calls that wait are committed together.

mod file;
mod tables;
mod writer;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{Arc, Mutex, PoisonError, RwLock, mpsc},
    thread,
    time::Duration,
};

use ::redb::Database;
use futures::future::BoxFuture;
use tokio::sync::oneshot;

use self::{
    file::StoreFile,
    tables::RowError,
    writer::{OpQueue, StoreWriter},
};
use super::{
    Attempt, AttemptId, IdempotencyStore, KeyState, KeyStoreError, KeyStoreFault, Reserved, ScopedKey,
    StoreLimits, StoredResult, clock::StoreClock, write_op::WriteOp,
};
use crate::{clock::Clock, message::Message};

/// The time in which a change must reach the disk.
const STORE_TIMEOUT: Duration = Duration::from_secs(10);

/// A store in a file.
pub(crate) struct RedbStore {
    shared: Arc<SharedStore>,
    /// Disconnected when the writer has ended.
    ended: Mutex<mpsc::Receiver<()>>,
}

/// The state that calls share with the writer.
struct SharedStore {
    /// `None` while the file cannot be opened again after a failure.
    database: RwLock<Option<Database>>,
    file: StoreFile,
    clock: StoreClock,
    /// The time at which the store was opened.
    opened: u64,
    limits: StoreLimits,
    queue: OpQueue,
}

impl RedbStore {
    /// Opens the file in `folder`, or creates it, and starts the thread that writes.
    pub(super) fn open(folder: &Path, limits: StoreLimits, clock: Clock) -> Result<Self, KeyStoreFault> {
        let (file, database, last) = StoreFile::open(folder)?;
        let clock = StoreClock::new(clock, last);
        let shared = Arc::new(SharedStore {
            database: RwLock::new(Some(database)),
            file,
            opened: clock.now(),
            clock,
            limits,
            queue: OpQueue::default(),
        });
        let (disconnects, ended) = mpsc::channel();
        let writer = StoreWriter::new(Arc::clone(&shared));
        let run = move || {
            let _disconnects = disconnects;
            writer.run();
        };
        thread::Builder::new().name("keys".to_owned()).spawn(run).map_err(|error| {
            KeyStoreFault::Unfit(Message::failure("the key store's thread cannot be started", &error))
        })?;
        Ok(Self { shared, ended: Mutex::new(ended) })
    }

    /// Hands a change to the writer, and waits until it is on the disk.
    async fn write<T>(
        &self,
        op: impl FnOnce(oneshot::Sender<Result<T, KeyStoreError>>) -> WriteOp,
    ) -> Result<T, KeyStoreError> {
        let (done, answer) = oneshot::channel();
        self.shared.queue.push(op(done));
        match tokio::time::timeout(STORE_TIMEOUT, answer).await {
            Ok(Ok(answer)) => answer,
            _ => Err(KeyStoreError(Message::new("the key store does not answer"))),
        }
    }
}

impl SharedStore {
    fn read(&self, key: &ScopedKey) -> Result<KeyState, KeyStoreError> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let Some(database) = database.as_ref() else { return Err(self.file.failed("it is not open")) };
        let read = || tables::read(database, &key.key, self.opened);
        // The database may panic on pages that were changed under it.
        match catch_unwind(AssertUnwindSafe(read)) {
            Ok(Ok(record)) => {
                let now = self.clock.now();
                Ok(record.map_or(KeyState::Absent, |record| record.state(now)))
            }
            Ok(Err(error)) => Err(self.file.failed(error)),
            Err(_) => Err(self.file.failed(RowError::Damaged)),
        }
    }
}

impl IdempotencyStore for RedbStore {
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

    /// Reads on the calling thread: rows are small, and most of those that are asked for were just written.
    fn get(&self, key: ScopedKey) -> BoxFuture<'_, Result<KeyState, KeyStoreError>> {
        let state = self.shared.read(&key);
        if state.is_ok() {
            return Box::pin(std::future::ready(state));
        }
        // The database may have failed for a while. The writer opens it again.
        Box::pin(async move {
            self.write(|done| WriteOp::Check { done }).await?;
            self.shared.read(&key)
        })
    }

    fn prune(&self, limit: usize) -> BoxFuture<'_, Result<usize, KeyStoreError>> {
        Box::pin(self.write(move |done| WriteOp::Prune { limit, done }))
    }

    fn check(&self) -> BoxFuture<'_, Result<(), KeyStoreError>> {
        if self.shared.queue.is_healthy() && self.shared.file.is_in_place() {
            return Box::pin(std::future::ready(Ok(())));
        }
        Box::pin(self.write(|done| WriteOp::Check { done }))
    }

    fn close(&self) {
        self.shared.queue.close();
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        // The writer never sends anything: it disconnects.
        let _ = ended.recv_timeout(STORE_TIMEOUT);
    }
}

impl Drop for RedbStore {
    fn drop(&mut self) {
        self.close();
    }
}
