//! Queues the records of calls for the writer, and tells a call when its record is on the disk.

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, AtomicU64, Ordering},
        mpsc,
    },
    time::Duration,
};

use tokio::sync::oneshot;

#[cfg(feature = "cli")]
use super::retention_job::RemovalResult;
use super::{
    denials::Denials,
    left_out::LeftOut,
    queued_record::{QueuedRecord, ReadRecord, RecordContent, RecordKind},
    record::RecordWriter,
    redact::Redaction,
    retention_job::RetentionJob,
};
use crate::{audit::removal::Removal, message::Message, tool::caller::Caller};

/// The time in which a record must reach the disk.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(10);
/// The most records in the queue that no tool requires.
const MAX_OPTIONAL_RECORDS: usize = 16_384;
/// The most records in the queue that no call waits for.
const MAX_UNAWAITED_RECORDS: usize = 65_536;
/// The time for which records gather before they are written, unless one of them is required.
const GATHERING_TIME: Duration = Duration::from_millis(4);
/// The number of gathered records that are written before that time is over, and at once. The thread that writes them
/// shares its core with those that answer calls, and a batch of thousands would hold these up for milliseconds.
const MAX_GATHERED_RECORDS: usize = 64;
/// The rest of the writer between two batches, unless a record is required.
const BATCH_PAUSE: Duration = Duration::from_micros(100);

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WriterTask {
    /// Records were taken from the queue.
    Write,
    /// No record came, and it is time to check the log.
    Idle,
    /// An operator asked for the log to be reopened.
    Reopen,
    /// Old records are to be removed.
    Retain,
    Stop,
}

/// A task of the writer that lets old records be removed. It syncs and signs the log in each case.
#[derive(Debug)]
pub(super) enum RetentionTask {
    /// Begin a segment that records a removal.
    Remove(Box<Removal>),
    /// Begin a segment.
    Close,
    /// Write nothing more than what was recorded.
    Confirm,
}

/// A task of the writer, and the channel for its result.
pub(super) type RetentionRequest = (RetentionTask, mpsc::SyncSender<Result<(), Message>>);

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
    left_out: Mutex<LeftOut>,
    /// The records that were left out since the start.
    failures: AtomicU64,
    pub(super) denials: Denials,
}

#[derive(Default)]
struct RecordQueue {
    records: VecDeque<QueuedRecord>,
    /// The number of required records.
    required: usize,
    closing: bool,
    reopening: bool,
    retention: Option<RetentionRequest>,
}

impl RecordQueue {
    /// Whether the writer has something to do at once.
    fn is_urgent(&self) -> bool {
        self.required > 0 || self.closing || self.reopening || self.retention.is_some()
    }

    /// Whether the writer gathers no more records.
    fn is_due(&self) -> bool {
        self.is_urgent() || self.records.len() >= MAX_GATHERED_RECORDS
    }
}

impl WriterQueue {
    fn lock(&self) -> MutexGuard<'_, RecordQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next task, but not longer than `timeout`, and moves records into `batch`: all of them if one is
    /// required, otherwise a few.
    pub(super) fn next(&self, timeout: Option<Duration>, batch: &mut Vec<QueuedRecord>) -> WriterTask {
        let mut queue = self.wait(self.lock(), timeout, |queue| queue.records.is_empty() && !queue.is_due());
        if !queue.records.is_empty() {
            queue = self.wait(queue, Some(GATHERING_TIME), |queue| !queue.is_due());
            queue = self.wait(queue, Some(BATCH_PAUSE), |queue| !queue.is_urgent());
        }
        if std::mem::take(&mut queue.reopening) {
            return WriterTask::Reopen;
        }
        if queue.retention.is_some() {
            return WriterTask::Retain;
        }
        let records = queue.records.len();
        let taken = if queue.is_urgent() { records } else { records.min(MAX_GATHERED_RECORDS) };
        batch.extend(queue.records.drain(..taken));
        queue.required = 0;
        match (batch.is_empty(), queue.closing) {
            (false, _) => WriterTask::Write,
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
        let most = match (&record.done, record.is_required) {
            (Some(_), _) => usize::MAX,
            (None, true) => MAX_UNAWAITED_RECORDS,
            (None, false) => MAX_OPTIONAL_RECORDS,
        };
        let mut queue = self.lock();
        if queue.closing || queue.records.len() >= most {
            drop(queue);
            self.refuse([record]);
            return;
        }
        let (was_due, was_urgent) = (queue.is_due(), queue.is_urgent());
        queue.required += usize::from(record.is_required);
        queue.records.push_back(record);
        // A writer that is writing or gathering looks at the queue again by itself.
        let wakes = queue.records.len() == 1 || queue.is_due() != was_due || queue.is_urgent() != was_urgent;
        drop(queue);
        if wakes {
            self.wake.notify_one();
        }
    }

    /// Drops records and counts them. A call that waits for one of them gets an error.
    pub(super) fn refuse(&self, records: impl IntoIterator<Item = QueuedRecord>) {
        let mut left_out = LeftOut::default();
        let records: Vec<_> = records.into_iter().inspect(|record| left_out.count(record)).collect();
        // Counted before a call learns of it.
        self.leave_out(left_out);
        drop(records);
    }

    pub(super) fn leave_out(&self, records: LeftOut) {
        if !records.is_empty() {
            self.failures.fetch_add(records.records(), Ordering::Relaxed);
            self.restore_left_out(records);
        }
    }

    /// Puts back what [`take_left_out`](Self::take_left_out) took.
    pub(super) fn restore_left_out(&self, records: LeftOut) {
        self.left_out.lock().unwrap_or_else(PoisonError::into_inner).add(records);
    }

    pub(super) fn take_left_out(&self) -> LeftOut {
        std::mem::take(&mut *self.left_out.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Refuses every record from now on, and those in the queue.
    pub(super) fn close(&self) {
        self.set_health(LogHealth::Failed);
        let mut queue = self.lock();
        queue.closing = true;
        let records = std::mem::take(&mut queue.records);
        queue.retention = None;
        drop(queue);
        self.refuse(records);
    }

    /// Gives the writer a task of retention, and waits until it is done.
    pub(super) fn retain(&self, task: RetentionTask) -> Result<(), Message> {
        let (done, result) = mpsc::sync_channel(1);
        let mut queue = self.lock();
        if !queue.closing {
            queue.retention = Some((task, done));
        }
        drop(queue);
        self.wake.notify_one();
        // A writer that ends drops the task.
        result.recv().unwrap_or_else(|_| Err(Message::new("the log was closed")))
    }

    pub(super) fn take_retention(&self) -> Option<RetentionRequest> {
        self.lock().retention.take()
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
    /// `None` if nothing is removed.
    pub(super) retention: Option<RetentionJob>,
    /// Disconnected when the writer has ended.
    pub(super) ended: Mutex<mpsc::Receiver<()>>,
}

impl AuditHandle {
    /// Waits until the record is on the disk, even if the call is dropped in the meantime.
    pub(crate) async fn commit(&self, kind: RecordKind, record: RecordWriter) -> Result<(), NotWritten> {
        let (done, acknowledged) = oneshot::channel();
        let content = RecordContent::Ready(record);
        self.queue.push(QueuedRecord { kind, content, is_required: true, done: Some(done) });
        match tokio::time::timeout(COMMIT_TIMEOUT, acknowledged).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(NotWritten),
        }
    }

    /// Records without waiting. If the record cannot be written, it is counted, and the count is recorded later. `write`
    /// holds its values until then, so it must not hold secrets.
    pub(crate) fn note(
        &self,
        kind: RecordKind,
        is_required: bool,
        write: impl Fn(&mut RecordWriter) + Send + 'static,
    ) {
        let content = RecordContent::Deferred(Box::new(write));
        self.queue.push(QueuedRecord { kind, content, is_required, done: None });
    }

    /// Records a read without waiting, as [`note`](Self::note) does.
    pub(crate) fn note_read(&self, record: impl ReadRecord + 'static) {
        let content = RecordContent::Read(Box::new(record));
        self.queue.push(QueuedRecord { kind: RecordKind::Other, content, is_required: false, done: None });
    }

    /// Whether a denial is recorded by itself. If the caller has too many for one reason, it is only counted.
    pub(crate) fn admits_denial(&self, caller: Option<&Arc<Caller>>, by: &'static str) -> bool {
        self.queue.denials.admit(caller, by)
    }

    /// The number of records that wait to be written.
    #[cfg(feature = "telemetry")]
    pub(crate) fn queued(&self) -> usize {
        self.queue.lock().records.len()
    }

    /// The number of records that could not be written since the start.
    #[cfg(feature = "telemetry")]
    pub(crate) fn failures(&self) -> u64 {
        self.queue.failures.load(Ordering::Relaxed)
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

    /// Waits until old records are removed, as the log's options ask for, and returns what was removed.
    #[cfg(feature = "cli")]
    pub(crate) fn removed(&mut self) -> RemovalResult {
        self.retention.take().map_or(Ok(None), RetentionJob::join)
    }

    /// Writes the queued records and the record of the stop, and waits for both, up to a timeout.
    pub(crate) fn stop(&self) {
        if let Some(retention) = &self.retention {
            retention.stop();
        }
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

#[cfg(test)]
mod tests {
    use crate::audit::write::queue::*;

    fn record(is_required: bool) -> QueuedRecord {
        QueuedRecord { is_required, ..QueuedRecord::of_server(RecordWriter::of("x")) }
    }

    #[test]
    fn batches_are_small_unless_a_record_is_required() {
        let (queue, mut batch) = (WriterQueue::default(), Vec::new());
        for _ in 0..1_000 {
            queue.push(record(false));
        }
        assert_eq!(queue.next(None, &mut batch), WriterTask::Write);
        assert_eq!(batch.len(), MAX_GATHERED_RECORDS);
        queue.push(record(true));
        batch.clear();
        assert_eq!(queue.next(None, &mut batch), WriterTask::Write);
        assert_eq!(batch.len(), 1_001 - MAX_GATHERED_RECORDS);
    }

    #[test]
    fn queue_is_bounded_and_counts_what_it_leaves_out() {
        let queue = WriterQueue::default();
        for _ in 0..2 * MAX_OPTIONAL_RECORDS {
            queue.push(record(false));
        }
        assert_eq!(queue.lock().records.len(), MAX_OPTIONAL_RECORDS);
        // A flood of optional records leaves room for required ones.
        queue.push(record(true));
        assert_eq!(queue.lock().records.len(), MAX_OPTIONAL_RECORDS + 1);
        assert_eq!(queue.take_left_out(), LeftOut::unrequired(MAX_OPTIONAL_RECORDS as u64));
        assert!(queue.take_left_out().is_empty());
    }
}
