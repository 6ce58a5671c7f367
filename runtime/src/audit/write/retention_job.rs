//! Holds the thread that removes old records, and its result.

use std::{
    fmt::Write as _,
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{options::DAY, removal_plan::RemovalPlan};
use crate::{audit::removal::Removal, message::Message};

/// A thread that removes old records.
pub(crate) struct RetentionJob {
    stop: Arc<StopFlag>,
    #[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "only `audit prune` waits for it"))]
    thread: JoinHandle<RemovalResult>,
}

/// The result of a removal; `None` if nothing was removed.
pub(crate) type RemovalResult = Result<Option<RemovedRecords>, Message>;

impl RetentionJob {
    pub(super) fn spawn(
        run: impl FnOnce(Arc<StopFlag>) -> RemovalResult + Send + 'static,
    ) -> io::Result<Self> {
        let stop = Arc::<StopFlag>::default();
        let flag = Arc::clone(&stop);
        let thread = thread::Builder::new().name("audit-retention".to_owned()).spawn(move || run(flag))?;
        Ok(Self { stop, thread })
    }

    /// Lets the thread end. A removal that it has begun is completed by the next start.
    pub(super) fn stop(&self) {
        self.stop.set();
    }

    /// Waits for the result of a removal that is not repeated.
    #[cfg(feature = "cli")]
    pub(super) fn join(self) -> RemovalResult {
        self.thread.join().unwrap_or_else(|_| Err(Message::new("the removal of old records failed")))
    }
}

/// Tells a thread that it must end.
#[derive(Default)]
pub(super) struct StopFlag {
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl StopFlag {
    fn lock(&self) -> MutexGuard<'_, bool> {
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_set(&self) -> bool {
        *self.lock()
    }

    fn set(&self) {
        *self.lock() = true;
        self.changed.notify_all();
    }

    /// Waits for this time, or until the flag is set.
    pub(super) fn wait(&self, time: Duration) {
        let _ = self.changed.wait_timeout_while(self.lock(), time, |stopped| !*stopped);
    }
}

/// The records that were removed.
#[derive(Debug)]
pub(crate) struct RemovedRecords {
    /// `None` if an interrupted removal was completed.
    pub(crate) plan: Option<RemovalPlan>,
    /// The number of files that were removed.
    pub(crate) files: usize,
}

impl RemovedRecords {
    /// Says what was removed.
    pub(crate) fn text(&self) -> String {
        let mut text = match &self.plan {
            None => "completed an interrupted removal of old records".to_owned(),
            Some(plan) => {
                let Removal { age, to, .. } = &plan.removal;
                let (first, last) = (plan.first, plan.removal.records().saturating_sub(1));
                let days = *age / DAY.as_secs();
                format!("removed records {first} to {last}, older than {days} days (the newest is of {to})")
            }
        };
        let _ = write!(text, ": {} {}", self.files, if self.files == 1 { "segment" } else { "segments" });
        text
    }
}
