//! Checks the lines of a log in their order, and finds what is wrong with them.

use std::collections::HashSet;

use super::{
    line::{LineKind, ParsedLine, ParsedRecord, TIME_BYTES},
    removals::{Beginning, Removals},
    summary::{LastStart, Location, Summary},
};
use crate::audit::{
    chain::{Hash, NO_RECORDS},
    removal::{REMOVAL_MEMBER, RemovalNote},
};

/// The state after the lines so far. Its memory grows with the calls in flight at one time, not with the log.
#[derive(Clone, Debug)]
pub(super) struct Check {
    pub(super) summary: Summary,
    next: u64,
    /// The digest of the last record, if it is known.
    hash: Option<Hash>,
    ts: [u8; TIME_BYTES],
    /// The calls with an intent so far, and without an outcome.
    in_flight: HashSet<u128>,
    removals: Removals,
    /// The greatest number of a context so far in this segment.
    contexts: u64,
    /// The first of the records before this one that a process writes before its start.
    preamble: Option<u64>,
    segment: u32,
    line: u64,
}

impl Check {
    pub(super) fn new() -> Self {
        Self {
            summary: Summary::default(),
            next: 0,
            hash: Some(NO_RECORDS),
            ts: [0; TIME_BYTES],
            in_flight: HashSet::new(),
            removals: Removals::default(),
            contexts: 0,
            preamble: None,
            segment: 0,
            line: 0,
        }
    }

    /// Begins the segment of this number.
    pub(super) fn segment(&mut self, number: u32) {
        let expected = self.segment + 1;
        // A log whose first segments were removed says so later.
        if number != expected && self.segment > 0 {
            let what = match number - expected {
                1 => "the segment is missing".to_owned(),
                missing => format!("this segment and the {} after it are missing", missing - 1),
            };
            let at = Location { segment: expected, line: 0, seq: Some(self.next) };
            self.summary.add(Some(at), what);
            self.hash = None;
        }
        (self.segment, self.line, self.contexts) = (number, 0, 0);
        self.summary.segments += 1;
    }

    /// Ends the segment.
    pub(super) fn segment_ends(&mut self, is_last: bool) {
        // A crash may come between the creation of the file and its first record.
        if self.line == 0 && !is_last {
            self.summary.add(Some(self.at(None)), "the segment has no records");
        }
    }

    fn at(&self, seq: Option<u64>) -> Location {
        Location { segment: self.segment, line: self.line, seq }
    }

    /// Takes a line that is longer than any record.
    pub(super) fn too_long(&mut self) {
        self.line += 1;
        self.not_a_record("the line is too long for a record");
    }

    /// Takes a last line without a newline that no crash leaves.
    pub(super) fn torn(&mut self) {
        self.line += 1;
        self.not_a_record("the line has no newline, and no crash leaves one like it");
    }

    fn not_a_record(&mut self, what: &str) {
        let at = self.at(Some(self.next));
        self.summary.add(Some(at), what);
        // The digest of this line is unknown; the next record names it.
        self.hash = None;
        self.next += 1;
    }

    /// Takes the next line, and returns the number of records so far and the digest of the last.
    #[inline]
    pub(super) fn take(&mut self, line: &[u8], parsed: &ParsedLine) -> Option<(u64, Hash)> {
        self.line += 1;
        let Some(record) = &parsed.record else {
            self.not_a_record("the line is not a record");
            return None;
        };
        if self.line == 1 && self.segment > 1 && self.summary.records == 0 && self.next == 0 {
            let beginning = Beginning { segment: self.segment, seq: record.seq, prev: record.prev };
            self.removals.begin(beginning);
            (self.next, self.hash) = (record.seq, record.prev);
        }
        let follows = self.hash.is_some() && self.hash == record.prev && record.seq == self.next;
        if !(record.is_digest_correct && follows) {
            self.explain(record);
        }
        self.hash = record.hash;
        self.next = record.seq.saturating_add(1);
        self.summary.records += 1;
        self.time(record);
        self.kind(record, line);
        record.hash.map(|hash| (self.next, hash))
    }

    fn add(&mut self, record: &ParsedRecord, what: impl Into<String>) {
        let at = self.at(Some(record.seq));
        self.summary.add(Some(at), what);
    }

    /// Says what is wrong with the chain at a record.
    fn explain(&mut self, record: &ParsedRecord) {
        let (seq, next) = (record.seq, self.next);
        if seq > next {
            let missing = seq - next;
            self.add(record, format!("{missing} records before it are missing: expected number {next}"));
        } else if seq < next {
            self.add(record, format!("its number was used before: expected number {next}"));
        } else if self.hash.is_some() && self.hash != record.prev {
            self.add(record, "it does not follow the record before it: its previous digest differs");
        }
        if !record.is_digest_correct {
            self.add(record, "its digest is not that of the record");
        }
    }

    #[inline]
    fn time(&mut self, record: &ParsedRecord) {
        match record.ts {
            Some(ts) => {
                self.summary.steps_back += u64::from(ts < self.ts);
                if self.summary.first.is_empty() {
                    self.summary.first = String::from_utf8_lossy(&ts).into_owned();
                }
                self.ts = ts;
            }
            None => self.add(record, "its time has another form than a record's"),
        }
    }

    #[inline]
    fn kind(&mut self, record: &ParsedRecord, line: &[u8]) {
        self.summary.stopped = false;
        if self.line == 1 && !matches!(record.kind, LineKind::Server) {
            self.add(record, "a segment begins with another record");
        }
        match record.kind {
            LineKind::Intent => {
                let fresh = record.call_id.is_some_and(|call| self.in_flight.insert(call));
                if !fresh {
                    self.add(record, "it names no call, or one that began before");
                }
            }
            LineKind::Outcome => {
                let at = self.at(Some(record.seq));
                let is_known = |call| self.in_flight.remove(&call) || self.removals.ends(at, call);
                if !record.call_id.is_some_and(is_known) {
                    self.add(record, "it ends a call that never began");
                }
            }
            LineKind::Read => {
                if !record.context.is_some_and(|number| (1..=self.contexts).contains(&number)) {
                    self.add(record, "it names a context that is not in its segment");
                }
            }
            LineKind::Asked | LineKind::Denied => {}
            LineKind::Server => return self.server(record, line),
            LineKind::Unknown => self.add(record, "its kind is unknown"),
        }
        self.preamble = None;
    }

    /// Takes a record of the server itself.
    #[cold]
    fn server(&mut self, record: &ParsedRecord, line: &[u8]) {
        let members: serde_json::Value = serde_json::from_slice(line).unwrap_or_default();
        let event = members["event"].as_str().unwrap_or_default();
        if (self.line == 1) != (event == "segment") {
            self.add(record, "a segment begins with another record");
        }
        match event {
            "segment" => self.opening(record, &members),
            "start" => self.start(record, &members["before"]),
            "recovered" => self.summary.recovered += 1,
            "left_out" => self.left_out(&members),
            "context" => self.contexts = self.contexts.max(members["context"].as_u64().unwrap_or_default()),
            "stop" => self.summary.stopped = true,
            _ => {}
        }
        let is_preamble = matches!(event, "segment" | "recovered");
        self.preamble = is_preamble.then(|| self.preamble.unwrap_or(record.seq));
    }

    /// Takes the record of a start. `before` is what it says of the records before it.
    fn start(&mut self, record: &ParsedRecord, before: &serde_json::Value) {
        self.process_ended();
        self.contexts = 0;
        let signed = before["signed"].as_u64();
        let unsigned = before["unsigned"].as_u64();
        // Starts of earlier versions say nothing.
        let records = signed.zip(unsigned).and_then(|(signed, unsigned)| signed.checked_add(unsigned));
        self.summary.last_start = LastStart {
            records_before: records.or(self.preamble).unwrap_or(record.seq).min(record.seq),
            signed_before: signed.unwrap_or_default(),
        };
    }

    fn left_out(&mut self, members: &serde_json::Value) {
        let (counts, required) = (&mut self.summary.left_out, &members["required"]);
        let number = |value: &serde_json::Value| value.as_u64().unwrap_or_default();
        let records = number(&members["records"]);
        counts.records += records;
        // Earlier versions did not count the required ones.
        counts.unknown += if required.is_object() { 0 } else { records };
        counts.intents += number(&required["intents"]);
        counts.outcomes += number(&required["outcomes"]);
        counts.others += number(&required["others"]);
    }

    /// Takes the first record of a segment.
    fn opening(&mut self, record: &ParsedRecord, members: &serde_json::Value) {
        let text = |key: &str| members[key].as_str().unwrap_or_default().to_owned();
        let (log, key) = (text("log"), text("redaction_key"));
        if self.summary.log.is_empty() {
            (self.summary.log, self.summary.redaction_key) = (log, key);
        } else if (&log, &key) != (&self.summary.log, &self.summary.redaction_key) {
            self.add(record, "the segment is of another log");
        }
        if members["segment"] != self.segment {
            self.add(record, "the segment has another number than its file");
        }
        self.removal(record, members);
    }

    /// Takes what the first record of a segment says of the removed segments.
    fn removal(&mut self, record: &ParsedRecord, members: &serde_json::Value) {
        let at = self.at(Some(record.seq));
        let wrong = match (RemovalNote::of_opening(members), members.get(REMOVAL_MEMBER)) {
            (Some(note), _) => self.removals.take(note, at, &self.summary.log),
            (None, Some(_)) => Some("it holds a record of a removal that cannot be read"),
            (None, None) if self.removals.is_missing() => Some("it lacks the record of the last removal"),
            (None, None) => None,
        };
        if let Some(wrong) = wrong {
            self.add(record, wrong);
        }
    }

    /// The number of the first record and the digest before it, if records before it are missing.
    pub(super) fn beginning(&self) -> Option<(u64, Hash)> {
        let beginning = self.removals.beginning()?;
        Some((beginning.seq, beginning.prev?))
    }

    /// The process that wrote so far has ended, and its calls with it.
    fn process_ended(&mut self) {
        self.summary.unended += self.in_flight.len() as u64;
        self.in_flight.clear();
    }

    /// Ends the check.
    pub(super) fn finish(mut self) -> (Summary, Removals) {
        self.process_ended();
        self.summary.last = String::from_utf8_lossy(&self.ts).trim_matches('\0').to_owned();
        self.summary.next = self.next;
        (self.summary, self.removals)
    }
}
