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
    note_keeper::NoteKeeper,
    options::{CheckpointInterval, LogOptions},
};
use crate::{
    audit::{
        chain::Head,
        checkpoint_file::{LINE, file, is_torn},
        signed_note::{Checkpoint, Signer},
    },
    file_system,
    message::Message,
    stderr,
};

/// The bytes at the end of the file that hold at least one whole note.
const TAIL_BYTES: u64 = 4_096;
/// The shortest time between two notes that are kept beside the key. Under load there are hundreds a second.
const KEEP_INTERVAL: Duration = Duration::from_millis(100);

/// Signs a log that is written.
pub(super) struct Checkpoints {
    path: PathBuf,
    tail: AppendFile,
    disk: Disk,
    signer: Signer,
    keeper: NoteKeeper,
    interval: CheckpointInterval,
    /// The number of signed records.
    signed: u64,
    /// The time of the first record that is not signed.
    dirty: Option<Instant>,
    /// The last note, unless it is kept beside the key.
    unkept: Option<String>,
    kept_at: Option<Instant>,
    to_stderr: bool,
}

/// The last whole checkpoint of the file.
pub(super) struct LastCheckpoint {
    pub(super) checkpoint: Checkpoint,
    /// The beginning of another one behind it.
    pub(super) torn: Vec<u8>,
}

/// Reads the last checkpoint of a log. A crash may leave the beginning of another one behind it; anything else there is an
/// error.
pub(super) fn last(folder: &Path) -> Result<Option<LastCheckpoint>, Message> {
    let path = file(folder);
    let shown = path.display();
    let unread = |error: io::Error| Message::failure(&format!("`{shown}` cannot be read"), &error);
    let mut file = match file_system::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unread(error)),
        Ok(file) => file,
    };
    let (start, bytes) = read_tail(&mut file).map_err(unread)?;
    let changed =
        || Message::new(format!("the audit log was changed: the end of `{shown}` is not a checkpoint"));
    let mut rest = match start {
        0 => &bytes[..],
        _ => &bytes[memchr::memmem::find(&bytes, b"\ncandor audit log ").ok_or_else(changed)? + 1..],
    };
    let mut last = None;
    while let Some((checkpoint, len)) = Checkpoint::parse(valid_text(rest)) {
        rest = &rest[len..];
        last = Some(checkpoint);
    }
    match last {
        _ if !is_torn(&String::from_utf8_lossy(rest)) => Err(changed()),
        // Only a crash at the first note leaves such a file.
        None if start > 0 => Err(changed()),
        None => Ok(None),
        Some(checkpoint) => Ok(Some(LastCheckpoint { checkpoint, torn: rest.to_vec() })),
    }
}

/// Returns the text up to the first byte that is not UTF-8. A crash may cut a character.
fn valid_text(bytes: &[u8]) -> &str {
    let valid = match str::from_utf8(bytes) {
        Ok(text) => return text,
        Err(error) => error.valid_up_to(),
    };
    str::from_utf8(&bytes[..valid]).expect("it is valid up to here")
}

/// Reads the end of the file, and returns where it begins.
fn read_tail(file: &mut File) -> io::Result<(u64, Vec<u8>)> {
    let mut bytes = Vec::new();
    let start = file.metadata()?.len().saturating_sub(TAIL_BYTES);
    file.seek(SeekFrom::Start(start))?;
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    Ok((start, bytes))
}

/// Opens the file for the next checkpoint. What a crash left of one is removed: the next one covers the same records.
fn tail(path: &Path, torn: &[u8], disk: &Disk) -> Result<AppendFile, WriteError> {
    let path = path.to_owned();
    if path.exists() { AppendFile::open(path, torn, disk) } else { AppendFile::create(path, disk) }
}

impl Checkpoints {
    /// Continues after the last checkpoint.
    pub(super) fn open(
        folder: &Path,
        signer: Signer,
        keeper: NoteKeeper,
        last: Option<&LastCheckpoint>,
        options: &LogOptions,
    ) -> Result<Self, WriteError> {
        let (path, disk) = (file(folder), options.disk.clone());
        let torn = match last {
            Some(last) => last.torn.clone(),
            // A crash may have torn the first one.
            None => std::fs::read(&path).unwrap_or_default(),
        };
        Ok(Self {
            tail: tail(&path, &torn, &disk)?,
            path,
            disk,
            signer,
            keeper,
            interval: options.interval,
            signed: last.map_or(0, |last| last.checkpoint.head.next),
            dirty: None,
            unkept: None,
            kept_at: None,
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

    /// The time until it is time to sign or to keep a note, if no more records come.
    pub(super) fn idle_time(&self) -> Option<Duration> {
        let sign = self.dirty.map(|since| self.interval.time.saturating_sub(since.elapsed()));
        let since_kept = self.kept_at.map_or(KEEP_INTERVAL, |at| at.elapsed());
        let keep = self.unkept.as_ref().map(|_| KEEP_INTERVAL.saturating_sub(since_kept));
        sign.into_iter().chain(keep).min()
    }

    /// Signs the end of the log. The records are on the disk by then. If a power cut takes the note away, the next one
    /// covers the same records.
    pub(super) fn sign(&mut self, log: &str, head: &Head) -> Result<(), WriteError> {
        if head.next <= self.signed {
            return Ok(());
        }
        let note = self.signer.sign(log, head, &format!("{:.6}", Timestamp::now()));
        self.tail.append(|out| out.extend_from_slice(note.as_bytes()))?;
        self.signed = head.next;
        self.dirty = None;
        if self.to_stderr {
            // One line of JSON can be found again among other lines.
            stderr::line(format_args!("{LINE}{}", serde_json::Value::from(&*note)));
        }
        self.unkept = Some(note);
        Ok(())
    }

    /// Keeps the last note beside the key, if it is time, or `now`. The note is on the disk before: otherwise a power cut
    /// would leave a log that seems not to reach what was signed.
    pub(super) fn keep(&mut self, now: bool) -> Result<(), WriteError> {
        let is_due = now || self.kept_at.is_none_or(|at| at.elapsed() >= KEEP_INTERVAL);
        if let Some(note) = self.unkept.take_if(|_| is_due) {
            self.tail.sync()?;
            self.keeper.keep(&note);
            self.kept_at = Some(Instant::now());
        }
        Ok(())
    }

    /// Removes what a failed write of this process left.
    pub(super) fn cut_back(&mut self) -> Result<(), WriteError> {
        self.tail.cut_back()
    }

    /// Opens the file again. It must end as this process left it.
    pub(super) fn reopen(&mut self, last: Option<&LastCheckpoint>) -> Result<(), WriteError> {
        self.tail.is_in_place()?;
        if last.map_or(0, |last| last.checkpoint.head.next) != self.signed {
            let why = "the checkpoints do not end as this process left them";
            return Err(WriteError::Changed(Message::new(why)));
        }
        self.tail = tail(&self.path, &[], &self.disk)?;
        Ok(())
    }

    pub(super) fn signer(&self) -> &Signer {
        &self.signer
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
        let keeper = NoteKeeper::new(folder.path().join("kept"), None);
        let open = Checkpoints::open(folder.path(), signer, keeper, None, &options);
        let mut checkpoints = open.expect("the folder can be written");
        for (next, notes) in [(10, 1), (10, 1), (5, 1), (11, 2)] {
            checkpoints.sign("5f3a", &Head { next, ..Head::START }).expect("the disk has space");
            let text = std::fs::read_to_string(file(folder.path())).unwrap();
            assert_eq!(text.matches("candor audit log").count(), notes, "{next}");
        }
    }
}
