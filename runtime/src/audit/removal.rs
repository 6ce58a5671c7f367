//! Describes the records that retention removed from the beginning of a log, as a signed note (C2SP signed-note, Ed25519).
//!
//! The first record of each later segment holds the note, so that the chain covers it, and so that it outlives the segment in
//! which it was written.

use std::fmt::Write as _;

use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};

use super::{
    chain::Head,
    hex::{hex_number, unhex_number},
    signed_note::{NoteSignature, Signer},
};

/// The first words of the note; the log's id follows. They differ from those of a checkpoint, so that neither is taken for
/// the other.
const REMOVAL_ORIGIN: &str = "candor audit removal ";
/// The member of a segment's first record that holds the note.
pub(super) const REMOVAL_MEMBER: &str = "removed";
/// The most calls that may be in flight where the removed records end. A line of the log has space for their ids.
pub(super) const MAX_OPEN_CALLS: usize = 256;

/// The beginning of a log that was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Removal {
    /// The id of the log.
    pub(crate) log: String,
    /// The end of the removed records: their number, and the digest of the last.
    pub(super) head: Head,
    /// The number of removed segments.
    pub(crate) segments: u32,
    /// The time of the first removed record, and the newest time in them.
    pub(crate) from: String,
    pub(crate) to: String,
    /// The time of the last removal.
    pub(crate) at: String,
    /// The age in seconds from which on records were removed.
    pub(crate) age: u64,
    /// The program and the user that removed them.
    pub(crate) by: String,
    /// How often records were removed from this log.
    pub(crate) count: u64,
    /// The calls whose intent was removed, and whose outcome is in the rest.
    pub(crate) open: Vec<u128>,
}

/// A removal as it was read. Its signature is not checked yet.
#[derive(Clone, Debug)]
pub(crate) struct RemovalNote {
    pub(crate) removal: Removal,
    /// The text that is signed.
    pub(super) text: String,
    /// `None` if the log was not signed.
    pub(super) signature: Option<NoteSignature>,
}

impl Removal {
    /// The number of removed records.
    pub(crate) fn records(&self) -> u64 {
        self.head.next
    }

    /// Returns the note, signed if the log is.
    pub(super) fn note(&self, signer: Option<&Signer>) -> String {
        let text = self.text();
        match signer {
            Some(signer) => signer.sign_text(&text),
            None => text,
        }
    }

    fn text(&self) -> String {
        let mut text =
            format!("{REMOVAL_ORIGIN}{}\n{}\n{}\n", self.log, self.head.next, BASE64.encode(self.head.hash));
        let Self { segments, from, to, at, age, by, count, .. } = self;
        let _ = writeln!(
            text,
            "segments {segments}\nfrom {from}\nto {to}\nremoved {at}\nolder_than {age}\nby {by}\ncount {count}"
        );
        text += "open";
        for &call in &self.open {
            text.push(' ');
            text += &hex_number(call);
        }
        text.push('\n');
        text
    }

    /// Reads the text of a note.
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.strip_prefix(REMOVAL_ORIGIN)?.lines();
        let log = lines.next()?.to_owned();
        let next = lines.next()?.parse().ok()?;
        let hash = BASE64.decode(lines.next()?).ok()?.try_into().ok()?;
        let mut value = |key: &str| lines.next()?.strip_prefix(key)?.strip_prefix(' ').map(str::to_owned);
        let removal = Self {
            log,
            head: Head { next, hash },
            segments: value("segments")?.parse().ok()?,
            from: value("from")?,
            to: value("to")?,
            at: value("removed")?,
            age: value("older_than")?.parse().ok()?,
            by: value("by")?,
            count: value("count")?.parse().ok()?,
            open: lines
                .next()?
                .strip_prefix("open")?
                .split_terminator(' ')
                .skip(1)
                .map(call)
                .collect::<Option<_>>()?,
        };
        // A note has exactly one form.
        (removal.text() == text).then_some(removal)
    }
}

/// Reads the removal that a note describes, without its signature. `None` if the text is not such a note.
#[cfg(feature = "cli")]
pub(crate) fn removal_of(note: &str) -> Option<Removal> {
    RemovalNote::parse(note).map(|note| note.removal)
}

fn call(hex: &str) -> Option<u128> {
    unhex_number(hex.as_bytes().try_into().ok()?)
}

impl RemovalNote {
    /// Reads a note. `None` if it is not that of a removal.
    pub(super) fn parse(note: &str) -> Option<Self> {
        let (text, signature) = match note.split_once("\n\n") {
            None => (note.to_owned(), None),
            Some((text, line)) => (format!("{text}\n"), Some(NoteSignature::parse(line)?)),
        };
        Some(Self { removal: Removal::parse(&text)?, text, signature })
    }

    /// Reads the note in the first record of a segment. `None` if it has none.
    pub(super) fn of_opening(members: &serde_json::Value) -> Option<Self> {
        Self::parse(members[REMOVAL_MEMBER].as_str()?)
    }

    /// Returns the whole note.
    pub(super) fn note(&self) -> String {
        match &self.signature {
            None => self.text.clone(),
            Some(signature) => signature.under(&self.text),
        }
    }

    /// Whether this key signed the note. Without a key, every note of the log is accepted, as its records are.
    pub(super) fn is_trusted(&self, signer: Option<&Signer>) -> bool {
        let made = |signer: &Signer| {
            let signature = self.signature.as_ref()?;
            signer.made(signature, &self.text)
        };
        signer.is_none_or(|signer| made(signer) == Some(true))
    }
}

#[cfg(test)]
mod tests {
    use crate::audit::removal::*;

    fn removal(open: Vec<u128>) -> Removal {
        Removal {
            log: "5f3a".to_owned(),
            head: Head { next: 52_110, hash: [9; 32] },
            segments: 12,
            from: "2026-01-01T00:00:00.000000Z".to_owned(),
            to: "2026-05-01T00:00:00.000000Z".to_owned(),
            at: "2026-11-21T12:00:00.000000Z".to_owned(),
            age: 90 * 86_400,
            by: "`audit prune`, uid 1000".to_owned(),
            count: 3,
            open,
        }
    }

    #[test]
    fn removal_reads_back_as_it_was_signed_and_every_changed_byte_is_detected() {
        let signer = Signer::new("prices".to_owned(), &[7; 32]);
        for open in [vec![], vec![1, u128::MAX]] {
            let removal = removal(open);
            let unsigned = RemovalNote::parse(&removal.note(None)).unwrap();
            assert!(unsigned.removal == removal && unsigned.signature.is_none());
            assert!(unsigned.is_trusted(None) && !unsigned.is_trusted(Some(&signer)));
            let note = removal.note(Some(&signer));
            let signed = RemovalNote::parse(&note).unwrap();
            assert_eq!((&signed.removal, signed.note()), (&removal, note.clone()));
            assert!(signed.is_trusted(Some(&signer)));
            for at in 0..note.len() {
                let mut bytes = note.clone().into_bytes();
                bytes[at] ^= 1;
                let read = String::from_utf8(bytes).ok().and_then(|note| RemovalNote::parse(&note));
                assert!(!read.is_some_and(|read| read.is_trusted(Some(&signer))), "byte {at}");
            }
        }
    }

    #[test]
    fn checkpoint_is_not_taken_for_a_removal() {
        let signer = Signer::new("prices".to_owned(), &[7; 32]);
        let checkpoint = signer.sign("5f3a", &Head::START, "2026-11-21T12:00:00Z");
        assert!(RemovalNote::parse(&checkpoint).is_none());
    }
}
