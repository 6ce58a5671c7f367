//! Writes queued records to the disk: those that wait together are written and synced at once.

use std::{collections::HashSet, sync::Arc, time::Duration};

use super::{
    checkpoints::{self, Checkpoints},
    disk::WriteError,
    log_file::LogFile,
    queue::{LogHealth, QueuedRecord, RecordKind, WriterQueue, WriterTask},
    record::RecordWriter,
    recover::LogEnd,
};
use crate::{
    audit::{chain::sha256, hex::hex_text},
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
    /// Writes the first records of this process: the beginning of a segment, a crash, and the start. `end` is the end of
    /// the log before.
    pub(super) fn begin(
        file: LogFile,
        checkpoints: Option<Checkpoints>,
        end: Option<&LogEnd>,
        start: RecordWriter,
    ) -> Result<Self, WriteError> {
        let mut records = Vec::new();
        if end.is_none_or(|end| end.len == 0) {
            records.push(file.opening());
        }
        if let Some(end) = end.filter(|end| !end.torn.is_empty()) {
            let mut record = RecordWriter::of("server");
            record.text("event", "recovered").number("set_aside", end.torn.len() as u64);
            record.text("digest", &hex_text(&sha256(&end.torn)));
            records.push(QueuedRecord::of_server(record));
        }
        records.push(QueuedRecord::of_server(start));
        let mut writer = Self { file, checkpoints, in_flight: HashSet::new(), health: LogHealth::Up };
        writer.write(&records)?;
        writer.sign(true)?;
        Ok(writer)
    }

    /// Writes records until the queue is closed and empty.
    pub(super) fn run(mut self, queue: &Arc<WriterQueue>) {
        loop {
            match queue.next(self.idle_time()) {
                WriterTask::Write(records) => self.turn(records, queue),
                WriterTask::Idle => self.turn(Vec::new(), queue),
                WriterTask::Reopen => self.reopen(queue),
                WriterTask::Stop => break,
            }
        }
        let _ = self.record_denials(queue, true);
        let mut record = RecordWriter::of("server");
        record.text("event", "stop").number("at_work", self.in_flight.len() as u64);
        let _ = self.write(&[QueuedRecord::of_server(record)]).and_then(|()| self.sign(true));
        queue.set_health(LogHealth::Failed);
    }

    /// The time until there is something to do although no record came.
    fn idle_time(&self) -> Option<Duration> {
        if self.health == LogHealth::Low {
            return Some(FULL_DISK_RETRY_DELAY);
        }
        self.checkpoints.as_ref().filter(|_| self.health == LogHealth::Up).and_then(Checkpoints::idle_time)
    }

    fn turn(&mut self, records: Vec<QueuedRecord>, queue: &WriterQueue) {
        self.commit(records, queue);
        let counted = self.record_left_out(queue).and_then(|()| self.record_denials(queue, false));
        if let Err(error) = counted.and_then(|()| self.sign(false)) {
            self.fail(&error, queue);
        }
    }

    /// Records how many records were left out, once the disk has space.
    fn record_left_out(&mut self, queue: &WriterQueue) -> Result<(), WriteError> {
        if self.health != LogHealth::Up {
            return Ok(());
        }
        let left_out = queue.take_left_out();
        if left_out == 0 {
            return Ok(());
        }
        let mut record = RecordWriter::of("server");
        record.text("event", "left_out").number("records", left_out);
        self.write(&[QueuedRecord::of_server(record)]).inspect_err(|_| queue.leave_out(left_out))
    }

    /// Records how many denials were only counted.
    fn record_denials(&mut self, queue: &WriterQueue, ends: bool) -> Result<(), WriteError> {
        if self.health != LogHealth::Up {
            return Ok(());
        }
        let counted = queue.denials.take(ends);
        if counted.is_empty() {
            return Ok(());
        }
        let mut record = RecordWriter::of("server");
        record.text("event", "denied_more").object("denied_by", |denied| {
            for (by, denials) in &counted {
                denied.number(by, *denials);
            }
        });
        self.write(&[QueuedRecord::of_server(record)]).inspect_err(|_| queue.denials.put_back(counted))
    }

    /// Opens the log again. After a failed sync this is the only way to go on.
    fn reopen(&mut self, queue: &WriterQueue) {
        match self.try_reopen() {
            Ok(()) => {
                self.health = LogHealth::Up;
                let mut record = RecordWriter::of("server");
                record.text("event", "reopened");
                if let Err(error) =
                    self.write(&[QueuedRecord::of_server(record)]).and_then(|()| self.sign(true))
                {
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

    fn try_reopen(&mut self) -> Result<(), WriteError> {
        if self.health == LogHealth::Failed {
            self.file.cut_back()?;
        }
        let last = checkpoints::last(self.file.folder()).map_err(WriteError::Changed)?;
        self.file.reopen(last.as_ref().map(|last| &last.checkpoint))?;
        match &mut self.checkpoints {
            Some(checkpoints) => checkpoints.reopen(last.as_ref()),
            None => Ok(()),
        }
    }

    /// Writes one batch and tells the calls that wait for it. The health is set before, for a caller that asks for it.
    fn commit(&mut self, records: Vec<QueuedRecord>, queue: &WriterQueue) {
        let low = self.is_low();
        let (batch, refused) = self.select(records, low);
        let written = if batch.is_empty() { Ok(()) } else { self.write(&batch) };
        match written {
            Ok(()) => {
                self.set_health(if low { LogHealth::Low } else { LogHealth::Up }, queue);
                for record in &batch {
                    match record.kind {
                        RecordKind::Intent(call) => _ = self.in_flight.insert(call),
                        RecordKind::Outcome(call) => _ = self.in_flight.remove(&call),
                        RecordKind::Other => {}
                    }
                }
                batch.into_iter().for_each(QueuedRecord::acknowledge);
            }
            Err(error) => {
                self.fail(&error, queue);
                queue.refuse(batch);
            }
        }
        queue.refuse(refused);
    }

    /// Separates the records that can be written from those that are refused.
    fn select(&self, records: Vec<QueuedRecord>, low: bool) -> (Vec<QueuedRecord>, Vec<QueuedRecord>) {
        let failed = self.health == LogHealth::Failed;
        let mut begun: HashSet<u128> = HashSet::new();
        records.into_iter().partition(|record| {
            !failed
                && match record.kind {
                    RecordKind::Intent(call) => !low && begun.insert(call),
                    // If its intent was left out, the log holds nothing of the call.
                    RecordKind::Outcome(call) => self.in_flight.contains(&call) || begun.contains(&call),
                    RecordKind::Other => !low || record.is_awaited(),
                }
        })
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
            let why = crate::message::Message::new("an earlier write failed");
            return Err(WriteError::Changed(why));
        }
        self.file.write(records)
    }

    /// Signs the end of the log if it is time, or `now`, when the process begins or stops.
    fn sign(&mut self, now: bool) -> Result<(), WriteError> {
        let Some(checkpoints) = &mut self.checkpoints else { return Ok(()) };
        if self.health == LogHealth::Up && (now || checkpoints.are_due(self.file.head())) {
            checkpoints.sign(self.file.id(), self.file.head())?;
            if now {
                checkpoints.sync()?;
            }
        }
        Ok(())
    }
}
