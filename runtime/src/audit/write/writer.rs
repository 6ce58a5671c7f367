//! Records that wait → lines on the disk, those that wait together in one write and one sync.

use std::{collections::HashSet, path::Path, sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{
    checkpoints::{self, Checkpoints},
    disk::{AppendFile, Disk, WriteError},
    folder::Folder,
    options::LogOptions,
    queue::{LogHealth, QueuedRecord, RecordKind, WriterQueue, WriterTask},
    record::RecordWriter,
    recover::{self, LogEnd},
    system,
};
use crate::audit::{
    chain::{Head, sha256},
    hex::hex_text,
    segments,
};

/// The free space below which nothing new is begun: at most this many bytes, and a twentieth of the file system.
const KEPT_FREE: u64 = 16 * 1024 * 1024;
/// How interval a disk without room is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// The one who writes a log.
pub(super) struct Writer {
    folder: Folder,
    tail: AppendFile,
    head: Head,
    segment: u32,
    log: String,
    redaction: String,
    signs: Option<Checkpoints>,
    segment_bytes: u64,
    disk: Disk,
    /// Calls whose intent is written, and whose outcome is not.
    at_work: HashSet<u128>,
    health: LogHealth,
}

/// The first segment of a new log.
fn first(path: &Path, disk: &Disk) -> Result<AppendFile, WriteError> {
    let tail = AppendFile::create(segments::segment(path, 1), disk)?;
    system::sync_folder(path)?;
    Ok(tail)
}

/// Goes on where the last process stopped; what it left torn is set aside in a file of its own.
fn resumed(path: &Path, found: &LogEnd, disk: &Disk) -> Result<AppendFile, WriteError> {
    let mut tail = AppendFile::open(segments::segment(path, found.segment), disk)?;
    if !found.torn.is_empty() {
        let aside = path.join(format!("torn-before-{}", found.head.next));
        let mut file = system::private();
        let mut file = file.write(true).create(true).truncate(true).open(aside)?;
        std::io::Write::write_all(&mut file, &found.torn)?;
        file.sync_all()?;
        tail.cut(found.len)?;
    }
    // What a crash left in memory only is on the disk from here on.
    tail.sync()?;
    system::sync_folder(path)?;
    Ok(tail)
}

impl Writer {
    /// Writes the first records of this process: of a segment that is new, of what was recovered, and of the start.
    pub(super) fn begin(
        folder: Folder,
        redaction: String,
        signs: Option<Checkpoints>,
        log: &LogOptions,
        found: Option<LogEnd>,
        start: RecordWriter,
    ) -> Result<Self, WriteError> {
        let tail = match &found {
            None => first(&folder.path, &log.disk)?,
            Some(found) => resumed(&folder.path, found, &log.disk)?,
        };
        let known = found.as_ref().filter(|found| !found.log.is_empty());
        let mut writer = Self {
            folder,
            tail,
            head: found.as_ref().map_or(Head::START, |found| found.head),
            segment: found.as_ref().map_or(1, |found| found.segment),
            log: known.map_or_else(recover::new_id, |found| found.log.clone()),
            redaction,
            signs,
            segment_bytes: log.segment_bytes,
            disk: log.disk.clone(),
            at_work: HashSet::new(),
            health: LogHealth::Up,
        };
        let mut records = Vec::new();
        if found.as_ref().is_none_or(|found| found.len == 0) {
            records.push(writer.opening());
        }
        if let Some(found) = found.filter(|found| !found.torn.is_empty()) {
            let mut body = RecordWriter::of("server");
            body.text("event", "recovered").number("set_aside", found.torn.len() as u64);
            body.text("digest", &hex_text(&sha256(&found.torn)));
            records.push(QueuedRecord::alone(body));
        }
        records.push(QueuedRecord::alone(start));
        writer.write(&records)?;
        writer.sign(true)?;
        Ok(writer)
    }

    /// Writes what waits until there is nothing more to come.
    pub(super) fn run(mut self, shared: &Arc<WriterQueue>) {
        loop {
            match shared.next(self.wait()) {
                WriterTask::Write(entries) => self.turn(entries, shared),
                WriterTask::Idle => self.turn(Vec::new(), shared),
                WriterTask::Reopen => self.reopened(shared),
                WriterTask::Stop => break,
            }
        }
        let _ = self.denials(shared, true);
        let mut body = RecordWriter::of("server");
        body.text("event", "stop").number("at_work", self.at_work.len() as u64);
        let _ = self.write(&[QueuedRecord::alone(body)]).and_then(|()| self.sign(true));
        shared.set_health(LogHealth::Failed);
    }

    /// How long there is nothing to do unless a record comes.
    fn wait(&self) -> Option<Duration> {
        if self.health == LogHealth::Low {
            return Some(ASK_AGAIN);
        }
        self.signs.as_ref().filter(|_| self.health == LogHealth::Up).and_then(Checkpoints::wait)
    }

    fn turn(&mut self, entries: Vec<QueuedRecord>, shared: &WriterQueue) {
        self.commit(entries, shared);
        let said = self.left_out(shared).and_then(|()| self.denials(shared, false));
        let after = said.and_then(|()| self.sign(false));
        if let Err(error) = after {
            self.troubled(error, shared);
        }
    }

    /// Content how many records were left out, once there is room to say it.
    fn left_out(&mut self, shared: &WriterQueue) -> Result<(), WriteError> {
        if self.health != LogHealth::Up {
            return Ok(());
        }
        let left_out = shared.take_left_out();
        if left_out == 0 {
            return Ok(());
        }
        let mut body = RecordWriter::of("server");
        body.text("event", "left_out").number("records", left_out);
        self.write(&[QueuedRecord::alone(body)]).inspect_err(|_| shared.leave_out(left_out))
    }

    /// Content how many denials were counted only.
    fn denials(&mut self, shared: &WriterQueue, ends: bool) -> Result<(), WriteError> {
        if self.health != LogHealth::Up {
            return Ok(());
        }
        let counted = shared.denials.take(ends);
        if counted.is_empty() {
            return Ok(());
        }
        let mut body = RecordWriter::of("server");
        body.text("event", "denied_more").object("denied_by", |denied| {
            for (by, denials) in &counted {
                denied.number(by, *denials);
            }
        });
        self.write(&[QueuedRecord::alone(body)]).inspect_err(|_| shared.denials.put_back(counted))
    }

    /// Opens the log again and goes on, or does not: where a sync failed, this is how the log comes back.
    fn reopened(&mut self, shared: &WriterQueue) {
        match self.reopen() {
            Ok(()) => {
                self.health = LogHealth::Up;
                let mut body = RecordWriter::of("server");
                body.text("event", "reopened");
                if let Err(error) = self.write(&[QueuedRecord::alone(body)]).and_then(|()| self.sign(true)) {
                    return self.troubled(error, shared);
                }
                shared.set_health(self.health);
                eprintln!("audit: the log was opened again");
            }
            Err(error) => {
                eprintln!("audit: the log cannot be opened again: {}", why(error));
                self.health = LogHealth::Failed;
                shared.set_health(self.health);
            }
        }
    }

    /// The log has to stand where it stood, and to end as it was left.
    fn reopen(&mut self) -> Result<(), WriteError> {
        if self.health == LogHealth::Failed {
            // What a batch that failed left behind was never acknowledged.
            self.tail.cut_back()?;
        }
        self.tail.is_in_place()?;
        let path = self.folder.path.clone();
        let last = checkpoints::last(&path).map_err(WriteError::Changed)?;
        let found = recover::recover(&path, last.as_ref().map(|last| &last.checkpoint));
        let found = found.map_err(WriteError::Changed)?;
        let found = found.filter(|found| {
            (found.head, found.segment, &found.log) == (self.head, self.segment, &self.log)
                && found.torn.is_empty()
        });
        let found =
            found.ok_or_else(|| WriteError::Changed("the log does not end as it was left".to_owned()))?;
        self.tail = resumed(&path, &found, &self.disk)?;
        match &mut self.signs {
            Some(signs) => signs.reopen(&path, last.as_ref(), &self.disk),
            None => Ok(()),
        }
    }

    /// Commits one batch and tells everybody in it, and before them whoever asks whether the log is well.
    fn commit(&mut self, entries: Vec<QueuedRecord>, shared: &WriterQueue) {
        let low = self.is_low();
        let failed = self.health == LogHealth::Failed;
        let at_work = &self.at_work;
        let mut begun: HashSet<u128> = HashSet::new();
        let (batch, refused): (Vec<QueuedRecord>, Vec<QueuedRecord>) =
            entries.into_iter().partition(|entry| {
                !failed
                    && match entry.kind {
                        RecordKind::Intent(call) => !low && begun.insert(call),
                        // Of a call whose intent was left out, nothing stands in the log.
                        RecordKind::Outcome(call) => at_work.contains(&call) || begun.contains(&call),
                        RecordKind::Other => !low || entry.done.is_some(),
                    }
            });
        let written = if batch.is_empty() { Ok(()) } else { self.write(&batch) };
        match written {
            Ok(()) => {
                self.feel(if low { LogHealth::Low } else { LogHealth::Up }, shared);
                for entry in &batch {
                    match entry.kind {
                        RecordKind::Intent(call) => _ = self.at_work.insert(call),
                        RecordKind::Outcome(call) => _ = self.at_work.remove(&call),
                        RecordKind::Other => {}
                    }
                }
                batch.into_iter().for_each(QueuedRecord::done);
            }
            Err(error) => {
                self.troubled(error, shared);
                shared.refuse(batch);
            }
        }
        shared.refuse(refused);
    }

    fn troubled(&mut self, error: WriteError, shared: &WriterQueue) {
        match error {
            WriteError::Full => self.feel(LogHealth::Low, shared),
            error => {
                if self.health != LogHealth::Failed {
                    eprintln!("audit: nothing more is recorded until a restart or SIGHUP: {}", why(error));
                }
                self.feel(LogHealth::Failed, shared);
            }
        }
    }

    /// A log that failed stays so until it is opened again.
    fn feel(&mut self, health: LogHealth, shared: &WriterQueue) {
        if self.health != LogHealth::Failed && self.health != health {
            match health {
                LogHealth::Low => {
                    eprintln!("audit: the disk is all but full: what must be recorded is refused")
                }
                LogHealth::Up => eprintln!("audit: the disk has room again"),
                LogHealth::Failed => {}
            }
            self.health = health;
        }
        shared.set_health(self.health);
    }

    fn is_low(&self) -> bool {
        self.tail.room().is_some_and(|room| room.free < KEPT_FREE.min(room.all / 20))
    }

    /// Writes and syncs; where that fails, the head stays where it was.
    fn write(&mut self, entries: &[QueuedRecord]) -> Result<(), WriteError> {
        if self.health == LogHealth::Failed {
            return Err(WriteError::Changed("it failed before".to_owned()));
        }
        if self.tail.len() >= self.segment_bytes {
            self.rotate()?;
        }
        self.append(entries)
    }

    /// Signs where the log ends, where it is time or the process begins or stops.
    fn sign(&mut self, now: bool) -> Result<(), WriteError> {
        let Some(signs) = &mut self.signs else { return Ok(()) };
        if self.health == LogHealth::Up && (now || signs.are_due(&self.head)) {
            signs.sign(&self.log, &self.head)?;
            if now {
                signs.sync()?;
            }
        }
        Ok(())
    }

    fn append(&mut self, entries: &[QueuedRecord]) -> Result<(), WriteError> {
        let (mut head, mut lines, before) = (self.head, Vec::new(), self.tail.len());
        let (ts, mut room) = (format!("{:.6}", Timestamp::now()), RecordWriter::new());
        for entry in entries {
            head.append(&mut lines, &ts, &entry.body(&mut room).0);
        }
        self.tail.append(&lines)?;
        if let Err(error) = self.tail.sync() {
            // None of it was acknowledged, and a reader should not find it.
            let _ = self.tail.cut(before);
            return Err(error);
        }
        self.head = head;
        Ok(())
    }

    /// Begins the next segment, whose first record names the last digest of this one.
    fn rotate(&mut self) -> Result<(), WriteError> {
        self.tail.is_in_place()?;
        let number = self.segment + 1;
        let tail = AppendFile::create(segments::segment(&self.folder.path, number), &self.disk)?;
        system::sync_folder(&self.folder.path)?;
        let old = std::mem::replace(&mut self.tail, tail);
        self.segment = number;
        if let Err(error) = self.append(&[self.opening()]) {
            let empty = std::mem::replace(&mut self.tail, old);
            self.segment -= 1;
            std::fs::remove_file(empty.path())?;
            return Err(error);
        }
        Ok(())
    }

    /// The first record of a segment.
    fn opening(&self) -> QueuedRecord {
        let mut body = RecordWriter::of("server");
        body.text("event", "segment").text("log", &self.log).number("segment", self.segment.into());
        body.text("redaction_key", &self.redaction);
        QueuedRecord::alone(body)
    }
}

pub(super) fn why(error: WriteError) -> String {
    match error {
        WriteError::Full => "the disk is full".to_owned(),
        WriteError::Changed(why) => why,
        WriteError::Failed(error) => error.to_string(),
    }
}
