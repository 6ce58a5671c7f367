//! Reads the end of a log that an earlier process wrote, and checks that it was not changed.
//!
//! Only the end of the last segment is read, and single records before it, so that a start takes no longer with a long log
//! than with a short one. `audit verify` reads the whole log.

use std::{io, path::Path};

use crate::{
    audit::{
        chain::{Hash, Head, hash},
        hex::{hex_text, unhex},
        lines::{MAX_LOG_LINE_BYTES, lines},
        removal::RemovalNote,
        scan::{holds_more_than_a_record, scan},
        segment_file::{SegmentFile, SegmentTail},
        segments,
    },
    message::Message,
};

/// The bytes at the end of the last segment whose records are checked one by one.
const CHECKED_TAIL_BYTES: u64 = 64 * 1024;

/// The end of a log as the last process left it.
#[derive(Debug)]
pub(super) struct LogEnd {
    pub(super) head: Head,
    pub(super) segment: u32,
    /// The bytes of whole records in the last segment; 0 if a crash came before its first record.
    pub(super) len: u64,
    /// A last line that a crash cut off. It was never acknowledged.
    pub(super) torn: Vec<u8>,
    /// The id of the log.
    pub(super) log: String,
    /// The id of the redaction key.
    pub(super) redaction: String,
    /// The last removal of records from the beginning.
    pub(super) removed: Option<RemovalNote>,
    /// The digests of the last records.
    recent: Vec<Hash>,
}

/// Reads the end of the log in a folder. A torn last line is accepted; any other change is an error. `None` if no record was
/// ever written.
pub(super) fn recover(path: &Path) -> Result<Option<LogEnd>, Message> {
    let unread = |error| Message::failure(&format!("`{}` cannot be read", path.display()), &error);
    let Some(&segment) = segments::segments(path).map_err(unread)?.last() else { return Ok(None) };
    let mut file = open(path, segment)?;
    let SegmentTail { start, lines: tail, torn } =
        file.tail(CHECKED_TAIL_BYTES).map_err(unread_segment(path, segment))?;
    let at_end = |why| changed_line(path, segment, start + tail.len() as u64, why);
    if holds_more_than_a_record(&torn) {
        return Err(at_end("no crash leaves an end like this"));
    }
    if torn.len() > MAX_LOG_LINE_BYTES {
        return Err(at_end("the line is too long for a record"));
    }
    let mut end = LogEnd::new(segment, start + tail.len() as u64, torn);
    if start == 0 && segment > 1 {
        end.follow(end_of(path, segment - 1)?);
    }
    let mut at = start;
    for line in lines(&tail) {
        // Before the tail, the first record says where it begins.
        let follows = start == 0 || at > start;
        end.take(line, follows).map_err(|why| changed_line(path, segment, at, why))?;
        at += line.len() as u64 + 1;
    }
    if end.len > 0 {
        let first = file.first().map_err(unread_segment(path, segment))?.unwrap_or_default();
        end.open(&first);
    }
    Ok(Some(end))
}

/// Reads the end of the segment before the last one.
fn end_of(path: &Path, number: u32) -> Result<LogEnd, Message> {
    let mut file = open(path, number)?;
    let unread = unread_segment(path, number);
    let SegmentTail { start, lines: tail, torn } = file.tail(1).map_err(&unread)?;
    if !torn.is_empty() || tail.is_empty() {
        return Err(changed_line(path, number, file.len, "the end of the segment is torn"));
    }
    let mut end = LogEnd::new(number, file.len, torn);
    for line in lines(&tail) {
        end.take(line, false).map_err(|why| changed_line(path, number, start, why))?;
    }
    end.open(&file.first().map_err(unread)?.unwrap_or_default());
    Ok(end)
}

impl LogEnd {
    fn new(segment: u32, len: u64, torn: Vec<u8>) -> Self {
        let (log, redaction) = (String::new(), String::new());
        Self { head: Head::START, segment, len, torn, log, redaction, removed: None, recent: Vec::new() }
    }

    /// Reads the ids of the log and of its redaction key, and the last removal, from the first record of a segment.
    fn open(&mut self, line: &[u8]) {
        let record: serde_json::Value = serde_json::from_slice(line).unwrap_or_default();
        let text = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
        (self.log, self.redaction) = (text("log"), text("redaction_key"));
        self.removed = RemovalNote::of_opening(&record);
    }

    /// Continues the segment `before`.
    fn follow(&mut self, before: Self) {
        (self.head, self.log, self.redaction) = (before.head, before.log, before.redaction);
        self.removed = before.removed;
    }

    /// Takes the next line. Unless it `follows`, the record before it was not read.
    fn take(&mut self, line: &[u8], follows: bool) -> Result<(), &'static str> {
        let record = scan(line).ok_or("the line is not a record")?;
        let hashes: Option<(Hash, Hash)> = unhex(record.prev).zip(unhex(record.hash));
        let (prev, own) = hashes.ok_or("the record has no digests")?;
        if follows && (prev != self.head.hash || record.seq != self.head.next) {
            return Err("the record does not follow the one before it");
        }
        if hash(&prev, record.body) != own {
            return Err("the digest is not that of the record");
        }
        self.head = Head { next: record.seq.checked_add(1).ok_or("the number is too large")?, hash: own };
        self.recent.push(own);
        Ok(())
    }

    /// Returns the digest of a record of this log in `folder`; `None` if there is no such record.
    pub(super) fn digest(&self, folder: &Path, seq: u64) -> Result<Option<Hash>, Message> {
        let first = self.head.next - self.recent.len() as u64;
        match seq.checked_sub(first).map(usize::try_from) {
            Some(at) => Ok(at.ok().and_then(|at| self.recent.get(at)).copied()),
            None => find(folder, seq),
        }
    }
}

/// Finds a record by its number, and returns its digest.
fn find(folder: &Path, seq: u64) -> Result<Option<Hash>, Message> {
    let unread = |error| Message::failure(&format!("`{}` cannot be read", folder.display()), &error);
    let numbers = segments::segments(folder).map_err(unread)?;
    let (mut low, mut high) = (0, numbers.len());
    // The last segment whose first record has this number or a lower one.
    while high - low > 1 {
        let middle = low.midpoint(high);
        let first =
            open(folder, numbers[middle])?.first().map_err(unread_segment(folder, numbers[middle]))?;
        let is_before = first.as_deref().and_then(scan).is_some_and(|record| record.seq <= seq);
        *(if is_before { &mut low } else { &mut high }) = middle;
    }
    let Some(&number) = numbers.get(low) else { return Ok(None) };
    let line = open(folder, number)?.find(seq).map_err(unread_segment(folder, number))?;
    let own = line.as_deref().and_then(scan).and_then(|record| {
        let own = unhex(record.hash)?;
        (hash(&unhex(record.prev)?, record.body) == own).then_some(own)
    });
    Ok(own)
}

fn open(path: &Path, segment: u32) -> Result<SegmentFile, Message> {
    SegmentFile::open(&segments::segment(path, segment)).map_err(unread_segment(path, segment))
}

fn unread_segment(path: &Path, segment: u32) -> impl Fn(io::Error) -> Message {
    let name = segments::segment(path, segment);
    move |error| Message::failure(&format!("`{}` cannot be read", name.display()), &error)
}

/// Names a changed line by its number, for which the lines before `at` are counted.
fn changed_line(path: &Path, segment: u32, at: u64, why: &str) -> Message {
    let name = segments::segment(path, segment);
    let before = std::fs::read(&name).unwrap_or_default();
    let before = before.get(..usize::try_from(at).unwrap_or(usize::MAX)).unwrap_or(&before);
    let line = memchr::memchr_iter(b'\n', before).count() + 1;
    evidence(format!("the audit log was changed: `{}`, line {line}: {why}", name.display()))
}

/// The message of a log that was changed.
pub(super) fn changed(path: &Path, why: &str) -> Message {
    evidence(format!("the audit log was changed: `{}`: {why}", path.display()))
}

fn evidence(fact: String) -> Message {
    Message::new(fact).help(
        "keep the folder as evidence (`audit verify` says more), and record in another folder: `--audit DIR`",
    )
}

/// Creates an id for a new log.
pub(super) fn new_id() -> String {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    let mut id = hex_text(&bytes);
    id.truncate(32);
    id
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::audit::write::recover::*;

    /// Writes segments of records, and returns their digests.
    fn log(folder: &Path, segments: u32, records: u64) -> Vec<Hash> {
        let (mut head, mut digests) = (Head::START, Vec::new());
        for number in 1..=segments {
            let mut text = Vec::new();
            for _ in 0..records {
                let body = format!(r#""kind":"server","log":"id","text":"{}""#, "x".repeat(500));
                head.append(&mut text, "2026-11-21T12:00:00.000000Z", body.as_bytes());
                digests.push(head.hash);
            }
            fs::write(segments::segment(folder, number), text).unwrap();
        }
        digests
    }

    #[test]
    fn record_of_every_number_has_its_digest_wherever_it_stands() {
        let folder = tempfile::tempdir().unwrap();
        let digests = log(folder.path(), 5, 300);
        let end = recover(folder.path()).unwrap().unwrap();
        assert_eq!((end.head.next, &*end.log, end.segment), (1_500, "id", 5));
        assert!(end.recent.len() < 300, "only the tail is read");
        for (seq, digest) in (0..).zip(&digests) {
            assert_eq!(end.digest(folder.path(), seq).unwrap(), Some(*digest), "record {seq}");
        }
        assert_eq!(end.digest(folder.path(), 1_500).unwrap(), None);
    }

    #[test]
    fn segment_that_does_not_follow_the_one_before_is_detected() {
        let folder = tempfile::tempdir().unwrap();
        log(folder.path(), 2, 10);
        assert!(recover(folder.path()).is_ok());
        let before = segments::segment(folder.path(), 1);
        let text = fs::read_to_string(&before).unwrap();
        let last = text.trim_end().rfind('\n').unwrap() + 1;
        fs::write(&before, &text[..last]).unwrap();
        let error = recover(folder.path()).unwrap_err();
        assert!(error.fact().contains("line 1: the record does not follow the one before it"), "{error}");
    }
}
