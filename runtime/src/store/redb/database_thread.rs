//! Writes full layers to the database on a thread of its own, while calls go on in the journal.

use std::{
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering, mpsc},
    thread,
};

use ::redb::Database;

use super::{
    SharedStore, journal_file,
    layers::FullLayer,
    meta::{self, JOURNAL_ROW, LAST_TIME_ROW},
    stored_rows::StoredRows,
    tables::{self, RedbTables, RowError},
};
use crate::{message::Message, store::KeyStoreError};

/// The size of the row that must fit before the store counts as usable again: a large result.
pub(super) const PROBE_BYTES: usize = 256 * 1024;

/// A task of the thread. Each of them opens the database again first if it failed.
pub(super) enum DatabaseTask {
    /// Write the rows of a layer.
    Write(Arc<FullLayer>),
    /// Write a row, to find out whether the disk takes it.
    Probe,
    Open,
}

type TaskResult = Result<(), KeyStoreError>;

/// The thread, as the writer of the journal uses it.
pub(super) struct DatabaseThread {
    /// `None` once the thread was told to end.
    tasks: Option<mpsc::Sender<(DatabaseTask, mpsc::SyncSender<TaskResult>)>>,
    thread: Option<thread::JoinHandle<()>>,
    /// The layer that is being written.
    write: Option<LayerWrite>,
}

struct LayerWrite {
    layer: Arc<FullLayer>,
    /// `None` if the write has failed.
    result: Option<mpsc::Receiver<TaskResult>>,
}

impl DatabaseThread {
    pub(super) fn start(shared: Arc<SharedStore>, database: Database, journal: u64) -> io::Result<Self> {
        let (tasks, received) = mpsc::channel();
        let worker = DatabaseWriter { shared, database: Some(database), journal };
        let thread =
            thread::Builder::new().name("keys-file".to_owned()).spawn(move || worker.run(&received))?;
        Ok(Self { tasks: Some(tasks), thread: Some(thread), write: None })
    }

    fn submit(&self, task: DatabaseTask) -> mpsc::Receiver<TaskResult> {
        let (done, result) = mpsc::sync_channel(1);
        if let Some(tasks) = &self.tasks {
            // A thread that has ended drops the task, which the caller learns from `result`.
            let _ = tasks.send((task, done));
        }
        result
    }

    /// Performs a task, and waits for its end.
    pub(super) fn perform(&self, task: DatabaseTask) -> TaskResult {
        ended(self.submit(task).recv())
    }

    /// Begins to write a layer. The one before must be written.
    pub(super) fn begin_write(&mut self, layer: Arc<FullLayer>) {
        let result = Some(self.submit(DatabaseTask::Write(Arc::clone(&layer))));
        self.write = Some(LayerWrite { layer, result });
    }

    /// Returns the error of a layer that could not be written, and writes it again at the next call. With `waits`, waits for
    /// a layer that is being written.
    pub(super) fn check_write(&mut self, waits: bool) -> TaskResult {
        let Some(LayerWrite { layer, result }) = self.write.take() else { return Ok(()) };
        let waits = waits || result.is_none();
        let result = result.unwrap_or_else(|| self.submit(DatabaseTask::Write(Arc::clone(&layer))));
        let written = match result.try_recv() {
            Err(mpsc::TryRecvError::Empty) if !waits => {
                self.write = Some(LayerWrite { layer, result: Some(result) });
                return Ok(());
            }
            Err(mpsc::TryRecvError::Empty) => ended(result.recv()),
            written => ended(written),
        };
        if written.is_err() {
            self.write = Some(LayerWrite { layer, result: None });
        }
        written
    }

    /// Ends the thread, which closes the database.
    pub(super) fn end(&mut self) {
        self.tasks = None;
        if let Some(thread) = self.thread.take() {
            // Its panic has told the operator.
            let _ = thread.join();
        }
    }
}

fn ended<E>(result: Result<TaskResult, E>) -> TaskResult {
    result
        .unwrap_or_else(|_| Err(KeyStoreError(Message::new("the thread of the key store's file has ended"))))
}

/// The thread's side.
struct DatabaseWriter {
    shared: Arc<SharedStore>,
    /// `None` while the file cannot be opened again after a failure.
    database: Option<Database>,
    /// The number of the last journal whose rows are in the database.
    journal: u64,
}

impl DatabaseWriter {
    fn run(mut self, tasks: &mpsc::Receiver<(DatabaseTask, mpsc::SyncSender<TaskResult>)>) {
        for (task, done) in tasks {
            // The writer may not wait for it.
            let _ = done.send(self.perform(&task));
        }
        // A database that is closed in order is opened without a repair.
        self.shared.layers_mut().stored = None;
        self.database = None;
    }

    fn perform(&mut self, task: &DatabaseTask) -> TaskResult {
        if self.shared.is_broken.load(Ordering::Relaxed) {
            self.reopen()?;
            self.shared.is_broken.store(false, Ordering::Relaxed);
        }
        let shared = Arc::clone(&self.shared);
        let Some(database) = &self.database else { return Err(shared.file.failed(RowError::Closed)) };
        let perform = || match task {
            DatabaseTask::Write(layer) => write(database, &shared, layer),
            DatabaseTask::Probe => tables::probe(database, PROBE_BYTES),
            DatabaseTask::Open => Ok(()),
        };
        // The database may panic on pages that were changed under it.
        let performed = catch_unwind(AssertUnwindSafe(perform)).unwrap_or(Err(RowError::Damaged));
        match (performed, task) {
            (Err(error), _) => {
                shared.is_broken.store(true, Ordering::Relaxed);
                Err(shared.file.failed(error))
            }
            (Ok(()), DatabaseTask::Write(layer)) => {
                self.journal = layer.journal;
                // One that stays is removed at the next start.
                let _ = fs::remove_file(journal_file::path(&shared.folder, layer.journal));
                Ok(())
            }
            (Ok(()), _) => Ok(()),
        }
    }

    /// Opens the database again, if it is still as this process left it.
    fn reopen(&mut self) -> TaskResult {
        let shared = &self.shared;
        // Both are dropped first: they hold the lock of the file.
        shared.layers_mut().stored = None;
        self.database = None;
        let database = shared.file.reopen()?;
        let opened = || {
            let journal = meta::last_journal(&database)?;
            Ok::<_, RowError>((journal, StoredRows::of(&database, shared.opened)?))
        };
        let opened = catch_unwind(AssertUnwindSafe(opened)).unwrap_or(Err(RowError::Damaged));
        let (journal, stored) = opened.map_err(|error| shared.file.failed(error))?;
        // A transaction that failed may have reached the disk all the same.
        if !(self.journal..=self.journal + 1).contains(&journal) {
            return Err(shared.file.failed("another process has changed it"));
        }
        shared.layers_mut().stored = Some(Arc::new(stored));
        self.database = Some(database);
        Ok(())
    }
}

/// Writes a layer as one transaction.
fn write(database: &Database, shared: &SharedStore, full: &FullLayer) -> Result<(), RowError> {
    let transaction = database.begin_write()?;
    let mut tables = RedbTables::open(&transaction)?;
    tables.write(&full.layer)?;
    tables.set_meta(LAST_TIME_ROW, full.last_time)?;
    tables.set_meta(JOURNAL_ROW, full.journal)?;
    drop(tables);
    transaction.commit()?;
    let stored = StoredRows::of(database, shared.opened)?;
    let ended = shared.layers_mut().end_layer(stored);
    // Its rows are dropped after the lock.
    drop(ended);
    Ok(())
}
