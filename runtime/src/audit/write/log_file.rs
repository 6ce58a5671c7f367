//! Appends chained records to the segments of a log.

use jiff::Timestamp;

use super::{
    disk::{AppendFile, Disk, WriteError},
    folder::Folder,
    options::LogOptions,
    queue::QueuedRecord,
    record::RecordWriter,
    recover::{self, LogEnd},
};
use crate::{
    audit::{
        chain::Head,
        segments,
        signed_note::Checkpoint,
        system::{self, DiskSpace},
    },
    message::Message,
};

/// The last segment of a log, and the end of its chain.
pub(super) struct LogFile {
    folder: Folder,
    tail: AppendFile,
    head: Head,
    segment: u32,
    id: String,
    redaction: String,
    segment_bytes: u64,
    disk: Disk,
}

impl LogFile {
    /// Continues the log that ends at `end`, or begins one. `redaction` is the id of the redaction key.
    pub(super) fn open(
        folder: Folder,
        redaction: String,
        options: &LogOptions,
        end: Option<&LogEnd>,
    ) -> Result<Self, WriteError> {
        let tail = match end {
            None => begin(&folder, &options.disk)?,
            Some(end) => resume(&folder, end, &options.disk)?,
        };
        let id = end.map(|end| &end.log).filter(|id| !id.is_empty());
        Ok(Self {
            folder,
            tail,
            head: end.map_or(Head::START, |end| end.head),
            segment: end.map_or(1, |end| end.segment),
            id: id.map_or_else(recover::new_id, String::clone),
            redaction,
            segment_bytes: options.segment_bytes,
            disk: options.disk.clone(),
        })
    }

    pub(super) fn folder(&self) -> &std::path::Path {
        &self.folder.path
    }

    pub(super) fn head(&self) -> &Head {
        &self.head
    }

    /// The id of the log.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn space(&self) -> Option<DiskSpace> {
        self.tail.space()
    }

    /// Writes and syncs records. After an error the head is the one before.
    pub(super) fn write(&mut self, records: &[QueuedRecord]) -> Result<(), WriteError> {
        if self.tail.len() >= self.segment_bytes {
            self.rotate()?;
        }
        self.append(records)
    }

    fn append(&mut self, records: &[QueuedRecord]) -> Result<(), WriteError> {
        let (mut head, mut lines, before) = (self.head, Vec::new(), self.tail.len());
        let (ts, mut buffer) = (format!("{:.6}", Timestamp::now()), RecordWriter::new());
        for record in records {
            head.append(&mut lines, &ts, record.members(&mut buffer).bytes());
        }
        self.tail.append(&lines)?;
        if let Err(error) = self.tail.sync() {
            // Not one of these records was acknowledged, and a reader should not find them.
            let _ = self.tail.cut(before);
            return Err(error);
        }
        self.head = head;
        Ok(())
    }

    /// Begins the next segment. Its first record names the last digest of this one.
    fn rotate(&mut self) -> Result<(), WriteError> {
        self.tail.is_in_place()?;
        let number = self.segment + 1;
        let tail = AppendFile::create(segments::segment(&self.folder.path, number), &self.disk)?;
        system::sync_folder(&self.folder.path)?;
        let previous = std::mem::replace(&mut self.tail, tail);
        self.segment = number;
        if let Err(error) = self.append(&[self.opening()]) {
            let empty = std::mem::replace(&mut self.tail, previous);
            self.segment -= 1;
            std::fs::remove_file(empty.path())?;
            return Err(error);
        }
        Ok(())
    }

    /// Returns the first record of a segment.
    pub(super) fn opening(&self) -> QueuedRecord {
        let mut record = RecordWriter::of("server");
        record.text("event", "segment").text("log", &self.id).number("segment", self.segment.into());
        record.text("redaction_key", &self.redaction);
        QueuedRecord::of_server(record)
    }

    /// Removes the bytes that a failed write may have left. They were never acknowledged.
    pub(super) fn cut_back(&mut self) -> Result<(), WriteError> {
        self.tail.cut_back()
    }

    /// Opens the files again. They must be at their paths and end as this process left them.
    pub(super) fn reopen(&mut self, signed: Option<&Checkpoint>) -> Result<(), WriteError> {
        self.tail.is_in_place()?;
        let end = recover::recover(&self.folder.path, signed).map_err(WriteError::Changed)?;
        let end = end.filter(|end| {
            (end.head, end.segment, &end.log) == (self.head, self.segment, &self.id) && end.torn.is_empty()
        });
        let moved = || WriteError::Changed(Message::new("the log does not end as this process left it"));
        self.tail = resume(&self.folder, &end.ok_or_else(moved)?, &self.disk)?;
        Ok(())
    }
}

/// Creates the first segment of a log.
fn begin(folder: &Folder, disk: &Disk) -> Result<AppendFile, WriteError> {
    let tail = AppendFile::create(segments::segment(&folder.path, 1), disk)?;
    system::sync_folder(&folder.path)?;
    Ok(tail)
}

/// Continues the segment in which the last process stopped. A torn last line moves to a file of its own.
fn resume(folder: &Folder, end: &LogEnd, disk: &Disk) -> Result<AppendFile, WriteError> {
    let mut tail = AppendFile::open(segments::segment(&folder.path, end.segment), disk)?;
    if !end.torn.is_empty() {
        let aside = folder.path.join(format!("torn-before-{}", end.head.next));
        let mut file = system::private();
        let mut file = file.write(true).create(true).truncate(true).open(aside)?;
        std::io::Write::write_all(&mut file, &end.torn)?;
        file.sync_all()?;
        tail.cut(end.len)?;
    }
    // A crash may have left records in memory only.
    tail.sync()?;
    system::sync_folder(&folder.path)?;
    Ok(tail)
}
