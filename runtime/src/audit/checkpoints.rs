//! Where a log ends, every so often → a signed note in a file of their own, and on stderr.

use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use jiff::Timestamp;

use super::{
    chain::Head,
    disk::{Disk, Tail, Trouble},
    note::{Checkpoint, Signer},
};

/// The file of checkpoints in the folder of a log.
const FILE: &str = "checkpoints";
/// What stands before a checkpoint in a line of stderr.
pub(super) const LINE: &str = "audit checkpoint: ";
/// More than two notes can take, in bytes.
const LAST: u64 = 4_096;

/// How often a log is signed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Often {
    pub(super) records: u64,
    pub(super) time: Duration,
}

impl Default for Often {
    fn default() -> Self {
        Self { records: 256, time: Duration::from_secs(10) }
    }
}

/// What signs a log that is written.
pub(super) struct Checkpoints {
    tail: Tail,
    signer: Signer,
    often: Often,
    /// The records that are signed.
    signed: u64,
    /// Since when there are others.
    dirty: Option<Instant>,
    tell: bool,
}

/// The file of checkpoints of a log.
pub(super) fn file(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

/// What stands at the end of the file of checkpoints.
pub(super) struct Last {
    pub(super) checkpoint: Checkpoint,
    /// The bytes of the file up to its end.
    len: u64,
}

/// The last checkpoint of a log, as the last process left it. What a crash cut off is no checkpoint; anything else that
/// is none is a reason not to write there.
pub(super) fn last(folder: &Path) -> Result<Option<Last>, String> {
    let path = file(folder);
    let shown = path.display();
    let mut file = match File::open(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("`{shown}` cannot be read: {error}")),
        Ok(file) => file,
    };
    let read = || -> std::io::Result<(u64, Vec<u8>)> {
        let mut bytes = Vec::new();
        let start = file.metadata()?.len().saturating_sub(LAST);
        file.seek(SeekFrom::Start(start))?;
        file.take(LAST).read_to_end(&mut bytes)?;
        Ok((start, bytes))
    };
    let (start, bytes) = { read }().map_err(|error| format!("`{shown}` cannot be read: {error}"))?;
    let text = String::from_utf8_lossy(&bytes);
    let torn = || format!("the audit log was changed: the end of `{shown}` is no checkpoint");
    let mut at = match start {
        0 => 0,
        _ => text.match_indices("\ncandor audit log ").map(|(at, _)| at + 1).next().ok_or_else(torn)?,
    };
    let mut last = None;
    while let Some((checkpoint, len)) = Checkpoint::parse(&text[at..]) {
        at += len;
        last = Some(Last { checkpoint, len: start + at as u64 });
    }
    if is_torn(&text[at..]) { Ok(last) } else { Err(torn()) }
}

/// Whether `rest`, behind the last whole note, is what a crash can have left: the beginning of a note, or nothing.
pub(super) fn is_torn(rest: &str) -> bool {
    match rest.split_once("\n\n") {
        None => !rest.contains('\u{2014}'),
        // The signature may have lost its end, and has nothing behind it.
        Some((_, signature)) => {
            let whole =
                signature.char_indices().next_back().map(|(last, _)| format!("{}\n", &signature[..last]));
            let note = whole.map(|signature| rest[..rest.len() - signature.len()].to_owned() + &signature);
            !signature.contains('\n') && note.is_none_or(|note| Checkpoint::parse(&note).is_none())
        }
    }
}

/// A file of checkpoints up to where it ended when somebody began to read it.
#[cfg(feature = "cli")]
pub(super) type Snapshot = std::io::Take<File>;

/// The checkpoints of a log by now; `None` where there are none.
#[cfg(feature = "cli")]
pub(super) fn snapshot(folder: &Path) -> std::io::Result<Option<Snapshot>> {
    let path = file(folder);
    match std::fs::symlink_metadata(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Ok(metadata) if metadata.is_file() => Ok(Some(File::open(path)?.take(metadata.len()))),
        Ok(_) => Err(std::io::Error::other(format!("`{FILE}` is no file"))),
        Err(error) => Err(error),
    }
}

/// The file, up to the last checkpoint.
fn tail(folder: &Path, last: Option<&Last>, disk: &Disk) -> Result<Tail, Trouble> {
    let path = file(folder);
    let mut tail = if path.exists() { Tail::open(path, disk)? } else { Tail::create(path, disk)? };
    let len = last.map_or(0, |last| last.len);
    if tail.len() > len {
        tail.cut(len)?;
    }
    Ok(tail)
}

impl Checkpoints {
    /// Goes on behind the last checkpoint.
    pub(super) fn open(
        folder: &Path,
        signer: Signer,
        often: Often,
        last: Option<&Last>,
        disk: &Disk,
        tell: bool,
    ) -> Result<Self, Trouble> {
        let tail = tail(folder, last, disk)?;
        let signed = last.map_or(0, |last| last.checkpoint.head.next);
        Ok(Self { tail, signer, often, signed, dirty: None, tell })
    }

    /// Whether it is time to sign.
    pub(super) fn are_due(&mut self, head: &Head) -> bool {
        if head.next <= self.signed {
            return false;
        }
        let since = *self.dirty.get_or_insert_with(Instant::now);
        head.next - self.signed >= self.often.records || since.elapsed() >= self.often.time
    }

    /// How long nobody has to ask whether it is.
    pub(super) fn wait(&self) -> Option<Duration> {
        self.dirty.map(|since| self.often.time.saturating_sub(since.elapsed()))
    }

    /// Signs where the log ends. The records are on the disk by then; a note that a power cut takes away again says
    /// nothing that the next one does not say.
    pub(super) fn sign(&mut self, log: &str, head: &Head) -> Result<(), Trouble> {
        if head.next <= self.signed {
            return Ok(());
        }
        let note = self.signer.sign(log, head, &format!("{:.6}", Timestamp::now()));
        self.tail.append(note.as_bytes())?;
        self.signed = head.next;
        self.dirty = None;
        if self.tell {
            // On one line, as JSON, so that it is found again among other lines.
            eprintln!("{LINE}{}", serde_json::Value::from(note));
        }
        Ok(())
    }

    /// Makes all of them outlive a power cut.
    pub(super) fn sync(&self) -> Result<(), Trouble> {
        self.tail.sync()
    }

    /// Opens the file again.
    pub(super) fn reopen(&mut self, folder: &Path, last: Option<&Last>, disk: &Disk) -> Result<(), Trouble> {
        self.tail.is_in_place()?;
        self.tail = tail(folder, last, disk)?;
        self.signed = last.map_or(0, |last| last.checkpoint.head.next);
        Ok(())
    }

    /// The name and the id of what signs.
    pub(super) fn signer(&self) -> String {
        self.signer.key().to_string()
    }
}

#[cfg(all(test, feature = "cli"))]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_is_never_signed_again_nor_less_than_that() {
        let folder = tempfile::tempdir().unwrap();
        let (signer, disk) = (Signer::generate("prices"), Disk::default());
        let open = Checkpoints::open(folder.path(), signer, Often::default(), None, &disk, false);
        let mut checkpoints = open.expect("the folder can be written");
        for (next, notes) in [(10, 1), (10, 1), (5, 1), (11, 2)] {
            checkpoints.sign("5f3a", &Head { next, ..Head::START }).expect("the disk has room");
            let text = std::fs::read_to_string(file(folder.path())).unwrap();
            assert_eq!(text.matches("candor audit log").count(), notes, "{next}");
        }
    }
}
