//! Keeps keys on disk, in one file of the embedded database `redb` and a journal before it.
//!
//! Calls that wait are written to the journal together, which is one write and one sync. Their rows are kept in memory as
//! well, and move to the database many at a time, on another thread: a key that is completed by then is written once.

mod database_thread;
mod file;
mod file_fault;
mod journal;
mod journal_file;
mod layer;
mod layers;
mod meta;
mod replay;
mod stored_rows;
mod tables;
mod writer;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use futures::future::BoxFuture;
use tokio::sync::oneshot;

use self::{
    database_thread::DatabaseThread,
    file::StoreFile,
    file_fault::damaged,
    journal::JournalId,
    journal_file::Journal,
    layers::Layers,
    stored_rows::StoredRows,
    tables::RowError,
    writer::{OpQueue, StoreWriter},
};
use super::{
    Attempt, AttemptId, IdempotencyStore, KeyState, KeyStoreError, KeyStoreFault, Reserved, ScopedKey,
    StoreLimits, StoredResult, clock::StoreClock, record::KeyRecord, write_op::WriteOp,
};
use crate::{clock::Clock, message::Message};

/// The time in which a change must reach the disk.
const STORE_TIMEOUT: Duration = Duration::from_secs(10);
/// The size of a journal at which the next one begins. The rows of two of them are in memory, and a start after a kill reads
/// as many.
const MAX_JOURNAL_BYTES: u64 = 8 << 20;

/// A store in a folder.
pub(crate) struct RedbStore {
    shared: Arc<SharedStore>,
    /// Disconnected when the writer has ended.
    ended: Mutex<mpsc::Receiver<()>>,
}

/// The state that calls share with the threads that write.
struct SharedStore {
    layers: RwLock<Layers>,
    /// Whether the database failed, and must be opened again.
    is_broken: AtomicBool,
    folder: PathBuf,
    file: StoreFile,
    clock: StoreClock,
    /// The time at which the store was opened.
    opened: u64,
    limits: StoreLimits,
    queue: OpQueue,
    max_journal_bytes: u64,
    /// Whether the store ends without moving its journal to the database, as that of a process which is killed.
    #[cfg(test)]
    is_killed: AtomicBool,
}

impl RedbStore {
    /// Opens the store in `folder`, or creates it, and starts the threads that write.
    pub(super) fn open(folder: &Path, limits: StoreLimits, clock: Clock) -> Result<Self, KeyStoreFault> {
        Self::with_journals_of(MAX_JOURNAL_BYTES, folder, limits, clock)
    }

    /// Opens the store, with journals of up to `bytes` bytes.
    pub(super) fn with_journals_of(
        bytes: u64,
        folder: &Path,
        limits: StoreLimits,
        clock: Clock,
    ) -> Result<Self, KeyStoreFault> {
        let (file, database, meta) = StoreFile::open(folder)?;
        let meta = replay::replay(folder, &database, meta)?;
        let clock = StoreClock::new(clock, meta.last_time);
        let opened = clock.now();
        let stored =
            StoredRows::of(&database, opened).map_err(|error| damaged(folder, &error.to_string()))?;
        let shared = Arc::new(SharedStore {
            layers: RwLock::new(Layers::over(stored)),
            is_broken: AtomicBool::new(false),
            folder: folder.to_owned(),
            file,
            opened,
            clock,
            limits,
            queue: OpQueue::default(),
            max_journal_bytes: bytes,
            #[cfg(test)]
            is_killed: AtomicBool::new(false),
        });
        let no_thread = |error| {
            KeyStoreFault::Unfit(Message::failure("the key store's threads cannot be started", &error))
        };
        let database =
            DatabaseThread::start(Arc::clone(&shared), database, meta.journal).map_err(no_thread)?;
        let id = JournalId { store: meta.store, number: meta.journal + 1 };
        let journal = Journal::new(folder, id, meta.last_time);
        let (disconnects, ended) = mpsc::channel();
        let writer = StoreWriter::new(Arc::clone(&shared), journal, database);
        let run = move || {
            let _disconnects = disconnects;
            writer.run();
        };
        thread::Builder::new().name("keys".to_owned()).spawn(run).map_err(no_thread)?;
        Ok(Self { shared, ended: Mutex::new(ended) })
    }

    /// Ends the store as that of a process which is killed.
    #[cfg(test)]
    pub(super) fn kill(&self) {
        self.shared.is_killed.store(true, Ordering::Relaxed);
        self.close();
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
    fn layers(&self) -> RwLockReadGuard<'_, Layers> {
        // A layer is changed by moves that do not panic.
        self.layers.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn layers_mut(&self) -> RwLockWriteGuard<'_, Layers> {
        self.layers.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, key: &ScopedKey) -> Result<KeyState, KeyStoreError> {
        let state = |record: Option<&KeyRecord>| {
            record.map_or(KeyState::Absent, |record| record.state(self.clock.now()))
        };
        let stored = {
            let layers = self.layers();
            if let Some(record) = layers.recent(&key.key) {
                return Ok(state(record.as_ref()));
            }
            // Read after the lock: a page may have to come from the disk.
            layers.stored.clone()
        };
        let Some(stored) = stored else { return Err(self.file.failed(RowError::Closed)) };
        // The database may panic on pages that were changed under it.
        match catch_unwind(AssertUnwindSafe(|| stored.record(&key.key))) {
            Ok(Ok(record)) => Ok(state(record.as_ref())),
            Ok(Err(RowError::Damaged)) => Err(self.file.failed(RowError::Damaged)),
            failed => {
                self.is_broken.store(true, Ordering::Relaxed);
                Err(self.file.failed(failed.ok().and_then(Result::err).unwrap_or(RowError::Damaged)))
            }
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

#[cfg(test)]
mod tests {
    use crate::store::{
        conformance::{attempt, key},
        redb::*,
    };

    #[tokio::test]
    async fn key_is_pruned_once_wherever_its_time_is() {
        // In memory and in the journal; in the database.
        for journal in [u64::MAX, 1] {
            let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::manual());
            let open = || {
                RedbStore::with_journals_of(journal, folder.path(), StoreLimits::default(), clock.clone())
                    .unwrap()
            };
            let store = open();
            for name in 1..=3 {
                assert_eq!(store.reserve(key(1, name), attempt(1, true)).await, Ok(Reserved::Yes));
            }
            clock.advance(Duration::from_secs(61));
            assert_eq!(store.prune(2).await, Ok(2), "{journal}");
            assert_eq!(store.prune(100).await, Ok(1), "{journal}");
            assert_eq!(store.reserve(key(1, 4), attempt(2, true)).await, Ok(Reserved::Yes));
            assert_eq!(store.prune(100).await, Ok(0), "{journal}");
            drop(store);
            assert_eq!(open().prune(100).await, Ok(0), "{journal}: after a restart");
        }
    }
}
