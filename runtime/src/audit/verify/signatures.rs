//! Checkpoints, of the log's own file and those kept elsewhere → whether they say of a log what it holds.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, Read, Take},
    path::Path,
    sync::mpsc::{self, Receiver, SyncSender},
    thread,
};

use super::{check::Summary, keys::SignatureStatus};
use crate::audit::{
    chain::Hash,
    checkpoint_file::{self, LINE, is_torn},
    signed_note::{Checkpoint, VerifierKey},
};

const OWN: &str = "a checkpoint";
const ELSEWHERE: &str = "a checkpoint kept elsewhere";
/// More than any note takes, in bytes.
const LONGEST: usize = 8_192;

/// A checkpoint that waits for its record.
#[derive(Debug)]
enum Waiting {
    Checkpoint(Checkpoint, SignatureStatus),
    /// A part of the file that is none.
    Broken,
}

/// What checkpoints say of a log.
#[derive(Debug)]
pub(crate) struct CheckpointCheck {
    own: Receiver<Waiting>,
    waiting: Option<(Checkpoint, SignatureStatus)>,
    exported: VecDeque<(Checkpoint, SignatureStatus)>,
    has_keys: bool,
    last: u64,
    /// Checkpoints of the log's own file.
    pub(crate) checkpoints: u64,
    /// The records up to the newest of them that is signed with one of the keys.
    pub(crate) signed: Option<u64>,
    /// The same of those kept elsewhere.
    pub(crate) exported_signed: Option<u64>,
}

impl CheckpointCheck {
    /// Reads the log's own checkpoints on a thread of their own: signatures take their time.
    pub(super) fn new<'scope>(
        scope: &'scope thread::Scope<'scope, '_>,
        own: Option<Snapshot>,
        exported: Vec<Checkpoint>,
        keys: &'scope [VerifierKey],
    ) -> Self {
        let (give, take) = mpsc::sync_channel(256);
        if let Some(own) = own {
            scope.spawn(move || read(own, keys, &give));
        }
        let mut exported: Vec<(Checkpoint, SignatureStatus)> = exported
            .into_iter()
            .map(|checkpoint| {
                let status = checkpoint.check(keys);
                (checkpoint, status)
            })
            .collect();
        exported.sort_by_key(|(checkpoint, _)| checkpoint.head.next);
        Self {
            own: take,
            waiting: None,
            exported: exported.into(),
            has_keys: !keys.is_empty(),
            last: 0,
            checkpoints: 0,
            signed: None,
            exported_signed: None,
        }
    }

    /// Compares what was signed of the first `next` records with the digest of the last of them.
    #[inline]
    pub(super) fn compare(&mut self, next: u64, hash: &Hash, summary: &mut Summary) {
        if self.waiting.as_ref().is_some_and(|(waiting, _)| waiting.head.next > next)
            && self.exported.front().is_none_or(|(waiting, _)| waiting.head.next > next)
        {
            return;
        }
        self.settle(next, Some(hash), summary);
    }

    /// Settles every checkpoint of at most `next` records.
    fn settle(&mut self, next: u64, hash: Option<&Hash>, summary: &mut Summary) {
        while self.exported.front().is_some_and(|(one, _)| one.head.next <= next) {
            let Some(waiting) = self.exported.pop_front() else { break };
            if self.holds(&waiting, ELSEWHERE, next, hash, summary) {
                self.exported_signed = Some(waiting.0.head.next);
            }
        }
        loop {
            self.pull(summary);
            let Some(waiting) = self.waiting.take_if(|(one, _)| one.head.next <= next) else { return };
            let (records, last) = (waiting.0.head.next, self.last);
            if records <= last {
                summary.find(None, format!("{OWN} of {records} records stands behind one of {last}"));
            }
            self.last = records;
            if self.holds(&waiting, OWN, next, hash, summary) {
                self.signed = Some(records);
            }
        }
    }

    /// The next of the log's own checkpoints.
    fn pull(&mut self, summary: &mut Summary) {
        while self.waiting.is_none() {
            match self.own.recv() {
                Ok(Waiting::Checkpoint(checkpoint, status)) => {
                    self.checkpoints += 1;
                    self.waiting = Some((checkpoint, status));
                }
                Ok(Waiting::Broken) => {
                    summary.find(None, "a part of the file of checkpoints is no checkpoint")
                }
                Err(_) => return,
            }
        }
    }

    /// Whether a checkpoint says of the log what it holds, and one of the keys signed it.
    fn holds(
        &self,
        (checkpoint, status): &(Checkpoint, SignatureStatus),
        whose: &str,
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
            "speaks of more records than there are: the end of the log is missing"
        } else if records == next && hash.is_some_and(|hash| *hash == checkpoint.head.hash) {
            return *status == SignatureStatus::Good;
        } else if records == next && hash.is_some() {
            "was made of other records than these"
        } else {
            "cannot be compared: the record that it ends with is not there"
        };
        summary.find(None, format!("{whose} of {records} records {wrong}"));
        false
    }

    /// The log has ended after so many records.
    pub(super) fn finish(&mut self, records: u64, summary: &mut Summary) {
        while let Some(waiting) = self.exported.pop_front() {
            self.holds(&waiting, ELSEWHERE, records, None, summary);
        }
        loop {
            self.pull(summary);
            let Some(waiting) = self.waiting.take() else { break };
            self.holds(&waiting, OWN, records, None, summary);
        }
        if self.has_keys && self.signed.is_none() && self.exported_signed.is_none() {
            summary.find(None, "nothing in it is signed with a key that was given");
        }
    }
}

/// The file of checkpoints up to the length that it had when the check began.
type Snapshot = Take<File>;

/// Opens the checkpoints of a log; `None` if there are none.
pub(super) fn snapshot(folder: &Path) -> io::Result<Option<Snapshot>> {
    let path = checkpoint_file::file(folder);
    match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Ok(metadata) if metadata.is_file() => Ok(Some(File::open(path)?.take(metadata.len()))),
        Ok(_) => Err(io::Error::other("`checkpoints` is no file")),
        Err(error) => Err(error),
    }
}

/// Reads notes one after another.
fn read(mut file: impl Read, keys: &[VerifierKey], give: &SyncSender<Waiting>) {
    let mut text = Vec::new();
    loop {
        let mut piece = [0; LONGEST];
        let read = match file.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(read) => read,
        };
        text.extend_from_slice(&piece[..read]);
        let mut used = 0;
        while let Some(end) = end_of_note(&text[used..]) {
            // A check that ended has nobody who listens.
            let _ = give.send(waiting(&text[used..used + end], keys));
            used += end;
        }
        text.drain(..used);
        if text.len() > LONGEST {
            let _ = give.send(Waiting::Broken);
            return;
        }
    }
    if !is_torn(&String::from_utf8_lossy(&text)) {
        let _ = give.send(Waiting::Broken);
    }
}

/// Where the first note ends: behind the line that follows its first empty line.
fn end_of_note(text: &[u8]) -> Option<usize> {
    let signature = memchr::memmem::find(text, b"\n\n")? + 2;
    Some(signature + memchr::memchr(b'\n', &text[signature..])? + 1)
}

fn waiting(bytes: &[u8], keys: &[VerifierKey]) -> Waiting {
    let note = str::from_utf8(bytes).ok().and_then(Checkpoint::parse);
    note.map_or(Waiting::Broken, |(checkpoint, _)| {
        let status = checkpoint.check(keys);
        Waiting::Checkpoint(checkpoint, status)
    })
}

/// The checkpoints of a text that was kept elsewhere: notes one after another, or lines of a server's stderr among any
/// others.
pub(crate) fn exported(text: &str) -> Vec<Checkpoint> {
    let of_lines = text.lines().filter_map(|line| {
        let json = line.split_once(LINE)?.1.trim();
        let note: String = serde_json::from_str(json).ok()?;
        Some(Checkpoint::parse(&note)?.0)
    });
    let mut found: Vec<Checkpoint> = of_lines.collect();
    let mut rest = text;
    while found.is_empty() || rest.len() < text.len() {
        let Some((checkpoint, len)) = Checkpoint::parse(rest) else { break };
        found.push(checkpoint);
        rest = &rest[len..];
    }
    found
}
