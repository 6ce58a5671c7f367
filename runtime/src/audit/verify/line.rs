//! Parses a line of a log by itself, so that lines can be parsed side by side.

use super::template::Templates;
use crate::audit::{
    chain::{Hash, hash},
    hex::unhex,
    lines::lines,
};

/// The length of a time. All times have it, and so they sort as text.
pub(super) const TIME_BYTES: usize = 27;

/// A line of a log.
pub(super) struct ParsedLine {
    /// The length without the newline.
    pub(super) len: usize,
    /// `None` if the line is not a record.
    pub(super) record: Option<ParsedRecord>,
}

/// The parts of a record that a check needs.
pub(super) struct ParsedRecord {
    pub(super) seq: u64,
    pub(super) ts: Option<[u8; TIME_BYTES]>,
    pub(super) kind: LineKind,
    pub(super) call_id: Option<u128>,
    /// The number of the context that a read names.
    pub(super) context: Option<u64>,
    pub(super) prev: Option<Hash>,
    pub(super) hash: Option<Hash>,
    /// Whether `hash` is the digest of the record.
    pub(super) is_digest_correct: bool,
}

#[derive(Clone, Copy)]
pub(super) enum LineKind {
    Intent,
    Outcome,
    Read,
    Asked,
    Denied,
    Server,
    Unknown,
}

/// Parses the lines of a block into `parsed`, whose memory is used again.
pub(super) fn parse(block: &[u8], templates: &mut Templates, parsed: &mut Vec<ParsedLine>) {
    parsed.clear();
    parsed.extend(lines(block).map(|line| ParsedLine { len: line.len(), record: record(line, templates) }));
}

fn record(line: &[u8], templates: &mut Templates) -> Option<ParsedRecord> {
    let (scanned, heading) = templates.scan(line)?;
    let (prev, own) = (unhex(scanned.prev), unhex(scanned.hash));
    Some(ParsedRecord {
        seq: scanned.seq,
        ts: heading.ts.try_into().ok(),
        // Reads have a form of their own.
        kind: match (scanned.is_read, heading.kind) {
            (false, b"intent") => LineKind::Intent,
            (false, b"outcome") => LineKind::Outcome,
            (true, b"read") => LineKind::Read,
            (false, b"asked") => LineKind::Asked,
            (false, b"denied") => LineKind::Denied,
            (false, b"server") => LineKind::Server,
            _ => LineKind::Unknown,
        },
        call_id: heading.call_id,
        context: heading.context,
        prev,
        hash: own,
        is_digest_correct: prev.zip(own).is_some_and(|(prev, own)| hash(&prev, scanned.body) == own),
    })
}
