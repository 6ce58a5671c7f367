//! Reads single lines of a segment: its first, its last ones, and the one of a given number.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::Path,
};

use super::{lines::MAX_LOG_LINE_BYTES, scan::begins};
use crate::file_system;

/// The number of bytes read for a line at first.
const LINE_READ_BYTES: u64 = 4_096;

/// A segment as it was when it was opened.
pub(super) struct SegmentFile {
    file: File,
    pub(super) len: u64,
}

/// The end of a segment.
pub(super) struct SegmentTail {
    /// The place of the first line in the file.
    pub(super) start: u64,
    /// Whole lines.
    pub(super) lines: Vec<u8>,
    /// The bytes after the last newline.
    pub(super) torn: Vec<u8>,
}

impl SegmentFile {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = file_system::open(path)?;
        let len = file.metadata()?.len();
        Ok(Self { file, len })
    }

    fn read(&mut self, start: u64, bytes: u64) -> io::Result<Vec<u8>> {
        let mut read = Vec::new();
        self.file.seek(SeekFrom::Start(start))?;
        self.file.by_ref().take(bytes.min(self.len.saturating_sub(start))).read_to_end(&mut read)?;
        Ok(read)
    }

    /// Returns the lines that begin in the last `bytes`, and at least one, if there is one.
    pub(super) fn tail(&mut self, bytes: u64) -> io::Result<SegmentTail> {
        let mut bytes = bytes;
        loop {
            let start = self.len.saturating_sub(bytes);
            let mut lines = self.read(start, bytes)?;
            let torn = memchr::memrchr(b'\n', &lines).map_or(0, |at| at + 1);
            let torn = lines.split_off(torn);
            if start == 0 {
                return Ok(SegmentTail { start, lines, torn });
            }
            let first = memchr::memchr(b'\n', &lines).map_or(lines.len(), |at| at + 1);
            if first < lines.len() {
                lines.drain(..first);
                return Ok(SegmentTail { start: start + first as u64, lines, torn });
            }
            if bytes > 3 * MAX_LOG_LINE_BYTES as u64 {
                return Err(too_long());
            }
            bytes *= 2;
        }
    }

    /// Returns the first line, without its newline.
    pub(super) fn first(&mut self) -> io::Result<Option<Vec<u8>>> {
        self.line_at(0)
    }

    /// Returns the line that begins at `start`, without its newline.
    fn line_at(&mut self, start: u64) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = LINE_READ_BYTES;
        loop {
            let mut line = self.read(start, bytes)?;
            if let Some(end) = memchr::memchr(b'\n', &line) {
                line.truncate(end);
                return Ok(Some(line));
            }
            if start + bytes >= self.len {
                return Ok(None);
            }
            if bytes > 2 * MAX_LOG_LINE_BYTES as u64 {
                return Err(too_long());
            }
            bytes *= 2;
        }
    }

    /// Returns the record of this number, if the numbers of the segment lead to it.
    pub(super) fn find(&mut self, seq: u64) -> io::Result<Option<Vec<u8>>> {
        // The record begins in `low..high`, where a line begins at `low`.
        let (mut low, mut high) = (0, self.len);
        while let Some(line) = if low < high { self.line_at(low)? } else { None } {
            let after = low + line.len() as u64 + 1;
            match begins(&line) {
                Some((record, _)) if record.seq == seq => return Ok(Some(line)),
                Some((record, _)) if record.seq < seq => low = after,
                _ => return Ok(None),
            }
            (low, high) = self.halve(low, high, seq)?;
        }
        Ok(None)
    }

    /// Looks at the first line in the second half of `low..high`, and returns the half in which the record begins.
    fn halve(&mut self, low: u64, high: u64, seq: u64) -> io::Result<(u64, u64)> {
        let (mut low, mut high) = (low, high);
        while high.saturating_sub(low) > LINE_READ_BYTES {
            let middle = low.midpoint(high);
            let Some(rest) = self.line_at(middle)? else {
                high = middle + 1;
                continue;
            };
            let start = middle + rest.len() as u64 + 1;
            let line = if start < high { self.line_at(start)? } else { None };
            match line.as_deref().and_then(begins) {
                Some((record, _)) if record.seq <= seq => low = start,
                // The record may begin in the middle itself.
                _ => high = middle + 1,
            }
        }
        Ok((low, high))
    }
}

fn too_long() -> io::Error {
    io::Error::other("a line is too long for a record")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::audit::{chain::Head, segment_file::*};

    /// Writes a segment of records whose lengths differ much, from this number on.
    fn segment(path: &Path, first: u64, records: u64) -> SegmentFile {
        let (mut head, mut lines) = (Head { next: first, ..Head::START }, Vec::new());
        for number in 0..records {
            let length = usize::try_from(number % 7 * number % 9_000).unwrap();
            let body = format!(r#""kind":"x","text":"{}""#, "y".repeat(length));
            head.append(&mut lines, "2026-11-21T12:00:00.000000Z", body.as_bytes());
        }
        fs::write(path, &lines).unwrap();
        SegmentFile::open(path).unwrap()
    }

    #[test]
    fn every_record_of_a_segment_is_found_by_its_number() {
        let folder = tempfile::tempdir().unwrap();
        for (first, records) in [(0, 1), (5, 2), (1_000, 700)] {
            let mut segment = segment(&folder.path().join("segment"), first, records);
            for seq in first..first + records {
                let line = segment.find(seq).unwrap().unwrap_or_else(|| panic!("record {seq}"));
                assert_eq!(begins(&line).unwrap().0.seq, seq);
            }
            assert!(segment.find(first + records).unwrap().is_none());
            assert!(first == 0 || segment.find(first - 1).unwrap().is_none());
        }
    }

    #[test]
    fn tail_begins_with_a_line_and_holds_at_least_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("segment");
        let mut whole = segment(&path, 0, 700);
        let text = fs::read(&path).unwrap();
        for bytes in [1, 100, 5_000, 100_000, whole.len, whole.len * 2] {
            let tail = whole.tail(bytes).unwrap();
            let start = usize::try_from(tail.start).unwrap();
            assert!(start == 0 || text[start - 1] == b'\n');
            assert!(!tail.lines.is_empty() && tail.torn.is_empty() && text[start..] == tail.lines);
        }
        fs::write(&path, [&text[..], b"torn"].concat()).unwrap();
        let tail = SegmentFile::open(&path).unwrap().tail(1).unwrap();
        assert!(!tail.lines.is_empty() && tail.torn == b"torn");
    }
}
