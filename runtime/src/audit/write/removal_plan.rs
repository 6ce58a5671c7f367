//! Finds the segments whose records are all older than an age, and checks their chain before they are removed.
//!
//! Only whole segments are removed, from the first one on, and never the current one.

use std::{
    collections::BTreeSet,
    io::{self, BufRead as _, BufReader, Read as _},
    path::Path,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};

use super::recover::changed;
use crate::{
    audit::{
        chain::{Head, hash},
        hex::{unhex, unhex_number},
        lines::MAX_LOG_LINE_BYTES,
        removal::{MAX_OPEN_CALLS, Removal, RemovalNote},
        scan::{begins, scan},
        segment_file::SegmentFile,
        segments,
    },
    file_system,
    message::Message,
    ordered::CollectOrdered as _,
};

/// The records that an operator no longer keeps.
#[derive(Clone, Debug)]
pub(crate) struct RemovalWish {
    pub(crate) age: Duration,
    /// The time since 1970.
    pub(crate) now: Duration,
    /// The program and the user that remove them.
    pub(crate) by: String,
}

/// Segments that can be removed.
#[derive(Debug)]
pub(crate) struct RemovalPlan {
    /// All that is removed from the log afterwards, earlier removals included.
    pub(crate) removal: Removal,
    /// The number of the first record that this removal takes.
    pub(crate) first: u64,
    /// The number of segments that this removal takes.
    #[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "only `audit prune` prints it"))]
    pub(crate) segments: usize,
    /// Their bytes.
    #[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "only `audit prune` prints it"))]
    pub(crate) bytes: u64,
}

/// The result of a look for old segments.
#[derive(Debug)]
pub(crate) enum Planned {
    Remove(Box<RemovalPlan>),
    /// Nothing is old enough; the reason, for a person.
    #[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "only `audit prune` says why"))]
    Nothing(String),
}

/// Returns the latest removal from a log, which the first record of its last segment holds.
pub(crate) fn latest(folder: &Path, numbers: &[u32]) -> Result<Option<RemovalNote>, Message> {
    // The last segment may be empty after a crash.
    for &number in numbers.iter().rev().take(2) {
        if let Some(line) = open(folder, number)?.first().map_err(unread(folder, number))? {
            let members: serde_json::Value = serde_json::from_slice(&line).unwrap_or_default();
            return Ok(RemovalNote::of_opening(&members));
        }
    }
    Ok(None)
}

/// Finds the segments that can be removed.
///
/// A segment is as old as the newest record in it and before it, so that a clock that was set back makes no record old.
///
/// # Errors
///
/// The log cannot be read, or is not the one that was written.
pub(crate) fn plan(folder: &Path, wish: &RemovalWish) -> Result<Planned, Message> {
    let numbers = segments::segments(folder)
        .map_err(|error| Message::failure(&format!("`{}` cannot be read", folder.display()), &error))?;
    let Some((&current, closed)) = numbers.split_last() else {
        return Ok(Planned::Nothing("the log has no records".to_owned()));
    };
    let before = latest(folder, &numbers)?.map(|note| note.removal);
    let (now, cutoff) = (text(wish.now), text(wish.now.saturating_sub(wish.age)));
    let mut found = RemovedPart::after(before.as_ref());
    let removed = before.as_ref().map_or(0, |before| before.segments);
    let mut plan = None;
    let mut why = None;
    let (mut segments, mut bytes) = (0, 0);
    for (&number, expected) in closed.iter().filter(|number| **number > removed).zip(removed + 1..) {
        if number != expected {
            return Err(changed(&segments::segment(folder, expected), "the segment is missing"));
        }
        let mut file = open(folder, number)?;
        let last = file.tail(1).map_err(unread(folder, number))?.lines;
        let newest = last.strip_suffix(b"\n").and_then(time).unwrap_or_default().max(&found.to).to_owned();
        if newest >= cutoff {
            why = Some(too_young(number, &newest, &now));
            break;
        }
        found.walk(folder, number)?;
        if found.to >= cutoff {
            why = Some(too_young(number, &found.to, &now));
            break;
        }
        (segments, bytes) = (segments + 1, bytes + file.len);
        if found.open.len() <= MAX_OPEN_CALLS {
            let removal = found.removal(number, before.as_ref(), &now, wish);
            let first = before.as_ref().map_or(0, Removal::records);
            plan = Some(RemovalPlan { removal, first, segments, bytes });
        }
    }
    let Some(plan) = plan else {
        let why = why.unwrap_or_else(|| {
            if closed.iter().any(|number| *number > removed) {
                format!("more than {MAX_OPEN_CALLS} calls were in flight at the end of each old segment")
            } else {
                "it has one segment, and the segment that is written is never removed".to_owned()
            }
        });
        return Ok(Planned::Nothing(why));
    };
    follows(folder, plan.removal.segments + 1, &plan.removal.head, current)?;
    Ok(Planned::Remove(Box::new(plan)))
}

/// Says why a segment stays.
fn too_young(number: u32, newest: &str, now: &str) -> String {
    if newest > now {
        return format!(
            "segment {number} or one before it has a record of {newest}, which is later than the clock ({now}): \
             nothing is removed until then"
        );
    }
    format!("segment {number} has a record of {newest}")
}

/// Returns a time as records have it.
fn text(since_1970: Duration) -> String {
    let time = SignedDuration::try_from(since_1970).ok().and_then(|time| Timestamp::from_duration(time).ok());
    format!("{:.6}", time.unwrap_or(Timestamp::MAX))
}

/// Returns the time of a record.
fn time(line: &[u8]) -> Option<&str> {
    let (_, mut members) = begins(line)?;
    str::from_utf8(members.time()?).ok()
}

/// Returns the time of the first record of the current segment; `None` if it is empty.
pub(super) fn current_since(folder: &Path) -> Result<Option<String>, Message> {
    let numbers = segments::segments(folder)
        .map_err(|error| Message::failure(&format!("`{}` cannot be read", folder.display()), &error))?;
    let Some(&current) = numbers.last() else { return Ok(None) };
    let first = open(folder, current)?.first().map_err(unread(folder, current))?;
    Ok(first.as_deref().and_then(time).map(str::to_owned))
}

/// Whether a record of this time is older than an age.
pub(super) fn is_older(ts: &str, now: Duration, age: Duration) -> bool {
    *ts < *text(now.saturating_sub(age))
}

/// Checks that the segment after the removed ones follows on from them.
fn follows(folder: &Path, number: u32, head: &Head, current: u32) -> Result<(), Message> {
    let first = open(folder, number)?.first().map_err(unread(folder, number))?;
    let is_next = |line: &[u8]| {
        scan(line).is_some_and(|record| record.seq == head.next && unhex(record.prev) == Some(head.hash))
    };
    match first {
        None if number == current => Ok(()),
        Some(line) if is_next(&line) => Ok(()),
        _ => Err(changed(&segments::segment(folder, number), "it does not follow the segment before it")),
    }
}

/// The records from the beginning of a log on, removed earlier or now.
struct RemovedPart {
    log: String,
    head: Head,
    from: String,
    to: String,
    open: BTreeSet<u128>,
}

impl RemovedPart {
    /// The records that were removed before.
    fn after(before: Option<&Removal>) -> Self {
        match before {
            None => Self {
                log: String::new(),
                head: Head::START,
                from: String::new(),
                to: String::new(),
                open: BTreeSet::new(),
            },
            Some(before) => Self {
                log: before.log.clone(),
                head: before.head,
                from: before.from.clone(),
                to: before.to.clone(),
                open: before.open.iter().copied().collect_ordered(),
            },
        }
    }

    fn removal(&self, segments: u32, before: Option<&Removal>, now: &str, wish: &RemovalWish) -> Removal {
        Removal {
            log: self.log.clone(),
            head: self.head,
            segments,
            from: self.from.clone(),
            to: self.to.clone(),
            at: now.to_owned(),
            age: wish.age.as_secs(),
            by: wish.by.clone(),
            count: before.map_or(0, |before| before.count) + 1,
            open: self.open.iter().copied().collect(),
        }
    }

    /// Adds the next segment. Its records must follow those before.
    fn walk(&mut self, folder: &Path, number: u32) -> Result<(), Message> {
        let path = segments::segment(folder, number);
        let file = file_system::open(&path).map_err(unread(folder, number))?;
        let (mut file, mut line) = (BufReader::with_capacity(128 * 1024, file), Vec::new());
        loop {
            line.clear();
            let mut limited = file.by_ref().take(2 * MAX_LOG_LINE_BYTES as u64);
            if limited.read_until(b'\n', &mut line).map_err(unread(folder, number))? == 0 {
                return Ok(());
            }
            let record = line.strip_suffix(b"\n").and_then(|line| self.take(line));
            record.ok_or_else(|| {
                changed(&path, &format!("record {} is missing or was changed", self.head.next))
            })?;
        }
    }

    /// Takes the next record. `None` if it is not the one that follows.
    fn take(&mut self, line: &[u8]) -> Option<()> {
        let (record, mut members) = begins(line)?;
        let (ts, kind) = (str::from_utf8(members.time()?).ok()?, members.kind()?);
        let (prev, own) = (unhex(record.prev)?, unhex(record.hash)?);
        if record.seq != self.head.next || prev != self.head.hash || hash(&prev, record.body) != own {
            return None;
        }
        self.head = Head { next: record.seq.checked_add(1)?, hash: own };
        if self.from.is_empty() {
            ts.clone_into(&mut self.from);
        }
        if *ts > *self.to {
            ts.clone_into(&mut self.to);
        }
        let rest = members.rest;
        let call = || unhex_number(rest.strip_prefix(b",\"call_id\":\"")?.first_chunk()?);
        match kind {
            b"intent" => _ = self.open.insert(call()?),
            b"outcome" => _ = self.open.remove(&call()?),
            // The calls of an earlier process never end.
            b"server" if rest.starts_with(b",\"event\":\"start\"") => self.open.clear(),
            b"server" if self.log.is_empty() => {
                let members: serde_json::Value = serde_json::from_slice(line).ok()?;
                members["log"].as_str()?.clone_into(&mut self.log);
            }
            _ => {}
        }
        Some(())
    }
}

fn open(folder: &Path, number: u32) -> Result<SegmentFile, Message> {
    SegmentFile::open(&segments::segment(folder, number)).map_err(unread(folder, number))
}

fn unread(folder: &Path, number: u32) -> impl Fn(io::Error) -> Message {
    let name = segments::segment(folder, number);
    move |error| Message::failure(&format!("`{}` cannot be read", name.display()), &error)
}
