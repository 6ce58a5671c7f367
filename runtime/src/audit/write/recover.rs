//! Reads the end of a log that an earlier process wrote, and checks that it was not changed.

use std::{io, path::Path};

use crate::{
    audit::{
        blocks::{LineBlock, LineBlocks, lines},
        chain::{Hash, Head, hash},
        hex::{hex_text, unhex},
        scan::{holds_more_than_a_record, scan},
        segments,
        signed_note::Checkpoint,
        system,
    },
    message::Message,
};

/// The end of a log as the last process left it.
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
}

/// Reads the last segment. A torn last line is accepted; any other change is an error, and so is a checkpoint that covers
/// more records than there are. `None` if no record was ever written.
pub(super) fn recover(path: &Path, signed: Option<&Checkpoint>) -> Result<Option<LogEnd>, Message> {
    let unread = |error| Message::failure(&format!("`{}` cannot be read", path.display()), &error);
    let numbers = segments::segments(path).map_err(unread)?;
    let Some(&segment) = numbers.last() else {
        return match signed {
            Some(_) => Err(changed(path, "there are checkpoints, but no records")),
            None => Ok(None),
        };
    };
    let before = match segment {
        1 => None,
        number => Some(end_of(path, number - 1, signed)?),
    };
    let end = read(path, segment, before, signed)?;
    if let Some(signed) = signed {
        if signed.head.next > end.head.next {
            let counts = format!("{} records were signed, and {} exist", signed.head.next, end.head.next);
            return Err(changed(path, &counts));
        }
        if signed.log != end.log {
            return Err(changed(path, "its checkpoints are of another log"));
        }
    }
    Ok(Some(end))
}

/// Reads the end of the segment before the last one.
fn end_of(path: &Path, number: u32, signed: Option<&Checkpoint>) -> Result<LogEnd, Message> {
    let end = read(path, number, None, signed)?;
    if end.torn.is_empty() && end.len > 0 {
        Ok(end)
    } else {
        Err(changed_line(path, number, 0, "the end of the segment is torn"))
    }
}

fn read(
    path: &Path,
    segment: u32,
    before: Option<LogEnd>,
    signed: Option<&Checkpoint>,
) -> Result<LogEnd, Message> {
    let name = segments::segment(path, segment);
    let unread = |error: io::Error| Message::failure(&format!("`{}` cannot be read", name.display()), &error);
    let mut blocks = LineBlocks::new(system::open(&name).map_err(unread)?);
    // Without the segment before, the first record says where this one begins.
    let mut begins_anywhere = before.is_none() && segment > 1;
    let (head, log, redaction) = match before {
        Some(before) => (before.head, before.log, before.redaction),
        None => (Head::START, String::new(), String::new()),
    };
    let mut end = LogEnd { head, segment, len: 0, torn: Vec::new(), log, redaction };
    let (mut at, mut buffer) = (0, Vec::new());
    while let Some(block) = blocks.next(buffer).map_err(unread)? {
        buffer = match block {
            LineBlock::Lines(block) => {
                for line in lines(&block) {
                    at += 1;
                    end.take(line, std::mem::take(&mut begins_anywhere), signed)
                        .map_err(|why| changed_line(path, segment, at, why))?;
                }
                block
            }
            LineBlock::Torn(line) if holds_more_than_a_record(&line) => {
                return Err(changed_line(path, segment, at + 1, "no crash leaves an end like this"));
            }
            LineBlock::Torn(line) => {
                end.torn = line;
                Vec::new()
            }
            LineBlock::TooLong => {
                return Err(changed_line(path, segment, at + 1, "the line is too long for a record"));
            }
        };
    }
    Ok(end)
}

impl LogEnd {
    /// Takes the next line. If it `begins_anywhere`, the segment before it was not read.
    fn take(
        &mut self,
        line: &[u8],
        begins_anywhere: bool,
        signed: Option<&Checkpoint>,
    ) -> Result<(), &'static str> {
        let record = scan(line).ok_or("the line is not a record")?;
        let hashes: Option<(Hash, Hash)> = unhex(record.prev).zip(unhex(record.hash));
        let (prev, own) = hashes.ok_or("the record has no digests")?;
        if !begins_anywhere && (prev != self.head.hash || record.seq != self.head.next) {
            return Err("the record does not follow the one before it");
        }
        if hash(&prev, record.body) != own {
            return Err("the digest is not that of the record");
        }
        if self.len == 0 {
            (self.log, self.redaction) = opening(line);
        }
        self.head = Head { next: record.seq + 1, hash: own };
        self.len += line.len() as u64 + 1;
        match signed {
            Some(signed) if signed.head.next == self.head.next && signed.head.hash != own => {
                Err("another record was signed here")
            }
            _ => Ok(()),
        }
    }
}

/// Returns the ids of the log and of its redaction key, from the first record of a segment.
fn opening(line: &[u8]) -> (String, String) {
    let record: serde_json::Value = serde_json::from_slice(line).unwrap_or_default();
    let text = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
    (text("log"), text("redaction_key"))
}

fn changed_line(path: &Path, segment: u32, line: u64, why: &str) -> Message {
    let name = segments::segment(path, segment);
    evidence(format!("the audit log was changed: `{}`, line {line}: {why}", name.display()))
}

fn changed(path: &Path, why: &str) -> Message {
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
