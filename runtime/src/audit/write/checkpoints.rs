//! Signs the end of the log at intervals, and writes the signed notes to a file and to stderr.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use jiff::Timestamp;

use super::{
    disk::{AppendFile, Disk, WriteError},
    options::{CheckpointInterval, LogOptions},
};
use crate::{
    audit::{
        chain::Head,
        checkpoint_file::{LINE, file, is_torn},
        signed_note::{Checkpoint, Signer},
        system,
    },
    message::Message,
    stderr,
};

/// The bytes at the end of the file that hold at least one whole note.
const TAIL_BYTES: u64 = 4_096;

/// Signs a log that is written.
pub(super) struct Checkpoints {
    path: PathBuf,
    tail: AppendFile,
    disk: Disk,
    signer: Signer,
    interval: CheckpointInterval,
    /// The number of signed records.
    signed: u64,
    /// The time of the first record that is not signed.
    dirty: Option<Instant>,
    to_stderr: bool,
}

/// The last whole checkpoint of the file.
pub(super) struct LastCheckpoint {
    pub(super) checkpoint: Checkpoint,
    /// The length of the file up to the end of the checkpoint.
    len: u64,
}

/// Reads the last checkpoint of a log. A crash may leave the beginning of another one behind it; anything else there is an
/// error.
pub(super) fn last(folder: &Path) -> Result<Option<LastCheckpoint>, Message> {
    let path = file(folder);
    let shown = path.display();
    let unread = |error: io::Error| Message::failure(&format!("`{shown}` cannot be read"), &error);
    let mut file = match system::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unread(error)),
        Ok(file) => file,
    };
    let (start, bytes) = read_tail(&mut file).map_err(unread)?;
    let text = String::from_utf8_lossy(&bytes);
    let changed =
        || Message::new(format!("the audit log was changed: the end of `{shown}` is not a checkpoint"));
    let mut at = match start {
        0 => 0,
        _ => text.match_indices("\ncandor audit log ").map(|(at, _)| at + 1).next().ok_or_else(changed)?,
    };
    let mut last = None;
    while let Some((checkpoint, len)) = Checkpoint::parse(&text[at..]) {
        at += len;
        last = Some(LastCheckpoint { checkpoint, len: start + at as u64 });
    }
    if is_torn(&text[at..]) { Ok(last) } else { Err(changed()) }
}

/// Reads the end of the file, and returns where it begins.
fn read_tail(file: &mut File) -> io::Result<(u64, Vec<u8>)> {
    let mut bytes = Vec::new();
    let start = file.metadata()?.len().saturating_sub(TAIL_BYTES);
    file.seek(SeekFrom::Start(start))?;
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    Ok((start, bytes))
}

/// Opens the file for the next checkpoint.
fn tail(path: &Path, last: Option<&LastCheckpoint>, disk: &Disk) -> Result<AppendFile, WriteError> {
    let path = path.to_owned();
    let mut tail =
        if path.exists() { AppendFile::open(path, disk)? } else { AppendFile::create(path, disk)? };
    let len = last.map_or(0, |last| last.len);
    if tail.len() > len {
        tail.cut(len)?;
    }
    Ok(tail)
}

impl Checkpoints {
    /// Continues after the last checkpoint.
    pub(super) fn open(
        folder: &Path,
        signer: Signer,
        last: Option<&LastCheckpoint>,
        options: &LogOptions,
    ) -> Result<Self, WriteError> {
        let (path, disk) = (file(folder), options.disk.clone());
        Ok(Self {
            tail: tail(&path, last, &disk)?,
            path,
            disk,
            signer,
            interval: options.interval,
            signed: last.map_or(0, |last| last.checkpoint.head.next),
            dirty: None,
            to_stderr: !options.quiet,
        })
    }

    /// Whether it is time to sign.
    pub(super) fn are_due(&mut self, head: &Head) -> bool {
        if head.next <= self.signed {
            return false;
        }
        let since = *self.dirty.get_or_insert_with(Instant::now);
        head.next - self.signed >= self.interval.records || since.elapsed() >= self.interval.time
    }

    /// The time until it is time to sign, if no more records come.
    pub(super) fn idle_time(&self) -> Option<Duration> {
        self.dirty.map(|since| self.interval.time.saturating_sub(since.elapsed()))
    }

    /// Signs the end of the log. The records are on the disk by then. If a power cut takes the note away, the next one
    /// covers the same records.
    pub(super) fn sign(&mut self, log: &str, head: &Head) -> Result<(), WriteError> {
        if head.next <= self.signed {
            return Ok(());
        }
        let note = self.signer.sign(log, head, &format!("{:.6}", Timestamp::now()));
        self.tail.append(note.as_bytes())?;
        self.signed = head.next;
        self.dirty = None;
        if self.to_stderr {
            // One line of JSON can be found again among other lines.
            stderr::line(format_args!("{LINE}{}", serde_json::Value::from(note)));
        }
        Ok(())
    }

    /// Makes the checkpoints survive a power cut.
    pub(super) fn sync(&self) -> Result<(), WriteError> {
        self.tail.sync()
    }

    /// Opens the file again.
    pub(super) fn reopen(&mut self, last: Option<&LastCheckpoint>) -> Result<(), WriteError> {
        self.tail.is_in_place()?;
        self.tail = tail(&self.path, last, &self.disk)?;
        self.signed = last.map_or(0, |last| last.checkpoint.head.next);
        Ok(())
    }

    /// Returns the verifier key of the signing key.
    pub(super) fn verifier_key(&self) -> String {
        self.signer.verifier_key().to_string()
    }
}

#[cfg(test)]
mod tests {
    use crate::audit::write::checkpoints::*;

    #[test]
    fn checkpoints_never_sign_the_same_or_fewer_records_again() {
        let folder = tempfile::tempdir().unwrap();
        let signer = Signer::new("prices".to_owned(), &[7; 32]);
        let options = LogOptions { quiet: true, ..LogOptions::new(folder.path().to_owned()) };
        let open = Checkpoints::open(folder.path(), signer, None, &options);
        let mut checkpoints = open.expect("the folder can be written");
        for (next, notes) in [(10, 1), (10, 1), (5, 1), (11, 2)] {
            checkpoints.sign("5f3a", &Head { next, ..Head::START }).expect("the disk has space");
            let text = std::fs::read_to_string(file(folder.path())).unwrap();
            assert_eq!(text.matches("candor audit log").count(), notes, "{next}");
        }
    }
}
