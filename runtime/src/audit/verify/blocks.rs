//! Reads the lines of a file in blocks, with a bounded amount of memory.

use std::io::{self, Read};

use crate::audit::lines::MAX_LOG_LINE_BYTES;

/// The number of bytes read at once.
const READ_BYTES: usize = 512 * 1024;

/// Reads blocks of lines.
pub(super) struct LineBlocks<R> {
    read: R,
    /// The bytes after the last line of the previous block.
    rest: Vec<u8>,
    /// Whether the next bytes belong to a line that is too long.
    skipping: bool,
    ended: bool,
}

/// A part of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LineBlock {
    /// Whole lines, each with its newline.
    Lines(Vec<u8>),
    /// The last line, without a newline.
    Torn(Vec<u8>),
    /// A line that is longer than any record.
    TooLong,
}

impl<R: Read> LineBlocks<R> {
    pub(super) fn new(read: R) -> Self {
        Self { read, rest: Vec::new(), skipping: false, ended: false }
    }

    /// Reads the next block into `buffer`, which may have been used before.
    pub(super) fn next(&mut self, mut buffer: Vec<u8>) -> io::Result<Option<LineBlock>> {
        buffer.clear();
        buffer.append(&mut self.rest);
        while !self.ended {
            let before = buffer.len();
            let read = self.read.by_ref().take(READ_BYTES as u64).read_to_end(&mut buffer)?;
            self.ended = read < READ_BYTES;
            if self.skipping {
                match memchr::memchr(b'\n', &buffer) {
                    Some(at) => {
                        buffer.drain(..=at);
                        self.skipping = false;
                    }
                    None => buffer.clear(),
                }
            }
            let new = before.min(buffer.len());
            if let Some(at) = memchr::memrchr(b'\n', &buffer[new..]) {
                self.rest.extend_from_slice(&buffer[new + at + 1..]);
                buffer.truncate(new + at + 1);
                return Ok(Some(LineBlock::Lines(buffer)));
            }
            if buffer.len() > MAX_LOG_LINE_BYTES {
                self.skipping = true;
                return Ok(Some(LineBlock::TooLong));
            }
        }
        Ok((!buffer.is_empty()).then_some(LineBlock::Torn(buffer)))
    }
}

#[cfg(test)]
mod tests {
    use crate::audit::{lines::lines, verify::blocks::*};

    fn all(text: &[u8]) -> Vec<LineBlock> {
        let mut blocks = LineBlocks::new(text);
        let mut all = Vec::new();
        while let Some(block) = blocks.next(Vec::new()).unwrap() {
            if let LineBlock::Lines(lines) | LineBlock::Torn(lines) = &block {
                assert!(lines.len() <= 2 * MAX_LOG_LINE_BYTES, "{}", lines.len());
            }
            all.push(block);
        }
        all
    }

    #[test]
    fn blocks_tell_whole_torn_and_too_long_lines_apart_in_bounded_memory() {
        let whole = |text: &str| LineBlock::Lines(text.as_bytes().to_vec());
        assert_eq!(all(b""), []);
        assert_eq!(all(b"one\n\ntwo\n"), [whole("one\n\ntwo\n")]);
        assert_eq!(all(b"one\ntor"), [whole("one\n"), LineBlock::Torn(b"tor".to_vec())]);
        let mut text = b"one\n".to_vec();
        text.extend(vec![b'y'; 5_000_000]);
        text.extend(b"\nlast\n");
        assert_eq!(all(&text), [whole("one\n"), LineBlock::TooLong, whole("last\n")]);
        let long = "x".repeat(MAX_LOG_LINE_BYTES - 1) + "\n";
        assert_eq!(all(long.repeat(3).as_bytes()).len(), 3);
    }

    #[test]
    fn blocks_lose_no_line_between_them() {
        let text: String = (0..200_000).map(|n| format!("{n}\n")).collect();
        let mut read = Vec::new();
        for block in all(text.as_bytes()) {
            let LineBlock::Lines(block) = block else { panic!("every line has a newline") };
            lines(&block).for_each(|line| read.push(String::from_utf8(line.to_vec()).unwrap()));
        }
        assert_eq!(read.len(), 200_000);
        assert_eq!(read.join("\n") + "\n", text);
    }
}
