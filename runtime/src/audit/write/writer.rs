//! Writes queued records to the disk: those that wait together are written and synced at once.

use std::{collections::HashSet, time::Duration};

use super::{
    checkpoints::{self, Checkpoints},
    denials,
    disk::WriteError,
    left_out::LeftOut,
    log_file::LogFile,
    queue::{LogHealth, RetentionTask, WriterQueue, WriterTask},
    queued_record::{QueuedRecord, RecordKind},
    record::RecordWriter,
    recover::LogEnd,
};
use crate::{
    audit::{chain::sha256, hex::hex_text},
    message::Message,
    stderr,
};

/// The free space below which no new call begins: this many bytes, or a twentieth of a small disk.
const MIN_FREE_BYTES: u64 = 16 * 1024 * 1024;
/// The time after which a full disk is checked again.
const FULL_DISK_RETRY_DELAY: Duration = Duration::from_millis(500);

/// The writer of a log.
pub(super) struct LogWriter {
    file: LogFile,
    checkpoints: Option<Checkpoints>,
    /// The calls whose intent is written, and whose outcome is not.
    in_flight: HashSet<u128>,
    health: LogHealth,
}

impl LogWriter {
    /// Writes the first records of this process: of a crash, and of the start. `end` is the end of the log before. The records
    /// are synced and signed by [`run`](Self::run), so that a start does not wait for the disk.
    pub(super) fn begin(
        file: LogFile,
        checkpoints: Option<Checkpoints>,
        end: Option<&LogEnd>,
        start: RecordWriter,
    ) -> Result<Self, WriteError> {
        let mut records = Vec::new();
        if let Some(end) = end.filter(|end| !end.torn.is_empty()) {
            let mut record = RecordWriter::of("server");
            record.text("event", "recovered").number("set_aside", end.torn.len() as u64);
            record.text("digest", &hex_text(&sha256(&end.torn)));
            records.push(QueuedRecord::of_server(record));
        }
        records.push(QueuedRecord::of_server(start));
        let mut writer = Self { file, checkpoints, in_flight: HashSet::new(), health: LogHealth::Up };
        writer.write(&records)?;
        Ok(writer)
    }

    /// Writes records until the queue is closed and empty.
    pub(super) fn run(mut self, queue: &WriterQueue) {
        if let Err(error) = self.settle(true, queue) {
            self.fail(&error, queue);
        }
        let mut batch = Vec::new();
        loop {
            match queue.next(self.idle_time(), &mut batch) {
                WriterTask::Write | WriterTask::Idle => self.turn(&mut batch, queue),
                WriterTask::Reopen => self.reopen(queue),
                WriterTask::Retain => self.retain(queue),
                WriterTask::Stop => break,
            }
        }
        let counted = self.record_left_out(queue, true).and_then(|()| self.record_denials(queue, true));
        let mut record = RecordWriter::of("server");
        record.text("event", "stop").number("at_work", self.in_flight.len() as u64);
        let _ = counted.and_then(|()| self.write(&[QueuedRecord::of_server(record)]));
        let _ = self.settle(true, queue);
        queue.set_health(LogHealth::Failed);
    }

    /// Does what the removal of old records needs.
    fn retain(&mut self, queue: &WriterQueue) {
        let Some((task, done)) = queue.take_retention() else { return };
        let result = self.try_retain(&task, queue).map_err(|error| {
            self.fail(&error, queue);
            Message::new(format!("the removal cannot be recorded: {error}"))
        });
        // The thread that asked may have ended.
        let _ = done.send(result);
    }

    /// Records a removal, and signs the record: afterwards no crash leaves a log whose beginning is missing without it.
    fn try_retain(&mut self, task: &RetentionTask, queue: &WriterQueue) -> Result<(), WriteError> {
        if self.health == LogHealth::Failed {
            return Err(WriteError::Changed(Message::new("an earlier write failed")));
        }
        self.sync(queue)?;
        match task {
            RetentionTask::Remove(removal) => {
                let signer = self.checkpoints.as_ref().map(Checkpoints::signer);
                self.file.begin_segment(Some((removal, removal.note(signer))))?;
            }
            RetentionTask::Close => self.file.begin_segment(None)?,
            RetentionTask::Confirm => {}
        }
        if let Some(checkpoints) = &mut self.checkpoints {
            checkpoints.sign(self.file.id(), self.file.head())?;
            checkpoints.keep(true)?;
        }
        Ok(())
    }

    /// The time until there is something to do although no record came.
    fn idle_time(&self) -> Option<Duration> {
        let retry = (self.health == LogHealth::Low).then_some(FULL_DISK_RETRY_DELAY);
        let sync = self.file.time_to_sync().filter(|_| self.health != LogHealth::Failed);
        let checkpoints = self.checkpoints.as_ref().filter(|_| self.health == LogHealth::Up);
        let sign = checkpoints.and_then(Checkpoints::idle_time);
        [retry, sync, sign].into_iter().flatten().min()
    }

    fn turn(&mut self, batch: &mut Vec<QueuedRecord>, queue: &WriterQueue) {
        self.commit(batch, queue);
        let counted = self.record_left_out(queue, false).and_then(|()| self.record_denials(queue, false));
        if let Err(error) = counted.and_then(|()| self.settle(false, queue)) {
            self.fail(&error, queue);
        }
    }

    /// Whether the log writes what it adds itself, counts and checkpoints: while the disk has space, and in any case when the log
    /// `ends`. A log whose end was written must not hide what it left out.
    fn may_write_own(&self, ends: bool) -> bool {
        match self.health {
            LogHealth::Up => true,
            LogHealth::Low => ends,
            LogHealth::Failed => false,
        }
    }

    /// Records how many records were left out.
    fn record_left_out(&mut self, queue: &WriterQueue, ends: bool) -> Result<(), WriteError> {
        if !self.may_write_own(ends) {
            return Ok(());
        }
        let left_out = queue.take_left_out();
        if left_out.is_empty() {
            return Ok(());
        }
        let record = QueuedRecord::of_server(left_out.record());
        self.write(&[record]).inspect_err(|_| queue.restore_left_out(left_out))
    }

    /// Records how many denials were only counted.
    fn record_denials(&mut self, queue: &WriterQueue, ends: bool) -> Result<(), WriteError> {
        if !self.may_write_own(ends) {
            return Ok(());
        }
        let counted = queue.denials.take(ends);
        if counted.is_empty() {
            return Ok(());
        }
        let record = QueuedRecord::of_server(denials::record(&counted));
        self.write(&[record]).inspect_err(|_| queue.denials.put_back(counted))
    }

    /// Opens the log again. After a failed sync this is the only way to go on.
    fn reopen(&mut self, queue: &WriterQueue) {
        match self.try_reopen(queue) {
            Ok(()) => {
                self.health = LogHealth::Up;
                let mut record = RecordWriter::of("server");
                record.text("event", "reopened");
                let written = self.write(&[QueuedRecord::of_server(record)]);
                if let Err(error) = written.and_then(|()| self.settle(true, queue)) {
                    return self.fail(&error, queue);
                }
                queue.set_health(self.health);
                stderr::line("audit: the log was reopened");
            }
            Err(error) => {
                stderr::line(format_args!("audit: the log cannot be reopened: {error}"));
                self.health = LogHealth::Failed;
                queue.set_health(self.health);
            }
        }
    }

    fn try_reopen(&mut self, queue: &WriterQueue) -> Result<(), WriteError> {
        if self.health == LogHealth::Failed {
            self.file.cut_back()?;
            if let Some(checkpoints) = &mut self.checkpoints {
                checkpoints.cut_back()?;
            }
        } else {
            self.sync(queue)?;
        }
        let last = checkpoints::last(self.file.folder()).map_err(WriteError::Changed)?;
        self.file.reopen()?;
        match &mut self.checkpoints {
            Some(checkpoints) => checkpoints.reopen(last.as_ref()),
            None => Ok(()),
        }
    }

    /// Writes one batch and tells the calls that wait for it. The health is set before, for a caller that asks for it.
    fn commit(&mut self, batch: &mut Vec<QueuedRecord>, queue: &WriterQueue) {
        let low = self.is_low();
        let refused = self.refuse_some(batch, low);
        match self.commit_batch(batch, queue) {
            Ok(()) => {
                self.set_health(if low { LogHealth::Low } else { LogHealth::Up }, queue);
                for record in &*batch {
                    match record.kind {
                        RecordKind::Intent(call) => _ = self.in_flight.insert(call),
                        RecordKind::Outcome(call) | RecordKind::NotRun(call) => {
                            self.in_flight.remove(&call);
                        }
                        RecordKind::Other => {}
                    }
                }
                batch.drain(..).for_each(QueuedRecord::acknowledge);
            }
            Err(error) => {
                self.fail(&error, queue);
                queue.refuse(batch.drain(..));
            }
        }
        queue.refuse(refused);
    }

    /// Writes a batch, and syncs it if one of its records is required.
    fn commit_batch(&mut self, batch: &[QueuedRecord], queue: &WriterQueue) -> Result<(), WriteError> {
        if batch.is_empty() {
            return Ok(());
        }
        self.write(batch)?;
        if !batch.iter().any(|record| record.is_required) {
            return Ok(());
        }
        self.file.sync().map_err(|(error, lost)| {
            // The batch itself is counted by its caller.
            queue.leave_out(LeftOut::unrequired(lost.saturating_sub(batch.len() as u64)));
            error
        })
    }

    /// Takes those records out of a batch that cannot be written.
    fn refuse_some(&self, batch: &mut Vec<QueuedRecord>, low: bool) -> Vec<QueuedRecord> {
        let failed = self.health == LogHealth::Failed;
        let mut begun: HashSet<u128> = HashSet::new();
        let is_refused = |record: &mut QueuedRecord| {
            failed
                || match record.kind {
                    RecordKind::Intent(call) => low || !begun.insert(call),
                    // If its intent was left out, the log holds nothing of the call.
                    RecordKind::Outcome(call) | RecordKind::NotRun(call) => {
                        !self.in_flight.contains(&call) && !begun.contains(&call)
                    }
                    RecordKind::Other => low && !record.is_required,
                }
        };
        batch.extract_if(.., is_refused).collect()
    }

    fn fail(&mut self, error: &WriteError, queue: &WriterQueue) {
        if matches!(error, WriteError::Full) {
            return self.set_health(LogHealth::Low, queue);
        }
        if self.health != LogHealth::Failed {
            stderr::line(format_args!(
                "audit: nothing is recorded any more until a restart or SIGHUP: {error}"
            ));
        }
        self.set_health(LogHealth::Failed, queue);
    }

    /// Sets the health. A log that failed stays failed until it is reopened.
    fn set_health(&mut self, health: LogHealth, queue: &WriterQueue) {
        if self.health != LogHealth::Failed && self.health != health {
            match health {
                LogHealth::Low => {
                    stderr::line("audit: the disk is almost full: calls that must be recorded are refused");
                }
                LogHealth::Up => stderr::line("audit: the disk has space again"),
                LogHealth::Failed => {}
            }
            self.health = health;
        }
        queue.set_health(self.health);
    }

    fn is_low(&self) -> bool {
        self.file.space().is_some_and(|space| space.free < MIN_FREE_BYTES.min(space.total / 20))
    }

    fn write(&mut self, records: &[QueuedRecord]) -> Result<(), WriteError> {
        if self.health == LogHealth::Failed {
            let why = Message::new("an earlier write failed");
            return Err(WriteError::Changed(why));
        }
        self.file.write(records)
    }

    /// Syncs the records since the last sync. Those that are lost are counted.
    fn sync(&mut self, queue: &WriterQueue) -> Result<(), WriteError> {
        self.file.sync().map_err(|(error, lost)| {
            queue.leave_out(LeftOut::unrequired(lost));
            error
        })
    }

    /// Syncs and signs the end of the log if it is time, or `now`, when the process begins or stops.
    pub(super) fn settle(&mut self, now: bool, queue: &WriterQueue) -> Result<(), WriteError> {
        if self.health == LogHealth::Failed {
            return Ok(());
        }
        if now || self.file.must_sync() {
            self.sync(queue)?;
        }
        let may_write_own = self.may_write_own(now);
        let Some(checkpoints) = &mut self.checkpoints else { return Ok(()) };
        if may_write_own {
            // Only records that no power cut takes away are signed.
            let is_due = checkpoints.are_due(self.file.head()) && self.file.is_synced();
            if now || is_due {
                checkpoints.sign(self.file.id(), self.file.head())?;
            }
            checkpoints.keep(now)?;
        }
        Ok(())
    }
}
