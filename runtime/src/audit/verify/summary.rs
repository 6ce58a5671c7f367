//! Holds the findings and the counts of a verification.

use crate::audit::{chain::Hash, removal::Removal};

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

/// Records that nothing signed until a later start signed them as it found them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

/// The records that were left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeftOutCounts {
    pub(crate) records: u64,
    /// The number of records of which the log does not say whether they were required.
    pub(crate) unknown: u64,
    /// Required intents: these calls did not run.
    pub(crate) intents: u64,
    /// Required outcomes: the results of these calls were withheld.
    pub(crate) outcomes: u64,
    /// Required records of refusals and questions.
    pub(crate) others: u64,
}

/// The last start of a server in the log.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LastStart {
    /// The number of records before the first one of its process.
    pub(super) records_before: u64,
    /// The number of signed records before it, as it recorded.
    pub(super) signed_before: u64,
}

/// The beginning of a log that its retention removed.
#[derive(Clone, Debug)]
pub(crate) struct RemovedBeginning {
    pub(crate) removal: Removal,
    /// The digest of the last removed record.
    pub(crate) digest: Hash,
    /// The number of the first record that names the removal.
    pub(crate) recorded: u64,
    /// Whether the record of the removal has a signature that was checked.
    pub(crate) is_signed: bool,
    /// The number of segments that the removal names and that are still there.
    pub(crate) left: u32,
}

/// The findings in a log, and what it contains.
#[derive(Clone, Debug, Default)]
pub(crate) struct Summary {
    pub(crate) findings: Vec<Finding>,
    /// The number of findings that are not listed.
    pub(crate) unlisted: u64,
    pub(crate) records: u64,
    /// The number that the next record would have.
    pub(crate) next: u64,
    pub(crate) segments: u64,
    pub(crate) removed: Option<RemovedBeginning>,
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
    pub(crate) left_out: LeftOutCounts,
    /// Records that nothing signed in time.
    pub(crate) gaps: Vec<Gap>,
    pub(super) last_start: LastStart,
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
