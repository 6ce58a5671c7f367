//! Compares checkpoints, the log's own and those stored elsewhere, with the records of a log.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, Read, Take},
    path::Path,
    sync::mpsc::{self, Receiver, SyncSender},
    thread,
};

use super::{
    keys::SignatureStatus,
    summary::{Gap, Summary},
};
use crate::{
    audit::{
        chain::Hash,
        checkpoint_file::{self, LINE, is_torn},
        signed_note::{Checkpoint, VerifierKey},
    },
    file_system,
};

const OWN: &str = "a checkpoint";
/// A checkpoint that an operator stored elsewhere.
pub(super) const EXPORTED: &str = "a checkpoint stored elsewhere";
/// The checkpoint that the server keeps beside the signing key.
pub(super) const KEPT: &str = "the checkpoint kept beside the signing key";
/// The most bytes of a note.
const MAX_NOTE_BYTES: usize = 8_192;
/// The most checkpoints that are read ahead.
const MAX_QUEUED_CHECKPOINTS: usize = 256;

/// A checkpoint whose signature was checked.
type CheckedCheckpoint = (Checkpoint, SignatureStatus);

/// A checkpoint that is not in the log's folder, and where it comes from.
pub(super) type OtherCheckpoint = (Checkpoint, &'static str);

/// A part of the file of checkpoints.
#[derive(Debug)]
enum FilePart {
    Checkpoint(Checkpoint, SignatureStatus),
    NotACheckpoint,
}

/// Checkpoints of a log, and the records that they cover.
#[derive(Debug)]
pub(crate) struct CheckpointCheck {
    own: Receiver<FilePart>,
    /// The next of the log's own checkpoints.
    pending: Option<CheckedCheckpoint>,
    exported: VecDeque<(CheckedCheckpoint, &'static str)>,
    /// The number of records that the kept checkpoint covers.
    kept: u64,
    has_keys: bool,
    /// The number of the first record of the log. Those before it were removed.
    first: u64,
    /// The number of checkpoints of records before it.
    pub(crate) out_of_reach: u64,
    /// The number of records of the first checkpoint that one of the keys signed.
    pub(super) first_signed: Option<u64>,
    /// The number of records up to the newest checkpoint of any kind that one of the keys signed.
    covered: u64,
    /// The number of records of the last own checkpoint.
    last: u64,
    /// The number of the log's own checkpoints.
    pub(crate) count: u64,
    /// The number of records up to the newest own checkpoint that one of the keys signed.
    pub(crate) signed: Option<u64>,
    /// The same of the checkpoints stored elsewhere.
    pub(crate) exported_signed: Option<u64>,
    /// The same of the checkpoint kept beside the signing key.
    pub(crate) kept_signed: Option<u64>,
}

impl CheckpointCheck {
    /// Begins to read the log's own checkpoints. A thread checks their signatures, since that takes time.
    pub(super) fn new<'scope>(
        scope: &'scope thread::Scope<'scope, '_>,
        own: Option<FileSnapshot>,
        exported: Vec<OtherCheckpoint>,
        keys: &'scope [VerifierKey],
    ) -> Self {
        let (parts, receiver) = mpsc::sync_channel(MAX_QUEUED_CHECKPOINTS);
        if let Some(own) = own {
            scope.spawn(move || read(own, keys, &parts));
        }
        let kept = exported.iter().filter(|(_, source)| *source == KEPT);
        let kept = kept.map(|(checkpoint, _)| checkpoint.head.next).max().unwrap_or_default();
        let mut exported: Vec<_> = exported
            .into_iter()
            .map(|(checkpoint, source)| {
                let status = checkpoint.check(keys);
                ((checkpoint, status), source)
            })
            .collect();
        exported.sort_by_key(|((checkpoint, _), _)| checkpoint.head.next);
        Self {
            own: receiver,
            pending: None,
            exported: exported.into(),
            kept,
            has_keys: !keys.is_empty(),
            first: 0,
            out_of_reach: 0,
            first_signed: None,
            covered: 0,
            last: 0,
            count: 0,
            signed: None,
            exported_signed: None,
            kept_signed: None,
        }
    }

    /// Sets the first record of a log whose beginning is missing. Checkpoints before it cannot be compared.
    pub(super) fn begin(&mut self, seq: u64, prev: &Hash, summary: &mut Summary) {
        self.first = seq;
        self.settle(seq, Some(prev), summary);
    }

    /// Compares the checkpoints of the first `next` records with the digest of the last of them.
    #[inline]
    pub(super) fn compare(&mut self, next: u64, hash: &Hash, summary: &mut Summary) {
        if self.pending.as_ref().is_some_and(|(checkpoint, _)| checkpoint.head.next > next)
            && self.exported.front().is_none_or(|((checkpoint, _), _)| checkpoint.head.next > next)
        {
            return;
        }
        self.settle(next, Some(hash), summary);
    }

    /// Settles every checkpoint of at most `next` records.
    fn settle(&mut self, next: u64, hash: Option<&Hash>, summary: &mut Summary) {
        while self.exported.front().is_some_and(|((checkpoint, _), _)| checkpoint.head.next <= next) {
            let Some((checked, source)) = self.exported.pop_front() else { break };
            if self.holds(&checked, source, next, hash, summary) {
                let records = checked.0.head.next;
                self.cover(records, summary);
                if records >= self.first {
                    let signed =
                        if source == KEPT { &mut self.kept_signed } else { &mut self.exported_signed };
                    *signed = Some(records);
                }
            }
        }
        loop {
            self.pull(summary);
            let Some(checked) = self.pending.take_if(|(checkpoint, _)| checkpoint.head.next <= next) else {
                return;
            };
            let (records, last) = (checked.0.head.next, self.last);
            if records <= last {
                summary.add(None, format!("{OWN} of {records} records follows one of {last}"));
            }
            self.last = records;
            if self.holds(&checked, OWN, next, hash, summary) {
                self.cover(records, summary);
                if records >= self.first {
                    self.signed = Some(records);
                }
            }
        }
    }

    /// Takes a good checkpoint of the first `records` records. It shows that they are those that its process signed; whether
    /// they are those that earlier processes wrote, only earlier checkpoints show.
    fn cover(&mut self, records: u64, summary: &mut Summary) {
        let start = std::mem::take(&mut summary.last_start);
        if start.signed_before > self.covered {
            let (signed, covered) = (start.signed_before, self.covered);
            summary.add(
                None,
                format!(
                    "checkpoints are missing: a start recorded {signed} signed records, and {covered} are"
                ),
            );
        }
        if start.records_before > self.covered {
            summary.gaps.push(Gap { first: self.covered, last: start.records_before - 1 });
        }
        self.covered = records;
        self.first_signed.get_or_insert(records);
    }

    /// Reads the next of the log's own checkpoints.
    fn pull(&mut self, summary: &mut Summary) {
        while self.pending.is_none() {
            match self.own.recv() {
                Ok(FilePart::Checkpoint(checkpoint, status)) => {
                    self.count += 1;
                    self.pending = Some((checkpoint, status));
                }
                Ok(FilePart::NotACheckpoint) => {
                    summary.add(None, "a part of the file of checkpoints is not a checkpoint");
                }
                Err(_) => return,
            }
        }
    }

    /// Whether a checkpoint agrees with the log and is signed with one of the keys.
    fn holds(
        &mut self,
        (checkpoint, status): &CheckedCheckpoint,
        source: &str,
        next: u64,
        hash: Option<&Hash>,
        summary: &mut Summary,
    ) -> bool {
        let records = checkpoint.head.next;
        let wrong = if checkpoint.log != summary.log {
            "is of another log"
        } else if self.has_keys && *status == SignatureStatus::Bad {
            "has a signature that its key did not make"
        } else if self.has_keys && *status == SignatureStatus::Unknown {
            "is signed by a key that was not given"
        } else if records > next {
            "covers more records than there are: the end of the log is missing"
        } else if records < self.first {
            self.out_of_reach += 1;
            return *status == SignatureStatus::Good;
        } else if records == next && hash.is_some_and(|hash| *hash == checkpoint.head.hash) {
            return *status == SignatureStatus::Good;
        } else if records == next && hash.is_some() {
            "was made of other records than these"
        } else {
            "cannot be compared: its last record is missing"
        };
        summary.add(None, format!("{source} of {records} records {wrong}"));
        false
    }

    /// Settles the other checkpoints. The log ends after `records` records.
    pub(super) fn finish(&mut self, records: u64, summary: &mut Summary) {
        while let Some((checked, source)) = self.exported.pop_front() {
            self.holds(&checked, source, records, None, summary);
        }
        loop {
            self.pull(summary);
            let Some(checked) = self.pending.take() else { break };
            self.last = checked.0.head.next;
            self.holds(&checked, OWN, records, None, summary);
        }
        if self.kept > self.last {
            let (kept, last) = (self.kept, self.last);
            summary.add(
                None,
                format!("{KEPT} is of {kept} records, and the last in the log's folder of {last}"),
            );
        }
        if self.has_keys && self.signed.is_none() && self.exported_signed.is_none() {
            summary.add(None, "not one record is signed with a key that was given");
        }
    }
}

/// The file of checkpoints up to the length that it had when the check began.
type FileSnapshot = Take<File>;

/// Opens the checkpoints of a log; `None` if the file does not exist.
pub(super) fn snapshot(folder: &Path) -> io::Result<Option<FileSnapshot>> {
    let path = checkpoint_file::file(folder);
    match file_system::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io::Error::other(format!("`checkpoints`: {error}"))),
        Ok(file) => {
            let len = file.metadata()?.len();
            Ok(Some(file.take(len)))
        }
    }
}

/// Reads notes one after another.
fn read(mut file: impl Read, keys: &[VerifierKey], parts: &SyncSender<FilePart>) {
    let mut text = Vec::new();
    loop {
        let mut buffer = [0; MAX_NOTE_BYTES];
        let read = match file.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(read) => read,
        };
        text.extend_from_slice(&buffer[..read]);
        let mut used = 0;
        while let Some(end) = end_of_note(&text[used..]) {
            // The check may have ended with an error.
            let _ = parts.send(checked(&text[used..used + end], keys));
            used += end;
        }
        text.drain(..used);
        if text.len() > MAX_NOTE_BYTES {
            let _ = parts.send(FilePart::NotACheckpoint);
            return;
        }
    }
    if !is_torn(&String::from_utf8_lossy(&text)) {
        let _ = parts.send(FilePart::NotACheckpoint);
    }
}

/// Returns the end of the first note: the end of the line after its first empty line.
fn end_of_note(text: &[u8]) -> Option<usize> {
    let signature = memchr::memmem::find(text, b"\n\n")? + 2;
    Some(signature + memchr::memchr(b'\n', &text[signature..])? + 1)
}

fn checked(bytes: &[u8], keys: &[VerifierKey]) -> FilePart {
    let note = str::from_utf8(bytes).ok().and_then(Checkpoint::parse);
    note.map_or(FilePart::NotACheckpoint, |(checkpoint, _)| {
        let status = checkpoint.check(keys);
        FilePart::Checkpoint(checkpoint, status)
    })
}

/// Reads checkpoints that were stored elsewhere: notes one after another, or lines of a server's stderr among others.
pub(crate) fn exported(text: &str) -> Vec<Checkpoint> {
    let of_lines = text.lines().filter_map(|line| {
        let json = line.split_once(LINE)?.1.trim();
        let note: String = serde_json::from_str(json).ok()?;
        Some(Checkpoint::parse(&note)?.0)
    });
    let mut checkpoints: Vec<Checkpoint> = of_lines.collect();
    let mut rest = text;
    while checkpoints.is_empty() || rest.len() < text.len() {
        let Some((checkpoint, len)) = Checkpoint::parse(rest) else { break };
        checkpoints.push(checkpoint);
        rest = &rest[len..];
    }
    checkpoints
}
