//! Records in their order → what is wrong with the log they stand in.

use std::collections::HashSet;

use super::template::Templates;
use crate::audit::{
    blocks::lines,
    chain::{Hash, NOTHING, hash},
    hex::unhex,
};

/// A line of a log, parsed at on its own.
pub(super) struct ParsedLine {
    /// Its bytes, without the newline.
    pub(super) len: usize,
    /// `None` where it is no record.
    record: Option<Record>,
}

/// What a check needs of a record.
struct Record {
    seq: u64,
    /// As text; all are of one length, and so in the order of their text.
    ts: Option<[u8; 27]>,
    kind: LineKind,
    call_id: Option<u128>,
    prev: Option<Hash>,
    hash: Option<Hash>,
    /// Whether the digest is that of the record.
    is_its_own: bool,
}

#[derive(Clone, Copy)]
enum LineKind {
    Intent,
    Outcome,
    Denied,
    Server,
    Unknown,
}

/// Looks at the lines of a block, each without knowing those around it: blocks can be parsed at side by side. `parsed` is
/// what is known of them; it may have been used before.
pub(super) fn parse(block: &[u8], templates: &mut Templates, parsed: &mut Vec<ParsedLine>) {
    parsed.clear();
    parsed.extend(lines(block).map(|line| ParsedLine { len: line.len(), record: read(line, templates) }));
}

fn read(line: &[u8], templates: &mut Templates) -> Option<Record> {
    let (scanned, heading) = templates.scan(line)?;
    let (prev, said) = (unhex(scanned.prev), unhex(scanned.hash));
    Some(Record {
        seq: scanned.seq,
        ts: heading.ts.try_into().ok(),
        kind: match heading.kind {
            b"intent" => LineKind::Intent,
            b"outcome" => LineKind::Outcome,
            b"denied" => LineKind::Denied,
            b"server" => LineKind::Server,
            _ => LineKind::Unknown,
        },
        call_id: heading.call_id,
        prev,
        hash: said,
        is_its_own: prev.zip(said).is_some_and(|(prev, said)| hash(&prev, scanned.body) == said),
    })
}

/// Where a line stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) segment: u32,
    /// From 1 on; 0 for the segment as a whole.
    pub(crate) line: u64,
    pub(crate) seq: Option<u64>,
}

/// What shows that the log is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) at: Option<Location>,
    pub(crate) what: String,
}

/// The most findings that are told one by one.
const MAX_FINDINGS: usize = 100;

/// Everything that a check of a log comes to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Summary {
    pub(crate) findings: Vec<Finding>,
    /// Those that are not among them any more.
    pub(crate) unlisted: u64,
    pub(crate) records: u64,
    pub(crate) segments: u64,
    pub(crate) log: String,
    pub(crate) redaction_key: String,
    pub(crate) first: String,
    pub(crate) last: String,
    /// Calls that began, and whose end was never written.
    pub(crate) unended: u64,
    pub(crate) steps_back: u64,
    pub(crate) recovered: u64,
    pub(crate) left_out: u64,
    /// Whether the last record is that of a stop.
    pub(crate) stopped: bool,
}

impl Summary {
    pub(crate) fn find(&mut self, at: Option<Location>, what: impl Into<String>) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(Finding { at, what: what.into() });
        } else {
            self.unlisted += 1;
        }
    }
}

/// What is known after the records so far. No more memory than the calls at work at one time take.
#[derive(Clone, Debug)]
pub(super) struct Check {
    pub(super) summary: Summary,
    next: u64,
    hash: Option<Hash>,
    ts: [u8; 27],
    /// Calls whose intent was seen, and whose outcome was not.
    in_flight: HashSet<u128>,
    segment: u32,
    line: u64,
}

impl Check {
    pub(super) fn new() -> Self {
        Self {
            summary: Summary::default(),
            next: 0,
            hash: Some(NOTHING),
            ts: [0; 27],
            in_flight: HashSet::new(),
            segment: 0,
            line: 0,
        }
    }

    /// Goes on to the segment of this number.
    pub(super) fn segment(&mut self, number: u32) {
        let expected = self.segment + 1;
        if number != expected {
            let missing = number - expected;
            let at = Location { segment: expected, line: 0, seq: Some(self.next) };
            self.summary.find(
                Some(at),
                match missing {
                    1 => "the segment is missing".to_owned(),
                    more => format!("this segment and the {} after it are missing", more - 1),
                },
            );
            self.hash = None;
        }
        (self.segment, self.line) = (number, 0);
        self.summary.segments += 1;
    }

    /// The segment has ended.
    pub(super) fn segment_ends(&mut self, is_last: bool) {
        // A crash may come between the file and its first record.
        if self.line == 0 && !is_last {
            self.summary.find(Some(self.at(None)), "the segment has no records");
        }
    }

    fn at(&self, seq: Option<u64>) -> Location {
        Location { segment: self.segment, line: self.line, seq }
    }

    /// A line that is longer than any record.
    pub(super) fn too_long(&mut self) {
        self.line += 1;
        self.broken("the line is too long for a record");
    }

    /// A last line that no newline ends, where it cannot be what a crash left.
    pub(super) fn torn(&mut self) {
        self.line += 1;
        self.broken("the line is not ended, and no crash leaves one like it");
    }

    fn broken(&mut self, what: &str) {
        let at = self.at(Some(self.next));
        self.summary.find(Some(at), what);
        // Whatever stood here, the next record says what it was.
        self.hash = None;
        self.next += 1;
    }

    /// Takes the next line; the records up to it, and its digest.
    #[inline]
    pub(super) fn take(&mut self, line: &[u8], parsed: &ParsedLine) -> Option<(u64, Hash)> {
        self.line += 1;
        let Some(record) = &parsed.record else {
            self.broken("the line is no record");
            return None;
        };
        let follows = self.hash.is_some() && self.hash == record.prev && record.seq == self.next;
        if !(record.is_its_own && follows) {
            self.ill(record);
        }
        self.hash = record.hash;
        self.next = record.seq.saturating_add(1);
        self.summary.records += 1;
        self.time(record);
        self.kind(record, line);
        record.hash.map(|hash| (self.next, hash))
    }

    fn find(&mut self, record: &Record, what: impl Into<String>) {
        let at = self.at(Some(record.seq));
        self.summary.find(Some(at), what);
    }

    /// Content what is wrong with a record.
    fn ill(&mut self, record: &Record) {
        let (seq, next) = (record.seq, self.next);
        if seq > next {
            self.find(
                record,
                format!("{} records before it are missing: the next was to be {next}", seq - next),
            );
        } else if seq < next {
            self.find(record, format!("its number was used before: the next was to be {next}"));
        } else if self.hash.is_some() && self.hash != record.prev {
            self.find(record, "it does not follow the record before it: its previous digest is another");
        }
        if !record.is_its_own {
            self.find(record, "its digest is not that of the record");
        }
    }

    #[inline]
    fn time(&mut self, record: &Record) {
        match record.ts {
            Some(ts) => {
                self.summary.steps_back += u64::from(ts < self.ts);
                if self.summary.first.is_empty() {
                    self.summary.first = String::from_utf8_lossy(&ts).into_owned();
                }
                self.ts = ts;
            }
            None => self.find(record, "its time is none"),
        }
    }

    #[inline]
    fn kind(&mut self, record: &Record, line: &[u8]) {
        self.summary.stopped = false;
        if self.line == 1 && !matches!(record.kind, LineKind::Server) {
            self.find(record, "a segment begins with another record");
        }
        match record.kind {
            LineKind::Intent => {
                let fresh = record.call_id.is_some_and(|call| self.in_flight.insert(call));
                if !fresh {
                    self.find(record, "it is of no call, or of one that began before");
                }
            }
            LineKind::Outcome => {
                if !record.call_id.is_some_and(|call| self.in_flight.remove(&call)) {
                    self.find(record, "it ends a call that never began");
                }
            }
            LineKind::Denied => {}
            LineKind::Server => self.server(record, line),
            LineKind::Unknown => self.find(record, "its kind is unknown"),
        }
    }

    /// A record of the server itself.
    #[cold]
    fn server(&mut self, record: &Record, line: &[u8]) {
        let parsed: serde_json::Value = serde_json::from_slice(line).unwrap_or_default();
        let event = parsed["event"].as_str().unwrap_or_default();
        if (self.line == 1) != (event == "segment") {
            self.find(record, "a segment begins with another record");
        }
        match event {
            "segment" => {
                let text = |key: &str| parsed[key].as_str().unwrap_or_default().to_owned();
                let (log, key) = (text("log"), text("redaction_key"));
                if self.summary.log.is_empty() {
                    (self.summary.log, self.summary.redaction_key) = (log, key);
                } else if (&log, &key) != (&self.summary.log, &self.summary.redaction_key) {
                    self.find(record, "the segment is of another log");
                }
                if parsed["segment"] != self.segment {
                    self.find(record, "the segment has another number than its file");
                }
            }
            "start" => self.ended(),
            "recovered" => self.summary.recovered += 1,
            "left_out" => self.summary.left_out += parsed["records"].as_u64().unwrap_or_default(),
            "stop" => self.summary.stopped = true,
            _ => {}
        }
    }

    /// The process that wrote so far has gone, and its calls with it.
    fn ended(&mut self) {
        self.summary.unended += self.in_flight.len() as u64;
        self.in_flight.clear();
    }

    /// Everything was read. The records so far, and the digest of the last.
    pub(super) fn finish(mut self) -> (Summary, u64) {
        self.ended();
        self.summary.last = String::from_utf8_lossy(&self.ts).trim_matches('\0').to_owned();
        (self.summary, self.next)
    }
}
