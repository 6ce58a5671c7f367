//! An open log: records come in from calls, wait for the writer, and are told when they last.

use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, AtomicU64, Ordering},
        mpsc,
    },
    time::Duration,
};

use tokio::sync::oneshot;

use super::{Place, redact::Redaction, text::Body};

/// How long a record may take to last.
const DEADLINE: Duration = Duration::from_secs(10);
/// The records that may wait without anybody waiting for them.
const WAITING: usize = 8_192;

/// What a record is to the calls at work.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Intent(u128),
    Outcome(u128),
    Other,
}

/// A record on its way to the disk.
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) body: Body,
    pub(super) done: Option<oneshot::Sender<()>>,
}

impl Entry {
    pub(super) fn alone(body: Body) -> Self {
        Self { kind: Kind::Other, body, done: None }
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
pub(super) enum Health {
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
pub(super) enum Turn {
    Write(Vec<Entry>),
    /// No record came, and it is time to look after the log.
    Nothing,
    Stop,
}

/// What calls and the writer share.
#[derive(Default)]
pub(super) struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    health: AtomicU8,
    left_out: AtomicU64,
}

#[derive(Default)]
struct Queue {
    entries: Vec<Entry>,
    closing: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for something to do, but not longer than `most`.
    pub(super) fn next(&self, most: Option<Duration>) -> Turn {
        let idle = |queue: &mut Queue| queue.entries.is_empty() && !queue.closing;
        let mut queue = self.lock();
        match most {
            None => queue = self.wake.wait_while(queue, idle).unwrap_or_else(PoisonError::into_inner),
            Some(most) => {
                let waited = self.wake.wait_timeout_while(queue, most, idle);
                queue = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        match (queue.entries.is_empty(), queue.closing) {
            (false, _) => Turn::Write(std::mem::take(&mut queue.entries)),
            (true, true) => Turn::Stop,
            (true, false) => Turn::Nothing,
        }
    }

    fn push(&self, entry: Entry) {
        let mut queue = self.lock();
        if queue.closing || (entry.done.is_none() && queue.entries.len() >= WAITING) {
            drop(queue);
            self.refuse(vec![entry]);
            return;
        }
        queue.entries.push(entry);
        let first = queue.entries.len() == 1;
        drop(queue);
        if first {
            self.wake.notify_one();
        }
    }

    /// Gives up on records, and counts them; who waits for one hears that it was dropped.
    pub(super) fn refuse(&self, entries: Vec<Entry>) {
        self.leave_out(entries.len() as u64);
        drop(entries);
    }

    pub(super) fn leave_out(&self, records: u64) {
        self.left_out.fetch_add(records, Ordering::Relaxed);
    }

    pub(super) fn take_left_out(&self) -> u64 {
        self.left_out.swap(0, Ordering::Relaxed)
    }

    pub(super) fn set_health(&self, health: Health) {
        self.health.store(health as u8, Ordering::Relaxed);
    }
}

/// A log that this process writes.
pub(crate) struct Open {
    pub(super) shared: Arc<Shared>,
    pub(crate) redaction: Redaction,
    pub(crate) place: Place,
    /// Hangs up when the writer has ended.
    pub(super) ended: Mutex<mpsc::Receiver<()>>,
}

impl Open {
    /// Waits until the record lasts, whatever becomes of the call.
    pub(crate) async fn commit(&self, kind: Kind, body: Body) -> Result<(), Unrecorded> {
        let (done, told) = oneshot::channel();
        self.shared.push(Entry { kind, body, done: Some(done) });
        match tokio::time::timeout(DEADLINE, told).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Unrecorded),
        }
    }

    /// Records without waiting; what cannot be written is counted, and the count recorded later.
    pub(crate) fn note(&self, kind: Kind, body: Body) {
        self.shared.push(Entry { kind, body, done: None });
    }

    /// Whether calls can be recorded.
    pub(crate) fn is_ready(&self) -> bool {
        self.shared.health.load(Ordering::Relaxed) == Health::Up as u8
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

impl Drop for Open {
    fn drop(&mut self) {
        self.stop();
    }
}
