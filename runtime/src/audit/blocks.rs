//! A file → its lines, many at once, with no more memory than the longest line may have.

use std::io::{self, Read};

/// The longest line that a record can have, in bytes, several times over.
pub(super) const LONGEST: usize = 512 * 1024;
/// How much is read at once.
const PIECE: usize = 512 * 1024;

/// The lines of a file, in blocks.
pub(super) struct Blocks<R> {
    read: R,
    /// What was read behind the last line of the block before.
    rest: Vec<u8>,
    /// Whether what comes is the end of a line that is too long.
    skipping: bool,
    ended: bool,
}

/// Some of them.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// Whole lines, each with its newline.
    Lines(Vec<u8>),
    /// The last line, which no newline ends.
    Torn(Vec<u8>),
    /// A line that is longer than any record.
    TooLong,
}

impl<R: Read> Blocks<R> {
    pub(super) fn new(read: R) -> Self {
        Self { read, rest: Vec::new(), skipping: false, ended: false }
    }

    /// The next block, in `room`, which was used before or never.
    pub(super) fn next(&mut self, mut room: Vec<u8>) -> io::Result<Option<Block>> {
        room.clear();
        room.append(&mut self.rest);
        while !self.ended {
            let before = room.len();
            let read = self.read.by_ref().take(PIECE as u64).read_to_end(&mut room)?;
            self.ended = read < PIECE;
            if self.skipping {
                match memchr::memchr(b'\n', &room) {
                    Some(at) => {
                        room.drain(..=at);
                        self.skipping = false;
                    }
                    None => room.clear(),
                }
            }
            let new = before.min(room.len());
            if let Some(at) = memchr::memrchr(b'\n', &room[new..]) {
                self.rest.extend_from_slice(&room[new + at + 1..]);
                room.truncate(new + at + 1);
                return Ok(Some(Block::Lines(room)));
            }
            if room.len() > LONGEST {
                self.skipping = true;
                return Ok(Some(Block::TooLong));
            }
        }
        Ok((!room.is_empty()).then_some(Block::Torn(room)))
    }
}

/// The lines of a block, without their newlines.
pub(super) fn lines(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = block;
    std::iter::from_fn(move || {
        let at = memchr::memchr(b'\n', rest)?;
        let line = &rest[..at];
        rest = &rest[at + 1..];
        Some(line)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &[u8]) -> Vec<Block> {
        let mut blocks = Blocks::new(text);
        let mut all = Vec::new();
        while let Some(block) = blocks.next(Vec::new()).unwrap() {
            if let Block::Lines(lines) | Block::Torn(lines) = &block {
                assert!(lines.len() <= 2 * LONGEST, "{}", lines.len());
            }
            all.push(block);
        }
        all
    }

    #[test]
    fn lines_come_whole_torn_or_too_long_and_the_room_stays_small() {
        let whole = |text: &str| Block::Lines(text.as_bytes().to_vec());
        assert_eq!(all(b""), []);
        assert_eq!(all(b"one\n\ntwo\n"), [whole("one\n\ntwo\n")]);
        assert_eq!(all(b"one\ntor"), [whole("one\n"), Block::Torn(b"tor".to_vec())]);
        let mut text = b"one\n".to_vec();
        text.extend(vec![b'y'; 5_000_000]);
        text.extend(b"\nlast\n");
        assert_eq!(all(&text), [whole("one\n"), Block::TooLong, whole("last\n")]);
        let long = "x".repeat(LONGEST - 1) + "\n";
        assert_eq!(all(long.repeat(3).as_bytes()).len(), 3);
    }

    #[test]
    fn nothing_is_lost_between_blocks() {
        let text: String = (0..200_000).map(|n| format!("{n}\n")).collect();
        let mut again = Vec::new();
        for block in all(text.as_bytes()) {
            let Block::Lines(block) = block else { panic!("all of them end") };
            lines(&block).for_each(|line| again.push(String::from_utf8(line.to_vec()).unwrap()));
        }
        assert_eq!(again.len(), 200_000);
        assert_eq!(again.join("\n") + "\n", text);
    }
}
