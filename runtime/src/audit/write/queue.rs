//! Queues the records of calls for the writer, and tells a call when its record is on the disk.

use std::{
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, AtomicU64, Ordering},
        mpsc,
    },
    time::Duration,
};

use tokio::sync::oneshot;

use super::{denials::Denials, record::RecordWriter, redact::Redaction};

/// The time in which a record must reach the disk.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(10);
/// The most records in the queue that no call waits for.
const MAX_UNAWAITED_RECORDS: usize = 16_384;
/// The time for which such records gather before they are written, unless a call waits for another one.
const GATHERING_TIME: Duration = Duration::from_millis(100);
/// The number of gathered records that are written before that time is over.
const MAX_GATHERED_RECORDS: usize = 4_096;

/// The relation of a record to a call in flight.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RecordKind {
    Intent(u128),
    Outcome(u128),
    Other,
}

/// A record that the writer has not written yet.
pub(super) struct QueuedRecord {
    pub(super) kind: RecordKind,
    content: RecordContent,
    done: Option<oneshot::Sender<()>>,
}

enum RecordContent {
    Ready(RecordWriter),
    /// Written by the writer's thread: the call has gone on.
    Deferred(Box<dyn Fn(&mut RecordWriter) + Send>),
}

impl QueuedRecord {
    /// A record of the server itself.
    pub(super) fn of_server(record: RecordWriter) -> Self {
        Self { kind: RecordKind::Other, content: RecordContent::Ready(record), done: None }
    }

    /// Whether a call waits for this record.
    pub(super) fn is_awaited(&self) -> bool {
        self.done.is_some()
    }

    /// Returns the members of the record. A deferred record is written into `buffer`.
    pub(super) fn members<'a>(&'a self, buffer: &'a mut RecordWriter) -> &'a RecordWriter {
        match &self.content {
            RecordContent::Ready(record) => record,
            RecordContent::Deferred(write) => {
                buffer.clear();
                write(buffer);
                buffer
            }
        }
    }

    /// Tells the call that its record is on the disk.
    pub(super) fn acknowledge(self) {
        if let Some(done) = self.done {
            // The call may have been dropped.
            let _ = done.send(());
        }
    }
}

/// Whether records can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum LogHealth {
    Up,
    /// The disk is almost full.
    Low,
    /// The file cannot be trusted.
    Failed,
}

/// The error of a record that did not reach the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotWritten;

/// The next task of the writer.
pub(super) enum WriterTask {
    Write(Vec<QueuedRecord>),
    /// No record came, and it is time to check the log.
    Idle,
    /// An operator asked for the log to be reopened.
    Reopen,
    Stop,
}

/// The folder of an open log and whether the log is signed, for a line to a person.
#[derive(Clone, Debug)]
pub(crate) struct LogLocation {
    pub(crate) folder: PathBuf,
    pub(crate) signed: bool,
}

/// The state that calls share with the writer.
#[derive(Default)]
pub(super) struct WriterQueue {
    queue: Mutex<RecordQueue>,
    wake: Condvar,
    health: AtomicU8,
    left_out: AtomicU64,
    pub(super) denials: Denials,
}

#[derive(Default)]
struct RecordQueue {
    records: Vec<QueuedRecord>,
    /// Whether a call waits for one of the records.
    awaited: bool,
    closing: bool,
    reopening: bool,
}

impl RecordQueue {
    /// Whether the writer has something to do now.
    fn is_urgent(&self) -> bool {
        self.awaited || self.closing || self.reopening || self.records.len() >= MAX_GATHERED_RECORDS
    }
}

impl WriterQueue {
    fn lock(&self) -> MutexGuard<'_, RecordQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next task, but not longer than `timeout`. Records that no call waits for gather first.
    pub(super) fn next(&self, timeout: Option<Duration>) -> WriterTask {
        let mut queue =
            self.wait(self.lock(), timeout, |queue| queue.records.is_empty() && !queue.is_urgent());
        if !queue.records.is_empty() {
            queue = self.wait(queue, Some(GATHERING_TIME), |queue| !queue.is_urgent());
        }
        if std::mem::take(&mut queue.reopening) {
            return WriterTask::Reopen;
        }
        queue.awaited = false;
        match (queue.records.is_empty(), queue.closing) {
            (false, _) => WriterTask::Write(std::mem::take(&mut queue.records)),
            (true, true) => WriterTask::Stop,
            (true, false) => WriterTask::Idle,
        }
    }

    fn wait<'a>(
        &self,
        queue: MutexGuard<'a, RecordQueue>,
        timeout: Option<Duration>,
        idle: fn(&mut RecordQueue) -> bool,
    ) -> MutexGuard<'a, RecordQueue> {
        match timeout {
            None => self.wake.wait_while(queue, idle).unwrap_or_else(PoisonError::into_inner),
            Some(timeout) => {
                self.wake.wait_timeout_while(queue, timeout, idle).unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }

    fn push(&self, record: QueuedRecord) {
        let mut queue = self.lock();
        if queue.closing || (!record.is_awaited() && queue.records.len() >= MAX_UNAWAITED_RECORDS) {
            drop(queue);
            self.refuse(vec![record]);
            return;
        }
        let was_urgent = queue.is_urgent();
        queue.awaited |= record.is_awaited();
        queue.records.push(record);
        // A writer that is writing or gathering looks at the queue again by itself.
        let wakes = queue.records.len() == 1 || queue.is_urgent() != was_urgent;
        drop(queue);
        if wakes {
            self.wake.notify_one();
        }
    }

    /// Drops records and counts them. A call that waits for one of them gets an error.
    pub(super) fn refuse(&self, records: Vec<QueuedRecord>) {
        self.leave_out(records.len() as u64);
        drop(records);
    }

    pub(super) fn leave_out(&self, records: u64) {
        self.left_out.fetch_add(records, Ordering::Relaxed);
    }

    pub(super) fn take_left_out(&self) -> u64 {
        self.left_out.swap(0, Ordering::Relaxed)
    }

    /// Refuses every record from now on, and those in the queue.
    pub(super) fn close(&self) {
        self.set_health(LogHealth::Failed);
        let mut queue = self.lock();
        queue.closing = true;
        let records = std::mem::take(&mut queue.records);
        drop(queue);
        self.refuse(records);
    }

    pub(super) fn set_health(&self, health: LogHealth) {
        self.health.store(health as u8, Ordering::Relaxed);
    }
}

/// A log that this process writes, as calls use it.
pub(crate) struct AuditHandle {
    pub(super) queue: Arc<WriterQueue>,
    pub(crate) redaction: Redaction,
    pub(crate) location: LogLocation,
    /// Disconnected when the writer has ended.
    pub(super) ended: Mutex<mpsc::Receiver<()>>,
}

impl AuditHandle {
    /// Waits until the record is on the disk, even if the call is dropped in the meantime.
    pub(crate) async fn commit(&self, kind: RecordKind, record: RecordWriter) -> Result<(), NotWritten> {
        let (done, acknowledged) = oneshot::channel();
        self.queue.push(QueuedRecord { kind, content: RecordContent::Ready(record), done: Some(done) });
        match tokio::time::timeout(COMMIT_TIMEOUT, acknowledged).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(NotWritten),
        }
    }

    /// Records without waiting. If the record cannot be written, it is counted, and the count is recorded later. `write`
    /// holds its values until then, so it must not hold secrets.
    pub(crate) fn note(&self, kind: RecordKind, write: impl Fn(&mut RecordWriter) + Send + 'static) {
        self.queue.push(QueuedRecord { kind, content: RecordContent::Deferred(Box::new(write)), done: None });
    }

    /// Whether a denial is recorded by itself. If there are too many, it is only counted.
    pub(crate) fn admits_denial(&self, by: &'static str) -> bool {
        self.queue.denials.admit(by)
    }

    /// Asks the writer to reopen the log, as after a restart.
    pub(crate) fn reopen(&self) {
        self.queue.lock().reopening = true;
        self.queue.wake.notify_one();
    }

    /// Whether calls can be recorded.
    pub(crate) fn is_ready(&self) -> bool {
        self.queue.health.load(Ordering::Relaxed) == LogHealth::Up as u8
    }

    /// Writes the queued records and the record of the stop, and waits for both, up to a timeout.
    pub(crate) fn stop(&self) {
        self.queue.lock().closing = true;
        self.queue.wake.notify_one();
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        // The writer never sends anything: it disconnects.
        let _ = ended.recv_timeout(COMMIT_TIMEOUT);
    }
}

impl Drop for AuditHandle {
    fn drop(&mut self) {
        self.stop();
    }
}
