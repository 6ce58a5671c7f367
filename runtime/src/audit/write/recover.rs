//! The last segment of a log → where the log ends, what of it was torn, and whether it is what was written.

use std::{fs::File, path::Path};

use crate::audit::{
    blocks::{LineBlock, LineBlocks, lines},
    chain::{Hash, Head, hash},
    hex::{hex_text, unhex},
    scan::{holds_more_than_a_record, scan},
    segments,
    signed_note::Checkpoint,
};

/// A log as the last process left it.
pub(super) struct LogEnd {
    pub(super) head: Head,
    pub(super) segment: u32,
    /// The bytes of the last segment that are whole records; none where a crash came before its first.
    pub(super) len: u64,
    /// A last line that a crash cut off; nobody was told that it is there.
    pub(super) torn: Vec<u8>,
    pub(super) log: String,
    pub(super) redaction: String,
}

/// Reads the last segment. Anything but a torn last line is a reason not to write there, and so is a checkpoint of more
/// than there is. `None` where no record was ever written.
pub(super) fn recover(path: &Path, signed: Option<&Checkpoint>) -> Result<Option<LogEnd>, String> {
    let numbers = segments::segments(path).map_err(|error| error.to_string())?;
    let Some(&segment) = numbers.last() else {
        return if signed.is_some() {
            Err(cut(path, "there are checkpoints, and no records"))
        } else {
            Ok(None)
        };
    };
    let before = match segment {
        1 => None,
        number => Some(last_of(path, number - 1, signed)?),
    };
    let found = read(path, segment, before, signed)?;
    if let Some(signed) = signed {
        if signed.head.next > found.head.next {
            let (said, are) = (signed.head.next, found.head.next);
            return Err(cut(path, &format!("{said} records were signed, and {are} are there")));
        }
        if signed.log != found.log {
            return Err(cut(path, "its checkpoints are those of another log"));
        }
    }
    Ok(Some(found))
}

/// How the segment before the last one ends.
fn last_of(path: &Path, number: u32, signed: Option<&Checkpoint>) -> Result<LogEnd, String> {
    let found = read(path, number, None, signed)?;
    if found.torn.is_empty() && found.len > 0 {
        Ok(found)
    } else {
        Err(broken(path, number, 0, "its end is torn"))
    }
}

fn read(
    path: &Path,
    segment: u32,
    before: Option<LogEnd>,
    signed: Option<&Checkpoint>,
) -> Result<LogEnd, String> {
    let name = segments::segment(path, segment);
    let file = File::open(&name).map_err(|error| format!("`{}` cannot be read: {error}", name.display()))?;
    let mut blocks = LineBlocks::new(file);
    // The first record of a segment on its own says where it starts; the one before was asked first.
    let mut free = before.is_none() && segment > 1;
    let (head, log, redaction) = match before {
        Some(before) => (before.head, before.log, before.redaction),
        None => (Head::START, String::new(), String::new()),
    };
    let mut found = LogEnd { head, segment, len: 0, torn: Vec::new(), log, redaction };
    let (mut at, mut room) = (0, Vec::new());
    while let Some(block) =
        blocks.next(room).map_err(|error| format!("`{}` cannot be read: {error}", name.display()))?
    {
        room = match block {
            LineBlock::Lines(block) => {
                for line in lines(&block) {
                    at += 1;
                    found
                        .take(line, std::mem::take(&mut free), signed)
                        .map_err(|why| broken(path, segment, at, why))?;
                }
                block
            }
            LineBlock::Torn(line) if holds_more_than_a_record(&line) => {
                return Err(broken(path, segment, at + 1, "its end is not what was written"));
            }
            LineBlock::Torn(line) => {
                found.torn = line;
                Vec::new()
            }
            LineBlock::TooLong => return Err(broken(path, segment, at + 1, "it is too long for a record")),
        };
    }
    Ok(found)
}

impl LogEnd {
    /// Takes the next line. The first of a segment whose predecessor was not read is `free` to begin anywhere.
    fn take(&mut self, line: &[u8], free: bool, signed: Option<&Checkpoint>) -> Result<(), &'static str> {
        let record = scan(line).ok_or("it is no record")?;
        let hashes: Option<(Hash, Hash)> = unhex(record.prev).zip(unhex(record.hash));
        let (prev, said) = hashes.ok_or("its digests are none")?;
        if !free && (prev != self.head.hash || record.seq != self.head.next) {
            return Err("it does not follow the record before it");
        }
        if hash(&prev, record.body) != said {
            return Err("it is not what was written");
        }
        if self.len == 0 {
            (self.log, self.redaction) = opening(line);
        }
        self.head = Head { next: record.seq + 1, hash: said };
        self.len += line.len() as u64 + 1;
        match signed {
            Some(signed) if signed.head.next == self.head.next && signed.head.hash != said => {
                Err("it is not what was signed")
            }
            _ => Ok(()),
        }
    }
}

/// The log's id and the name of its redaction key, from the first record of a segment.
fn opening(line: &[u8]) -> (String, String) {
    let record: serde_json::Value = serde_json::from_slice(line).unwrap_or_default();
    let text = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
    (text("log"), text("redaction_key"))
}

fn broken(path: &Path, segment: u32, line: u64, why: &str) -> String {
    let name = segments::segment(path, segment);
    format!("the audit log was changed: `{}`, line {line}: {why}\n{EVIDENCE}", name.display())
}

fn cut(path: &Path, why: &str) -> String {
    format!("the audit log was changed: `{}`: {why}\n{EVIDENCE}", path.display())
}

const EVIDENCE: &str =
    "help: keep the folder as evidence (`audit verify` says more), and record in another: `--audit DIR`";

/// A name for a new log.
pub(super) fn new_id() -> String {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    let mut id = hex_text(&bytes);
    id.truncate(32);
    id
}
