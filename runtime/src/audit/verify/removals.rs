//! Checks that the records which a log no longer has were removed by its retention, and not by hand.

use super::{
    keys::SignatureStatus,
    summary::{Location, RemovedBeginning, Summary},
};
use crate::audit::{
    chain::Hash,
    removal::{MAX_OPEN_CALLS, Removal, RemovalNote},
    signed_note::VerifierKey,
};

/// The first record of a log whose first segments are missing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beginning {
    pub(super) segment: u32,
    pub(super) seq: u64,
    pub(super) prev: Option<Hash>,
}

/// The recorded removals of a log, and what they must explain.
#[derive(Clone, Debug, Default)]
pub(super) struct Removals {
    /// `None` if the log begins with its first segment.
    beginning: Option<Beginning>,
    /// The latest note so far, and where it was recorded first.
    latest: Option<(RemovalNote, Location)>,
    /// The notes before it. An earlier one explains nothing that the latest does not.
    earlier: Vec<(RemovalNote, Location)>,
    /// The outcomes of calls whose intents were not read.
    ended: Vec<(Location, u128)>,
}

/// The most removals of one log that are compared with each other; the records of others are in removed segments.
const MAX_EARLIER_REMOVALS: usize = 4_096;

impl Removals {
    pub(super) fn begin(&mut self, beginning: Beginning) {
        self.beginning = Some(beginning);
    }

    pub(super) fn beginning(&self) -> Option<Beginning> {
        self.beginning
    }

    /// Takes the note in the first record of a segment, and says what is wrong with it.
    pub(super) fn take(&mut self, note: RemovalNote, at: Location, log: &str) -> Option<&'static str> {
        let seq = at.seq.unwrap_or_default();
        let removal = &note.removal;
        if removal.log != log {
            return Some("the record of a removal is of another log");
        }
        if removal.segments >= at.segment || removal.head.next > seq {
            return Some("the record of a removal names records that were written after it");
        }
        if let Some((latest, _)) = &self.latest {
            if latest.note() == note.note() {
                return None;
            }
            let before = &latest.removal;
            let follows = removal.segments > before.segments
                && removal.head.next > before.head.next
                && removal.count > before.count;
            if !follows {
                return Some("the record of a removal does not follow the one before it");
            }
        }
        if let Some(before) = self.latest.replace((note, at))
            && self.earlier.len() < MAX_EARLIER_REMOVALS
        {
            self.earlier.push(before);
        }
        None
    }

    /// The record of a segment lacks the note that an earlier segment had.
    pub(super) fn is_missing(&self) -> bool {
        self.latest.is_some()
    }

    /// Takes the outcome of a call whose intent may be in a removed segment. `false` if it cannot be.
    pub(super) fn ends(&mut self, at: Location, call: u128) -> bool {
        let admits = self.beginning.is_some() && self.ended.len() < 2 * MAX_OPEN_CALLS;
        if admits {
            self.ended.push((at, call));
        }
        admits
    }

    /// Settles what the removals explain. `first_signed` is the number of records of the first checkpoint that one of the keys
    /// signed.
    pub(super) fn finish(self, keys: &[VerifierKey], first_signed: Option<u64>, summary: &mut Summary) {
        for (note, at) in self.earlier.iter().chain(&self.latest) {
            if let Some(wrong) = untrusted(note, *at, keys, first_signed) {
                summary.add(Some(*at), wrong);
            }
        }
        let removal = self.latest.as_ref().map(|(note, _)| &note.removal);
        let explained = removal.map_or(0, |removal| removal.segments);
        if let Some(beginning) = self.beginning {
            let is_next = |removal: &Removal| {
                beginning.segment == removal.segments + 1
                    && beginning.seq == removal.head.next
                    && beginning.prev == Some(removal.head.hash)
            };
            let is_rest = |removal: &Removal| beginning.segment <= removal.segments;
            if !removal.is_some_and(|removal| is_next(removal) || is_rest(removal)) {
                missing(beginning, explained, summary);
            }
        }
        let is_open = |call: &u128| removal.is_some_and(|removal| removal.open.binary_search(call).is_ok());
        for (at, call) in &self.ended {
            if at.segment > explained && !is_open(call) {
                summary.add(Some(*at), "it ends a call that never began");
            }
        }
        if let Some((note, at)) = self.latest {
            let first = self.beginning.map_or(1, |beginning| beginning.segment);
            summary.removed = Some(RemovedBeginning {
                is_signed: note.signature.is_some() && !keys.is_empty(),
                left: note.removal.segments.saturating_sub(first - 1),
                recorded: at.seq.unwrap_or_default(),
                digest: note.removal.head.hash,
                removal: note.removal,
            });
        }
    }
}

/// Says which segments are missing although no removal took them.
fn missing(beginning: Beginning, explained: u32, summary: &mut Summary) {
    let missing = beginning.segment - 1 - explained;
    let what = match missing {
        0 => "it does not follow the removed segments".to_owned(),
        1 => "the segment is missing".to_owned(),
        more => format!("this segment and the {} after it are missing", more - 1),
    };
    let what = match explained {
        0 => what,
        _ => format!("{what}, and the recorded removal is of segments 1 to {explained}"),
    };
    summary.add(Some(Location { segment: explained + 1, line: 0, seq: None }), what);
}

/// Says why a note shows nothing.
fn untrusted(
    note: &RemovalNote,
    at: Location,
    keys: &[VerifierKey],
    first_signed: Option<u64>,
) -> Option<&'static str> {
    if keys.is_empty() {
        return None;
    }
    match &note.signature {
        // A log that was not signed at the time has unsigned records of removals as well.
        None if first_signed.is_none_or(|first| first <= at.seq.unwrap_or_default()) => {
            Some("the record of a removal is not signed, and the log was")
        }
        None => None,
        Some(signature) => match signature.check(&note.text, keys) {
            SignatureStatus::Good => None,
            SignatureStatus::Bad => Some("the record of a removal has a signature that its key did not make"),
            SignatureStatus::Unknown => Some("the record of a removal is signed by a key that was not given"),
        },
    }
}
