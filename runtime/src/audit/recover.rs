//! The last segment of a log → where the log ends, what of it was torn, and whether it is what was written.

use std::{fs::File, path::Path};

use super::{
    chain::{Hash, Head, NOTHING, hash, hex_text, unhex},
    folder,
    lines::{Line, Lines},
    scan::scan,
};

/// A log as the last process left it.
pub(super) struct Found {
    pub(super) head: Head,
    pub(super) segment: u32,
    /// The bytes of the last segment that are whole records.
    pub(super) len: u64,
    /// A last line that a crash cut off; nobody was told that it is there.
    pub(super) torn: Vec<u8>,
    pub(super) log: String,
    pub(super) redaction: String,
}

/// Reads the last segment. Anything but a torn last line is a reason not to write there.
pub(super) fn recover(path: &Path) -> Result<Option<Found>, String> {
    let numbers = folder::segments(path).map_err(|error| error.to_string())?;
    let Some(&segment) = numbers.last() else { return Ok(None) };
    let before = match segment {
        1 => None,
        number => Some(last_of(path, number - 1)?),
    };
    let mut found = read(path, segment, before)?;
    if found.log.is_empty() && !found.torn.is_empty() && segment == 1 {
        found.head = Head::START;
    }
    Ok(Some(found))
}

/// Where the segment before the last one ends.
fn last_of(path: &Path, number: u32) -> Result<Head, String> {
    let found = read(path, number, None)?;
    if found.torn.is_empty() { Ok(found.head) } else { Err(broken(path, number, 0, "its end is torn")) }
}

fn read(path: &Path, segment: u32, before: Option<Head>) -> Result<Found, String> {
    let name = folder::segment(path, segment);
    let file = File::open(&name).map_err(|error| format!("`{}` cannot be read: {error}", name.display()))?;
    let mut lines = Lines::new(file);
    let mut found = Found {
        head: before.unwrap_or(Head::START),
        segment,
        len: 0,
        torn: Vec::new(),
        log: String::new(),
        redaction: String::new(),
    };
    let mut at = 0;
    while let Some(line) = lines.next().map_err(|error| format!("`{}`: {error}", name.display()))? {
        at += 1;
        let len = line.len();
        let line = match line {
            Line::Whole(line) => line,
            Line::Torn(line) => {
                found.torn = line.to_vec();
                break;
            }
            Line::TooLong(_) => return Err(broken(path, segment, at, "it is too long for a record")),
        };
        let record = scan(line).ok_or_else(|| broken(path, segment, at, "it is no record"))?;
        let hashes: Option<(Hash, Hash)> = unhex(record.prev).zip(unhex(record.hash));
        let (prev, said) = hashes.ok_or_else(|| broken(path, segment, at, "its digests are none"))?;
        // The first record of a segment on its own says where it starts; the one before was asked first.
        let free = at == 1 && before.is_none() && segment > 1;
        let follows = free || (prev == found.head.hash && record.seq == found.head.next);
        if !follows || (segment == 1 && at == 1 && prev != NOTHING) {
            return Err(broken(path, segment, at, "it does not follow the record before it"));
        }
        if hash(&prev, record.body) != said {
            return Err(broken(path, segment, at, "it is not what was written"));
        }
        if at == 1 {
            (found.log, found.redaction) = opening(line);
        }
        found.head = Head { next: record.seq + 1, hash: said };
        found.len += len;
    }
    Ok(found)
}

/// The log's id and the name of its redaction key, from the first record of a segment.
fn opening(line: &[u8]) -> (String, String) {
    let record: serde_json::Value = serde_json::from_slice(line).unwrap_or_default();
    let text = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
    (text("log"), text("redaction_key"))
}

fn broken(path: &Path, segment: u32, line: u64, why: &str) -> String {
    let name = folder::segment(path, segment);
    format!(
        "the audit log was changed: `{}`, line {line}: {why}\nhelp: keep the folder as evidence, and serve with another one: `--audit DIR`",
        name.display()
    )
}

/// A name for a new log.
pub(super) fn new_id() -> String {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    let mut id = hex_text(&bytes);
    id.truncate(32);
    id
}
