//! A file → its lines, with no more memory than the longest line may have.

use std::io::{self, Read};

/// The longest line that a record can have, in bytes, several times over.
pub(super) const LONGEST: usize = 512 * 1024;
/// How much is read at once.
const PIECE: usize = 256 * 1024;

/// The lines of a file.
pub(super) struct Lines<R> {
    read: R,
    room: Vec<u8>,
    /// What of the room is not used yet.
    start: usize,
    end: usize,
}

/// One of them, without its newline.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    Whole(&'a [u8]),
    /// The last, which no newline ends.
    Torn(&'a [u8]),
    /// Longer than any record; this many bytes of it were skipped.
    TooLong(u64),
}

impl Line<'_> {
    /// Its bytes in the file.
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Whole(line) => line.len() as u64 + 1,
            Self::Torn(line) => line.len() as u64,
            Self::TooLong(bytes) => *bytes,
        }
    }
}

impl<R: Read> Lines<R> {
    pub(super) fn new(read: R) -> Self {
        Self { read, room: vec![0; PIECE], start: 0, end: 0 }
    }

    /// The next line.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        let mut seen = 0;
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.room[self.start + seen..self.end]) {
                let line = self.start..self.start + seen + at;
                self.start = line.end + 1;
                return Ok(Some(Line::Whole(&self.room[line])));
            }
            seen = self.end - self.start;
            if seen > LONGEST {
                return self.skip().map(|skipped| Some(Line::TooLong(skipped)));
            }
            if self.fill()? == 0 {
                let rest = std::mem::replace(&mut self.start, self.end)..self.end;
                return Ok((!rest.is_empty()).then(|| Line::Torn(&self.room[rest])));
            }
        }
    }

    /// Reads more behind what is there.
    fn fill(&mut self) -> io::Result<usize> {
        if self.start > 0 {
            self.room.copy_within(self.start..self.end, 0);
            self.end -= std::mem::take(&mut self.start);
        }
        if self.room.len() - self.end < PIECE / 2 {
            self.room.resize(self.end + PIECE, 0);
        }
        loop {
            match self.read.read(&mut self.room[self.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(read) => {
                    self.end += read;
                    return Ok(read);
                }
            }
        }
    }

    /// Reads on behind the end of a line that is too long.
    fn skip(&mut self) -> io::Result<u64> {
        let mut skipped = 0;
        loop {
            let found = memchr::memchr(b'\n', &self.room[self.start..self.end]);
            let used = found.map_or(self.end - self.start, |at| at + 1);
            skipped += used as u64;
            self.start += used;
            if found.is_some() || self.fill()? == 0 {
                return Ok(skipped);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives what it has in small pieces.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            let size = self.0.len().min(room.len()).min(10_007);
            room[..size].copy_from_slice(&self.0[..size]);
            self.0 = &self.0[size..];
            Ok(size)
        }
    }

    #[test]
    fn lines_come_whole_torn_or_too_long_and_the_room_stays_small() {
        let mut text = b"one\n\n".to_vec();
        text.extend(vec![b'x'; 300_000]);
        text.push(b'\n');
        text.extend(vec![b'y'; 5_000_000]);
        text.extend(b"\nlast\ntor");
        let mut lines = Lines::new(Slow(&text));
        assert_eq!(lines.next().unwrap(), Some(Line::Whole(b"one")));
        assert_eq!(lines.next().unwrap(), Some(Line::Whole(b"")));
        assert_eq!(lines.next().unwrap(), Some(Line::Whole(&vec![b'x'; 300_000])));
        assert_eq!(lines.next().unwrap(), Some(Line::TooLong(5_000_001)));
        assert_eq!(lines.next().unwrap(), Some(Line::Whole(b"last")));
        assert_eq!(lines.next().unwrap(), Some(Line::Torn(b"tor")));
        assert_eq!(lines.next().unwrap(), None);
        assert!(lines.room.len() < 2 * LONGEST, "{}", lines.room.len());
    }
}
