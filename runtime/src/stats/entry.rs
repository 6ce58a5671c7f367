//! Reads the members of a record that are counted.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::Deserialize;

use crate::audit::removal_of;

/// The members of a record that are counted. Members that a record does not have are empty.
#[derive(Deserialize)]
pub(super) struct LogEntry<'a> {
    pub(super) seq: u64,
    #[serde(borrow)]
    ts: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) kind: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) event: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) tool: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) call_id: Cow<'a, str>,
    /// The end of a read; a read without one succeeded.
    #[serde(borrow, default)]
    status: Cow<'a, str>,
    #[serde(borrow, default)]
    reason: Cow<'a, str>,
    #[serde(default)]
    us: Option<u64>,
    #[serde(borrow, default)]
    outcome: EntryOutcome<'a>,
    #[serde(borrow, default)]
    pub(super) decision: EntryDecision<'a>,
    #[serde(default)]
    pub(super) idempotency: EntryKey,
    /// The number of records that were left out.
    #[serde(default)]
    pub(super) records: u64,
    /// The signed note of the records that retention removed from the beginning of the log.
    #[serde(borrow, default)]
    removed: Cow<'a, str>,
    /// Denials that were counted instead of being recorded one by one.
    #[serde(borrow, default)]
    pub(super) denied: Vec<EntryDenials<'a>>,
}

#[derive(Default, Deserialize)]
struct EntryOutcome<'a> {
    #[serde(borrow, default)]
    status: Cow<'a, str>,
    #[serde(borrow, default)]
    reason: Cow<'a, str>,
    #[serde(default)]
    duration_us: Option<u64>,
}

#[derive(Default, Deserialize)]
pub(super) struct EntryDecision<'a> {
    #[serde(borrow, default)]
    pub(super) denied_by: Cow<'a, str>,
}

#[derive(Default, Deserialize)]
pub(super) struct EntryKey {
    #[serde(default)]
    pub(super) replayed: bool,
}

#[derive(Deserialize)]
pub(super) struct EntryDenials<'a> {
    #[serde(borrow, default)]
    pub(super) denied_by: Cow<'a, str>,
    #[serde(default)]
    pub(super) denials: u64,
}

/// The end of a call.
pub(super) struct CallEnd<'a> {
    pub(super) status: &'a str,
    pub(super) reason: &'a str,
    pub(super) us: u64,
}

impl<'a> LogEntry<'a> {
    /// Reads a line of a log; `None` if it is not a record.
    pub(super) fn read(line: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }

    /// The time of the record, in microseconds since 1970.
    pub(super) fn time(&self) -> Option<i64> {
        self.ts.parse::<Timestamp>().ok().map(Timestamp::as_microsecond)
    }

    /// Returns the number of records that retention removed, if the record says. Its signature is not checked here.
    pub(super) fn removed_records(&self) -> Option<u64> {
        removal_of(&self.removed).map(|removal| removal.records())
    }

    /// Returns the end of the call, if the record has one.
    pub(super) fn end(&self) -> Option<CallEnd<'_>> {
        let (status, reason, us) = match &*self.kind {
            "outcome" => (&*self.outcome.status, &*self.outcome.reason, self.outcome.duration_us),
            "read" if self.status.is_empty() => ("ok", &*self.reason, self.us),
            "read" => (&*self.status, &*self.reason, self.us),
            _ => return None,
        };
        Some(CallEnd { status, reason, us: us? })
    }
}
