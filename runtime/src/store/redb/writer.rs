//! Writes the changes that calls wait for to the journal: all that have gathered become one transaction.

use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use super::{
    SharedStore,
    database_thread::{DatabaseTask, DatabaseThread, PROBE_BYTES},
    journal_file::Journal,
    layer::Layer,
    layers::LayeredTables,
    tables::RowError,
};
use crate::{
    stderr,
    store::{
        KeyStoreError,
        write_op::{WriteAnswer, WriteOp},
    },
};

/// The number of keys in a layer at which the next one begins: keys that are pruned are not in the journal.
const MAX_LAYER_KEYS: usize = 65_536;

/// The changes that wait for the writer.
#[derive(Default)]
pub(super) struct OpQueue {
    waiting: Mutex<WaitingOps>,
    wake: Condvar,
    has_failed: AtomicBool,
}

#[derive(Default)]
struct WaitingOps {
    ops: Vec<WriteOp>,
    is_closed: bool,
}

impl OpQueue {
    fn lock(&self) -> MutexGuard<'_, WaitingOps> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a change. A closed queue drops it, so that its call gets an error.
    pub(super) fn push(&self, op: WriteOp) {
        let mut waiting = self.lock();
        if waiting.is_closed {
            return;
        }
        waiting.ops.push(op);
        // A writer that is writing looks at the queue again by itself.
        if waiting.ops.len() == 1 {
            self.wake.notify_one();
        }
    }

    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.wake.notify_one();
    }

    /// Whether the last transaction reached the disk.
    pub(super) fn is_healthy(&self) -> bool {
        !self.has_failed.load(Ordering::Relaxed)
    }

    /// Waits for changes; empty once the queue is closed and all are taken.
    fn take(&self) -> Vec<WriteOp> {
        let is_idle = |waiting: &mut WaitingOps| waiting.ops.is_empty() && !waiting.is_closed;
        let waiting = self.wake.wait_while(self.lock(), is_idle);
        mem::take(&mut waiting.unwrap_or_else(PoisonError::into_inner).ops)
    }
}

/// The thread that writes the journal.
pub(super) struct StoreWriter {
    shared: Arc<SharedStore>,
    journal: Journal,
    database: DatabaseThread,
}

impl StoreWriter {
    pub(super) fn new(shared: Arc<SharedStore>, journal: Journal, database: DatabaseThread) -> Self {
        Self { shared, journal, database }
    }

    /// Writes until the queue is closed, then closes the database.
    pub(super) fn run(mut self) {
        loop {
            let ops = self.shared.queue.take();
            if ops.is_empty() {
                break;
            }
            let answers = self.write(&ops);
            self.report(answers.as_ref().err());
            match answers {
                Ok(answers) => {
                    for (op, answer) in ops.into_iter().zip(answers) {
                        // The call may have been dropped.
                        let _ = op.answer(answer.map_err(|error| self.shared.file.failed(error)));
                    }
                }
                Err(error) => ops.into_iter().for_each(|op| _ = op.answer(Err(error.clone()))),
            }
        }
        if let Err(error) = self.flush() {
            stderr::line(format_args!("keys: the journal is kept for the next start: {}", error.0));
        }
        self.database.end();
    }

    /// Makes one transaction of all changes. A row that cannot be read fails its own change alone.
    fn write(&mut self, ops: &[WriteOp]) -> Result<Vec<Result<WriteAnswer, RowError>>, KeyStoreError> {
        let shared = Arc::clone(&self.shared);
        if !shared.file.is_in_place() || !self.journal.is_in_place() {
            return Err(shared.file.failed("it was removed or replaced"));
        }
        self.database.check_write(false)?;
        if shared.is_broken.load(Ordering::Relaxed) {
            self.database.perform(DatabaseTask::Open)?;
        }
        if self.journal.bytes() >= shared.max_journal_bytes || shared.layers().recent_keys() >= MAX_LAYER_KEYS
        {
            self.begin_layer()?;
        }
        let (answers, changes) = apply(&shared, ops).map_err(|error| {
            shared.is_broken.store(true, Ordering::Relaxed);
            shared.file.failed(error)
        })?;
        if ops.iter().any(WriteOp::is_durable) {
            let appended = self.journal.append(shared.clock.now(), &changes.records);
            appended.map_err(|error| shared.file.failed(error))?;
        }
        // Calls see changes that are on the disk alone.
        shared.layers_mut().absorb(changes);
        if ops.iter().any(|op| matches!(op, WriteOp::Check { .. })) {
            self.journal.probe(PROBE_BYTES).map_err(|error| shared.file.failed(error))?;
            self.database.perform(DatabaseTask::Probe)?;
        }
        Ok(answers)
    }

    /// Begins a journal and a layer, and hands the ones before to the database.
    fn begin_layer(&mut self) -> Result<(), KeyStoreError> {
        self.database.check_write(true)?;
        let (number, last_time) = (self.journal.last_number(), self.journal.last_time());
        self.journal.begin_next().map_err(|error| self.shared.file.failed(error))?;
        let full = self.shared.layers_mut().begin_layer(number, last_time);
        self.database.begin_write(full);
        Ok(())
    }

    /// Writes everything to the database, so that no journal is left.
    fn flush(&mut self) -> Result<(), KeyStoreError> {
        #[cfg(test)]
        if self.shared.is_killed.load(Ordering::Relaxed) {
            return Ok(());
        }
        if self.journal.bytes() > 0 || !self.shared.layers().is_unchanged() {
            self.begin_layer()?;
        }
        self.database.check_write(true)
    }

    /// Tells the operator when the store begins to fail, and when it works again.
    fn report(&self, error: Option<&KeyStoreError>) {
        let had_failed = self.shared.queue.has_failed.swap(error.is_some(), Ordering::Relaxed);
        match (had_failed, error) {
            (false, Some(error)) => {
                stderr::line(format_args!("keys: calls with a key are refused: {}", error.0));
            }
            (true, None) => stderr::line("keys: the key store works again"),
            _ => {}
        }
    }
}

/// Refuses changes when the writer's thread ends, so that no call waits for a writer that panicked.
impl Drop for StoreWriter {
    fn drop(&mut self) {
        self.shared.queue.close();
        if thread::panicking() {
            self.shared.queue.has_failed.store(true, Ordering::Relaxed);
            stderr::line("keys: the writer failed: calls with a key are refused until a restart");
        }
        drop(mem::take(&mut self.shared.queue.lock().ops));
    }
}

/// Makes all changes on the rows that are known, and returns the changed ones.
fn apply(
    shared: &SharedStore,
    ops: &[WriteOp],
) -> Result<(Vec<Result<WriteAnswer, RowError>>, Layer), RowError> {
    let apply = || {
        let layers = shared.layers();
        let mut tables = LayeredTables::over(&layers);
        let mut answers = Vec::with_capacity(ops.len());
        for op in ops {
            answers.push(match op.apply(&mut tables, &shared.limits, shared.clock.now()) {
                Err(error @ (RowError::Database(_) | RowError::Closed)) => return Err(error),
                answer => answer,
            });
        }
        Ok((answers, tables.into_changes()))
    };
    // The database may panic on pages that were changed under it.
    catch_unwind(AssertUnwindSafe(apply)).unwrap_or(Err(RowError::Damaged))
}
