//! Counts the records that could not be written.

use super::{
    queued_record::{QueuedRecord, RecordKind},
    record::RecordWriter,
};

/// The records that were left out, and those among them that a tool requires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LeftOut {
    records: u64,
    /// Required intents: these calls did not run.
    intents: u64,
    /// Required outcomes: the results of these calls were withheld.
    outcomes: u64,
    /// Required records of refusals and of questions.
    others: u64,
}

impl LeftOut {
    /// Records of which nothing is known, and which no tool requires.
    pub(super) fn unrequired(records: u64) -> Self {
        Self { records, ..Self::default() }
    }

    pub(super) fn count(&mut self, record: &QueuedRecord) {
        self.records += 1;
        if record.is_required {
            match record.kind {
                RecordKind::Intent(_) => self.intents += 1,
                RecordKind::Outcome(_) => self.outcomes += 1,
                // No result was withheld.
                RecordKind::NotRun(_) => {}
                RecordKind::Other => self.others += 1,
            }
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.records += other.records;
        self.intents += other.intents;
        self.outcomes += other.outcomes;
        self.others += other.others;
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The number of records.
    pub(super) fn records(&self) -> u64 {
        self.records
    }

    /// Returns the record of these counts.
    pub(super) fn record(&self) -> RecordWriter {
        let mut record = RecordWriter::of("server");
        record.text("event", "left_out").number("records", self.records).object("required", |required| {
            required.number("intents", self.intents).number("outcomes", self.outcomes);
            required.number("others", self.others);
        });
        record
    }
}
