//! An open log: records come in from calls, wait for the writer, and are told when they last.

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

/// How long a record may take to last.
const DEADLINE: Duration = Duration::from_secs(10);
/// The records that may wait without anybody waiting for them.
const WAITING: usize = 16_384;
/// How long such records gather before they are written, unless one comes that somebody waits for.
const GATHERING: Duration = Duration::from_millis(100);
/// How many of them are written at once in any case.
const MANY: usize = 4_096;

/// What a record is to the calls at work.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RecordKind {
    Intent(u128),
    Outcome(u128),
    Other,
}

/// A record on its way to the disk.
pub(super) struct QueuedRecord {
    pub(super) kind: RecordKind,
    pub(super) content: Content,
    pub(super) done: Option<oneshot::Sender<()>>,
}

/// What a record says.
pub(super) enum Content {
    Ready(RecordWriter),
    /// The writer writes it: whoever recorded it has gone on.
    Deferred(Box<dyn Fn(&mut RecordWriter) + Send>),
}

impl QueuedRecord {
    pub(super) fn alone(body: RecordWriter) -> Self {
        Self { kind: RecordKind::Other, content: Content::Ready(body), done: None }
    }

    /// What it says; `room` is where that is written, if it is not yet.
    pub(super) fn body<'a>(&'a self, room: &'a mut RecordWriter) -> &'a RecordWriter {
        match &self.content {
            Content::Ready(body) => body,
            Content::Deferred(say) => {
                room.0.clear();
                say(room);
                room
            }
        }
    }

    pub(super) fn done(self) {
        if let Some(done) = self.done {
            // Whoever waited may have gone.
            let _ = done.send(());
        }
    }
}

/// Whether records can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum LogHealth {
    Up,
    /// The disk is all but full.
    Low,
    /// The file cannot be trusted.
    Failed,
}

/// A record that did not get to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unrecorded;

/// What the writer has to do.
pub(super) enum WriterTask {
    Write(Vec<QueuedRecord>),
    /// No record came, and it is time to look after the log.
    Idle,
    /// Somebody wants the log opened again.
    Reopen,
    Stop,
}

/// Where an open log is, for a line to a person.
#[derive(Clone, Debug)]
pub(crate) struct LogLocation {
    pub(crate) folder: PathBuf,
    pub(crate) signed: bool,
}

/// What calls and the writer share.
#[derive(Default)]
pub(super) struct WriterQueue {
    queue: Mutex<Queue>,
    wake: Condvar,
    health: AtomicU8,
    left_out: AtomicU64,
    pub(super) denials: Denials,
}

#[derive(Default)]
struct Queue {
    entries: Vec<QueuedRecord>,
    /// Somebody waits for one of them.
    awaited: bool,
    closing: bool,
    reopening: bool,
}

impl Queue {
    /// Whether the writer has something to do now.
    fn is_urgent(&self) -> bool {
        self.awaited || self.closing || self.reopening || self.entries.len() >= MANY
    }
}

impl WriterQueue {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for something to do, but not longer than `most`. Records that nobody waits for are left to gather.
    pub(super) fn next(&self, most: Option<Duration>) -> WriterTask {
        let mut queue = self.wait(self.lock(), most, |queue| queue.entries.is_empty() && !queue.is_urgent());
        if !queue.entries.is_empty() {
            queue = self.wait(queue, Some(GATHERING), |queue| !queue.is_urgent());
        }
        if std::mem::take(&mut queue.reopening) {
            return WriterTask::Reopen;
        }
        queue.awaited = false;
        match (queue.entries.is_empty(), queue.closing) {
            (false, _) => WriterTask::Write(std::mem::take(&mut queue.entries)),
            (true, true) => WriterTask::Stop,
            (true, false) => WriterTask::Idle,
        }
    }

    fn wait<'a>(
        &self,
        queue: MutexGuard<'a, Queue>,
        most: Option<Duration>,
        idle: fn(&mut Queue) -> bool,
    ) -> MutexGuard<'a, Queue> {
        match most {
            None => self.wake.wait_while(queue, idle).unwrap_or_else(PoisonError::into_inner),
            Some(most) => {
                self.wake.wait_timeout_while(queue, most, idle).unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }

    fn push(&self, entry: QueuedRecord) {
        let mut queue = self.lock();
        if queue.closing || (entry.done.is_none() && queue.entries.len() >= WAITING) {
            drop(queue);
            self.refuse(vec![entry]);
            return;
        }
        let was_urgent = queue.is_urgent();
        queue.awaited |= entry.done.is_some();
        queue.entries.push(entry);
        // A writer that writes, or gathers, looks again by itself.
        let wakes = queue.entries.len() == 1 || queue.is_urgent() != was_urgent;
        drop(queue);
        if wakes {
            self.wake.notify_one();
        }
    }

    /// Gives up on records, and counts them; who waits for one hears that it was dropped.
    pub(super) fn refuse(&self, entries: Vec<QueuedRecord>) {
        self.leave_out(entries.len() as u64);
        drop(entries);
    }

    pub(super) fn leave_out(&self, records: u64) {
        self.left_out.fetch_add(records, Ordering::Relaxed);
    }

    pub(super) fn take_left_out(&self) -> u64 {
        self.left_out.swap(0, Ordering::Relaxed)
    }

    pub(super) fn set_health(&self, health: LogHealth) {
        self.health.store(health as u8, Ordering::Relaxed);
    }
}

/// A log that this process writes.
pub(crate) struct AuditHandle {
    pub(super) shared: Arc<WriterQueue>,
    pub(crate) redaction: Redaction,
    pub(crate) location: LogLocation,
    /// Hangs up when the writer has ended.
    pub(super) ended: Mutex<mpsc::Receiver<()>>,
}

impl AuditHandle {
    /// Waits until the record lasts, whatever becomes of the call.
    pub(crate) async fn commit(&self, kind: RecordKind, body: RecordWriter) -> Result<(), Unrecorded> {
        let (done, told) = oneshot::channel();
        self.shared.push(QueuedRecord { kind, content: Content::Ready(body), done: Some(done) });
        match tokio::time::timeout(DEADLINE, told).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Unrecorded),
        }
    }

    /// Records without waiting; what cannot be written is counted, and the count recorded later. What `say` holds is
    /// held until then: nothing that is secret.
    pub(crate) fn note(&self, kind: RecordKind, say: impl Fn(&mut RecordWriter) + Send + 'static) {
        self.shared.push(QueuedRecord { kind, content: Content::Deferred(Box::new(say)), done: None });
    }

    /// Whether a denial is recorded by itself, or only counted: there have been too many.
    pub(crate) fn admits_denial(&self, by: &'static str) -> bool {
        self.shared.denials.admit(by)
    }

    /// Has the log opened again, as after a restart.
    pub(crate) fn reopen(&self) {
        self.shared.lock().reopening = true;
        self.shared.wake.notify_one();
    }

    /// Whether calls can be recorded.
    pub(crate) fn is_ready(&self) -> bool {
        self.shared.health.load(Ordering::Relaxed) == LogHealth::Up as u8
    }

    /// Writes what waits and the record of the end, and waits for both, but not for ever.
    pub(crate) fn stop(&self) {
        self.shared.lock().closing = true;
        self.shared.wake.notify_one();
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        // It hangs up; it never says anything.
        let _ = ended.recv_timeout(DEADLINE);
    }
}

impl Drop for AuditHandle {
    fn drop(&mut self) {
        self.stop();
    }
}
