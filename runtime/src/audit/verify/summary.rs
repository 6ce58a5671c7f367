//! Holds the findings and the counts of a verification.

/// The most findings that are listed one by one.
const MAX_FINDINGS: usize = 100;

/// The place of a line in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) segment: u32,
    /// From 1 on; 0 for the segment as a whole.
    pub(crate) line: u64,
    pub(crate) seq: Option<u64>,
}

/// A change of the log that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) at: Option<Location>,
    pub(crate) what: String,
}

/// The findings in a log, and what it contains.
#[derive(Clone, Debug, Default)]
pub(crate) struct Summary {
    pub(crate) findings: Vec<Finding>,
    /// The number of findings that are not listed.
    pub(crate) unlisted: u64,
    pub(crate) records: u64,
    pub(crate) segments: u64,
    /// The id of the log.
    pub(crate) log: String,
    /// The id of its redaction key.
    pub(crate) redaction_key: String,
    /// The times of the first and the last record.
    pub(crate) first: String,
    pub(crate) last: String,
    /// The number of calls with an intent and without an outcome.
    pub(crate) unended: u64,
    pub(crate) steps_back: u64,
    pub(crate) recovered: u64,
    pub(crate) left_out: u64,
    /// Whether the last record is that of a stop.
    pub(crate) stopped: bool,
}

impl Summary {
    pub(super) fn add(&mut self, at: Option<Location>, what: impl Into<String>) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(Finding { at, what: what.into() });
        } else {
            self.unlisted += 1;
        }
    }
}
