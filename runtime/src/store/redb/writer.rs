//! Writes the changes that calls wait for: all that have gathered become one transaction.

use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use ::redb::{Database, Durability};

use super::{
    SharedStore,
    tables::{self, LAST_TIME_ROW, RedbTables, RowError},
};
use crate::{
    stderr,
    store::{
        KeyStoreError,
        write_op::{WriteAnswer, WriteOp},
    },
};

/// The size of the row that must fit before the store counts as usable again: a large result.
const PROBE_BYTES: usize = 256 * 1024;

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

/// The thread that writes.
pub(super) struct StoreWriter {
    shared: Arc<SharedStore>,
    /// Whether the database must be opened again before it is used.
    is_broken: bool,
}

impl StoreWriter {
    pub(super) fn new(shared: Arc<SharedStore>) -> Self {
        Self { shared, is_broken: false }
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
        // A database that is closed in order is opened without a repair.
        *self.shared.database.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Makes one transaction of all changes. A row that cannot be read fails its own change alone.
    fn write(&mut self, ops: &[WriteOp]) -> Result<Vec<Result<WriteAnswer, RowError>>, KeyStoreError> {
        let shared = &self.shared;
        if !shared.file.is_in_place() {
            return Err(shared.file.failed("it was removed or replaced"));
        }
        if self.is_broken {
            let mut database = shared.database.write().unwrap_or_else(PoisonError::into_inner);
            // Dropped first: it holds the lock of the file.
            *database = None;
            *database = Some(shared.file.reopen()?);
            self.is_broken = false;
        }
        let database = shared.database.read().unwrap_or_else(PoisonError::into_inner);
        let Some(database) = database.as_ref() else { return Err(shared.file.failed("it is not open")) };
        // The database may panic on pages that were changed under it.
        let written = catch_unwind(AssertUnwindSafe(|| commit(database, shared, ops)));
        written.unwrap_or(Err(RowError::Damaged)).map_err(|error| {
            self.is_broken = true;
            shared.file.failed(error)
        })
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

fn commit(
    database: &Database,
    shared: &SharedStore,
    ops: &[WriteOp],
) -> Result<Vec<Result<WriteAnswer, RowError>>, RowError> {
    let mut transaction = database.begin_write()?;
    let is_durable = ops.iter().any(WriteOp::is_durable);
    if !is_durable {
        transaction.set_durability(Durability::None).map_err(::redb::Error::from)?;
    }
    let mut answers = Vec::with_capacity(ops.len());
    let mut tables = RedbTables::open(&transaction, shared.opened)?;
    for op in ops {
        answers.push(match op.apply(&mut tables, &shared.limits, shared.clock.now()) {
            Err(error @ RowError::Database(_)) => return Err(error),
            answer => answer,
        });
    }
    if is_durable {
        tables.set_meta(LAST_TIME_ROW, shared.clock.now())?;
    }
    tables.finish()?;
    transaction.commit()?;
    if ops.iter().any(|op| matches!(op, WriteOp::Check { .. })) {
        tables::probe(database, PROBE_BYTES)?;
    }
    Ok(answers)
}
