//! Appends chained records to the segments of a log.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::{
    contexts::Contexts,
    disk::{AppendFile, Disk, WriteError},
    folder::Folder,
    options::LogOptions,
    queued_record::{QueuedRecord, ReadRecord, RecordContent},
    record::RecordWriter,
    recover::{self, LogEnd},
};
use crate::{
    audit::{
        chain::{Head, RecordForm},
        removal::{REMOVAL_MEMBER, Removal, RemovalNote},
        segments,
    },
    file_system::{self, DiskSpace},
    message::Message,
};

/// The time after which records that no call waits for are synced.
const SYNC_INTERVAL: Duration = Duration::from_millis(100);
/// The bytes of such records that are synced before that time is over.
const MAX_UNSYNCED_BYTES: usize = 512 * 1024;

/// The last segment of a log, and the end of its chain.
pub(super) struct LogFile {
    folder: Folder,
    tail: AppendFile,
    head: Head,
    /// The head up to the last sync.
    synced: Head,
    /// The time of the first record since the last sync.
    unsynced_since: Option<Instant>,
    contexts: Contexts,
    segment: u32,
    id: String,
    redaction: String,
    /// The last members of each record but a read, whose context has them: the replica.
    common: RecordWriter,
    /// The note of the last removal.
    removed: Option<String>,
    segment_bytes: u64,
    disk: Disk,
    /// Memory for the records of a batch.
    buffers: [RecordWriter; 2],
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
        let head = end.map_or(Head::START, |end| end.head);
        let common = RecordWriter::with(|record| {
            if let Some(replica) = &options.replica {
                record.text("replica", replica);
            }
        });
        Ok(Self {
            folder,
            tail,
            head,
            synced: head,
            unsynced_since: None,
            contexts: Contexts::default(),
            segment: end.map_or(1, |end| end.segment),
            id: id.map_or_else(recover::new_id, String::clone),
            redaction,
            common,
            removed: end.and_then(|end| end.removed.as_ref()).map(RemovalNote::note),
            segment_bytes: options.segment_bytes,
            disk: options.disk.clone(),
            buffers: [RecordWriter::new(), RecordWriter::new()],
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

    /// The time until the last records must be synced.
    pub(super) fn time_to_sync(&self) -> Option<Duration> {
        self.unsynced_since.map(|since| SYNC_INTERVAL.saturating_sub(since.elapsed()))
    }

    /// Whether the last records must be synced now.
    pub(super) fn must_sync(&self) -> bool {
        self.time_to_sync().is_some_and(|time| time.is_zero()) || self.tail.unsynced() >= MAX_UNSYNCED_BYTES
    }

    /// Whether a power cut takes no record away.
    pub(super) fn is_synced(&self) -> bool {
        self.unsynced_since.is_none()
    }

    /// Writes records, which are not synced yet. After an error the head is the one before.
    pub(super) fn write(&mut self, records: &[QueuedRecord]) -> Result<(), WriteError> {
        if self.tail.len() >= self.segment_bytes {
            self.rotate()?;
        }
        // A segment may be empty after a crash, or after a failed sync of its first records.
        if self.tail.len() == 0 {
            self.append(&[self.opening()])?;
        }
        self.append(records)
    }

    fn append(&mut self, records: &[QueuedRecord]) -> Result<(), WriteError> {
        let (mut head, ts) = (self.head, format!("{:.6}", Timestamp::now()));
        let (contexts, buffers, common) = (&mut self.contexts, &mut self.buffers, self.common.bytes());
        let appended = self.tail.append(|lines| {
            for record in records {
                match &record.content {
                    RecordContent::Ready(record) => {
                        head.append_form(RecordForm::Full, lines, &ts, record.bytes(), common);
                    }
                    RecordContent::Deferred(write) => {
                        buffers[0].clear();
                        write(&mut buffers[0]);
                        head.append_form(RecordForm::Full, lines, &ts, buffers[0].bytes(), common);
                    }
                    RecordContent::Read(read) => {
                        append_read(read.as_ref(), contexts, buffers, |form, body| {
                            let common = if form == RecordForm::Full { common } else { b"" };
                            head.append_form(form, lines, &ts, body, common);
                        });
                    }
                }
            }
        });
        match appended {
            Ok(()) => {
                self.head = head;
                self.unsynced_since.get_or_insert_with(Instant::now);
                Ok(())
            }
            Err(error) => {
                self.contexts.clear();
                Err(error)
            }
        }
    }

    /// Makes the records survive a power cut. If that fails, those since the last sync are lost, and their number is the
    /// error's.
    pub(super) fn sync(&mut self) -> Result<(), (WriteError, u64)> {
        if self.unsynced_since.take().is_none() {
            return Ok(());
        }
        match self.tail.sync() {
            Ok(()) => {
                self.synced = self.head;
                Ok(())
            }
            Err(error) => {
                let lost = self.head.next - self.synced.next;
                self.head = self.synced;
                self.contexts.clear();
                Err((error, lost))
            }
        }
    }

    /// Begins the next segment.
    fn rotate(&mut self) -> Result<(), WriteError> {
        self.tail.is_in_place()?;
        self.sync().map_err(|(error, _)| error)?;
        let number = self.segment + 1;
        self.tail = AppendFile::create(segments::segment(&self.folder.path, number), &self.disk)?;
        self.segment = number;
        self.contexts.clear();
        file_system::sync_folder(&self.folder.path)?;
        Ok(())
    }

    /// Begins a segment, also if the current one is not full. A `removal` is recorded in it, with its note. After an error
    /// nothing is recorded of it.
    pub(super) fn begin_segment(&mut self, removal: Option<(&Removal, String)>) -> Result<(), WriteError> {
        // A segment may be empty after an error.
        if self.tail.len() > 0 {
            self.rotate()?;
        }
        let before = self.removed.clone();
        let mut records = Vec::new();
        if let Some((removal, note)) = removal {
            self.removed = Some(note);
            records.push(QueuedRecord::of_server(removal_record(removal)));
        }
        records.insert(0, self.opening());
        let written = self.append(&records).and_then(|()| self.sync().map_err(|(error, _)| error));
        written.inspect_err(|_| self.removed = before)
    }

    /// Returns the first record of a segment, which follows the last record of the segment before.
    fn opening(&self) -> QueuedRecord {
        let mut record = RecordWriter::of("server");
        record.text("event", "segment").text("log", &self.id).number("segment", self.segment.into());
        record.text("redaction_key", &self.redaction);
        if let Some(note) = &self.removed {
            record.text(REMOVAL_MEMBER, note);
        }
        QueuedRecord::of_server(record)
    }

    /// Removes the bytes that a failed write of this process left. They were never acknowledged.
    pub(super) fn cut_back(&mut self) -> Result<(), WriteError> {
        self.tail.cut_back()
    }

    /// Opens the files again. They must be at their paths and end as this process left them.
    pub(super) fn reopen(&mut self) -> Result<(), WriteError> {
        self.tail.is_in_place()?;
        let end = recover::recover(&self.folder.path).map_err(WriteError::Changed)?;
        let end = end.filter(|end| {
            (end.head, end.segment, &end.log) == (self.head, self.segment, &self.id) && end.torn.is_empty()
        });
        let moved = || WriteError::Changed(Message::new("the log does not end as this process left it"));
        self.tail = resume(&self.folder, &end.ok_or_else(moved)?, &self.disk)?;
        Ok(())
    }
}

/// Appends the record of a read. If the segment does not hold its context yet, the context's record comes first.
fn append_read(
    read: &dyn ReadRecord,
    contexts: &mut Contexts,
    [context, record]: &mut [RecordWriter; 2],
    mut append: impl FnMut(RecordForm, &[u8]),
) {
    context.clear();
    read.context(context);
    let (number, is_new) = contexts.number(context.bytes());
    record.clear();
    if is_new {
        record.text("kind", "server").text("event", "context").number("context", number).members(context);
        append(RecordForm::Full, record.bytes());
        record.clear();
    }
    record.text("kind", "read").number("context", number);
    read.write(record);
    append(RecordForm::Read, record.bytes());
}

/// Returns the record of a removal, for people and programs that do not read its note.
fn removal_record(removal: &Removal) -> RecordWriter {
    let mut record = RecordWriter::of("server");
    record.text("event", "removed").number("records", removal.records());
    record.number("segments", removal.segments.into()).text("from", &removal.from).text("to", &removal.to);
    record.number("older_than_seconds", removal.age).text("by", &removal.by);
    record
}

/// Creates the first segment of a log.
fn begin(folder: &Folder, disk: &Disk) -> Result<AppendFile, WriteError> {
    let tail = AppendFile::create(segments::segment(&folder.path, 1), disk)?;
    file_system::sync_folder(&folder.path)?;
    Ok(tail)
}

/// Continues the segment in which the last process stopped. A torn last line moves to a file of its own.
fn resume(folder: &Folder, end: &LogEnd, disk: &Disk) -> Result<AppendFile, WriteError> {
    if !end.torn.is_empty() {
        let aside = folder.path.join(format!("torn-before-{}", end.head.next));
        let mut file = file_system::private();
        let mut file = file.write(true).create(true).truncate(true).open(aside)?;
        std::io::Write::write_all(&mut file, &end.torn)?;
        file.sync_all()?;
        file_system::sync_folder(&folder.path)?;
    }
    let tail = AppendFile::open(segments::segment(&folder.path, end.segment), &end.torn, disk)?;
    if tail.len() == end.len {
        Ok(tail)
    } else {
        Err(WriteError::Changed(Message::new("the log changed while it was read")))
    }
}
