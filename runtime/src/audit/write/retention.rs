//! Removes records that are older than the operator keeps: at the start, and once a day while the log is written.
//!
//! The writer first records the removal, syncs and signs it. Only then are the segments removed, the oldest first. If the
//! process ends in between, the next one removes the rest.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::{
    disk::Disk,
    options::{DAY, RetentionOptions},
    queue::{RetentionTask, WriterQueue},
    removal_plan::{self, Planned, RemovalWish},
    retention_job::{RemovedRecords, RetentionJob, StopFlag},
};
use crate::{audit::segments, file_system, message::Message, stderr};

/// The longest time between two looks at the clock, since a machine may sleep.
const CLOCK_INTERVAL: Duration = Duration::from_secs(3600);
/// The same for a clock that a test sets.
const MANUAL_CLOCK_INTERVAL: Duration = Duration::from_millis(5);

/// Starts the thread that removes old records of the log in `folder`.
pub(super) fn spawn(
    options: RetentionOptions,
    folder: PathBuf,
    disk: Disk,
    queue: Arc<WriterQueue>,
) -> io::Result<RetentionJob> {
    RetentionJob::spawn(move |stop| Retention { options, folder, disk, queue, stop }.run())
}

struct Retention {
    options: RetentionOptions,
    folder: PathBuf,
    disk: Disk,
    queue: Arc<WriterQueue>,
    stop: Arc<StopFlag>,
}

impl Retention {
    fn run(self) -> Result<Option<RemovedRecords>, Message> {
        if !self.options.is_daily {
            let removed = self.remove();
            if let (None, Err(error)) = (self.options.age, &removed) {
                stderr::line(format_args!("audit: an interrupted removal is not completed: {error}"));
            }
            return removed;
        }
        let mut is_failing = false;
        while !self.stop.is_set() {
            let end = self.options.clock.elapsed() + DAY;
            match self.remove() {
                Ok(removed) => {
                    is_failing = false;
                    if let Some(removed) = removed {
                        stderr::line(format_args!("audit: {}", removed.text()));
                    }
                }
                Err(error) if !is_failing && !self.stop.is_set() => {
                    is_failing = true;
                    stderr::line(format_args!("audit: old records are not removed: {error}"));
                }
                Err(_) => {}
            }
            self.wait_until(end);
        }
        Ok(None)
    }

    /// Waits for a time of the clock, or until the thread must end.
    fn wait_until(&self, end: Duration) {
        let clock = &self.options.clock;
        let interval = if clock.is_manual() { MANUAL_CLOCK_INTERVAL } else { CLOCK_INTERVAL };
        while !self.stop.is_set() {
            let rest = end.saturating_sub(clock.elapsed());
            if rest.is_zero() {
                return;
            }
            self.stop.wait(rest.min(interval));
        }
    }

    /// Removes the records that are old enough, and those that an earlier process left of a removal.
    fn remove(&self) -> Result<Option<RemovedRecords>, Message> {
        let now = self.options.clock.since_1970();
        let wish = self.options.age.map(|age| RemovalWish {
            age,
            now,
            by: file_system::program_of_user(self.options.by),
        });
        let planned = wish.map(|wish| removal_plan::plan(&self.folder, &wish)).transpose()?;
        let plan = match planned {
            Some(Planned::Remove(plan)) => {
                self.queue.retain(RetentionTask::Remove(Box::new(plan.removal.clone())))?;
                Some(*plan)
            }
            _ if self.has_rest()? => {
                self.queue.retain(RetentionTask::Confirm)?;
                None
            }
            _ => {
                self.close_old_segment(now)?;
                return Ok(None);
            }
        };
        let files = remove_files(&self.folder, &self.disk, || self.stop.is_set())?;
        Ok(Some(RemovedRecords { plan, files }))
    }

    /// Whether an interrupted removal left segments.
    fn has_rest(&self) -> Result<bool, Message> {
        Ok(!rest(&self.folder)?.is_empty())
    }

    /// Begins a new segment if the current one holds old records. A log with few records would otherwise keep them until its
    /// segment is full.
    fn close_old_segment(&self, now: Duration) -> Result<(), Message> {
        if !self.options.is_daily {
            return Ok(());
        }
        let since = removal_plan::current_since(&self.folder)?;
        if since.is_some_and(|since| removal_plan::is_older(&since, now, DAY)) {
            self.queue.retain(RetentionTask::Close)?;
        }
        Ok(())
    }
}

/// Returns the segments that a recorded removal left, the oldest first.
pub(crate) fn rest(folder: &Path) -> Result<Vec<u32>, Message> {
    let mut numbers = segments::segments(folder)
        .map_err(|error| Message::failure(&format!("`{}` cannot be read", folder.display()), &error))?;
    let removed = removal_plan::latest(folder, &numbers)?.map_or(0, |note| note.removal.segments);
    // The current segment holds the record of the removal.
    numbers.pop();
    numbers.retain(|number| *number <= removed);
    Ok(numbers)
}

/// Removes the segments of the recorded removal, the oldest first, so that the rest has no hole.
fn remove_files(folder: &Path, disk: &Disk, is_stopped: impl Fn() -> bool) -> Result<usize, Message> {
    let numbers = rest(folder)?;
    let failed = |removed: usize, error: &io::Error| {
        let (all, shown) = (numbers.len(), folder.display());
        Message::failure(&format!("{removed} of {all} old segments in `{shown}` were removed"), error)
            .note("the removal is recorded: the next start of the server or `audit prune` removes the rest")
    };
    let mut removed = 0;
    for &number in &numbers {
        if is_stopped() {
            break;
        }
        match disk.remove_file(&segments::segment(folder, number)) {
            Ok(()) => removed += 1,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(removed, &error)),
        }
    }
    disk.sync_folder(folder).map_err(|error| failed(removed, &error))?;
    Ok(removed)
}
