//! Calls → a log that can be believed: what cannot be recorded does not run, and what was changed shows.

mod blocks;
mod chain;
#[cfg(feature = "cli")]
mod check;
mod checkpoints;
mod denials;
mod disk;
mod folder;
mod home;
mod key;
mod note;
mod open;
#[cfg(feature = "cli")]
mod reader;
mod recover;
mod redact;
mod scan;
#[cfg(feature = "cli")]
mod shape;
#[cfg(feature = "cli")]
mod signatures;
mod system;
#[cfg(all(test, feature = "cli"))]
mod tampered;
mod text;
#[cfg(feature = "cli")]
mod verify;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

pub(crate) use chain::{hex_number, hex_text, sha256};
#[cfg(feature = "cli")]
pub(crate) use check::{At, Finding};
pub use disk::Disk;
#[cfg(feature = "cli")]
pub(crate) use key::make_signer;
#[cfg(feature = "cli")]
pub(crate) use note::{Checkpoint, Key as VerifierKey};
pub(crate) use open::{Kind, Open};
#[cfg(feature = "cli")]
pub(crate) use reader::Reader;
pub(crate) use redact::marked;
#[cfg(feature = "cli")]
pub(crate) use signatures::exported;
pub(crate) use text::{Body, cut};
#[cfg(feature = "cli")]
pub(crate) use verify::{Verdict, verify};

use checkpoints::{Checkpoints, Often};
use disk::Trouble;
use folder::{Folder, Taken};
use note::Signer;
use open::Shared;
use writer::Writer;

/// What is said where a user has no folder for what programs record.
pub(crate) const NO_PLACE: &str = "there is no place for the audit log: neither XDG_STATE_HOME nor HOME names a folder\nhelp: name one: `--audit DIR`";

/// The size of a segment, in bytes.
const SEGMENT: u64 = 16 * 1024 * 1024;
/// The most servers of one name and one user that record at the same time without being told where.
const MOST: u32 = 256;

/// Where calls are recorded.
///
/// ```
/// use candor::AuditLog;
///
/// let log = AuditLog::at("/var/lib/prices/audit");
/// ```
///
/// Beside the folder, never in it, stand the keys: `FOLDER.redaction-key`, under which text is digested, and
/// `FOLDER.signing-key`, which signs where the log ends. The first is made where it is missing; the second is made by
/// `audit key new`, and without it the log is chained only, and not signed.
#[derive(Clone, Debug)]
pub struct AuditLog {
    folder: PathBuf,
    /// Whether the next folder will do where another process has this one.
    numbered_fallback: bool,
    signing_key: Option<PathBuf>,
    segment_bytes: u64,
    often: Often,
    disk: Disk,
    quiet: bool,
    /// [`AuditLog::begin`], named where a log is: a program that keeps none does not carry what writes and signs one.
    begin: fn(&Self, Body) -> Result<Open, String>,
}

impl AuditLog {
    /// A log in this folder, which is made where it is missing.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        Self {
            // A relative path leads elsewhere once the working directory changes.
            folder: std::path::absolute(&folder).unwrap_or(folder),
            numbered_fallback: false,
            signing_key: None,
            segment_bytes: SEGMENT,
            often: Often::default(),
            disk: Disk::default(),
            quiet: false,
            begin: Self::begin,
        }
    }

    /// The log that `serve` keeps of the server of this name where it is not told another folder:
    /// `$XDG_STATE_HOME/SERVER/audit`, or `~/.local/state/SERVER/audit`. Where another process has that one, `audit-2`
    /// beside it, and so on. `None` where this user has no such place.
    pub fn of_user(server: &str) -> Option<Self> {
        home::folder(server).map(|folder| Self { numbered_fallback: true, ..Self::at(folder) })
    }

    /// The file of the key that signs, where it is not `FOLDER.signing-key`. `audit key new` makes one.
    pub fn signing_key(mut self, file: impl Into<PathBuf>) -> Self {
        self.signing_key = Some(file.into());
        self
    }

    /// The size from which on a new segment begins; 16 MiB by default.
    pub fn segment_bytes(mut self, bytes: u64) -> Self {
        self.segment_bytes = bytes;
        self
    }

    /// How often the end of the log is signed: after so many records, and where there are fewer, after this time;
    /// every 256 records or 10 seconds by default. At start and stop it is signed in any case.
    pub fn checkpoint_every(mut self, records: u64, time: Duration) -> Self {
        self.often = Often { records: records.max(1), time };
        self
    }

    /// Writes checkpoints to their file only, and not to stderr as well.
    pub fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }

    /// The disk under the log; for tests.
    pub fn disk(mut self, disk: Disk) -> Self {
        self.disk = disk;
        self
    }

    /// What stands in the log for `value`: a text as a caller sends it, or anything else as JSON.
    ///
    /// # Errors
    ///
    /// The log's redaction key cannot be read.
    pub fn hash(&self, value: &str) -> Result<String, String> {
        Ok(key::redaction(&self.redaction_key())?.of(value.as_bytes()))
    }

    fn redaction_key(&self) -> PathBuf {
        key::beside(&self.folder, ".redaction-key")
    }

    /// Where the key that signs is looked for.
    pub(crate) fn usual_signing_key(&self) -> PathBuf {
        self.signing_key.clone().unwrap_or_else(|| key::beside(&self.folder, ".signing-key"))
    }

    /// Its folder.
    #[cfg(feature = "cli")]
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folders that it stands in: of a log that was not named, there is one for each server that ran beside others.
    #[cfg(feature = "cli")]
    pub(crate) fn folders(&self) -> Vec<PathBuf> {
        let last = if self.numbered_fallback { MOST } else { 1 };
        (1..=last).map(|n| home::nth(&self.folder, n)).filter(|folder| folder.exists()).collect()
    }

    /// Takes the folder, recovers what a crash left, and starts to write. `start` is the record of the start.
    pub(crate) fn open(&self, start: Body) -> Result<Open, String> {
        (self.begin)(self, start)
    }

    fn begin(&self, mut start: Body) -> Result<Open, String> {
        let folder = self.take()?;
        let signer = self.signer(&folder.path)?;
        let path = folder.path.clone();
        let last = checkpoints::last(&path)?;
        let found = recover::recover(&path, last.as_ref().map(|last| &last.checkpoint))?;
        let redaction_key = self.redaction_key();
        let redaction = match &found {
            Some(_) => key::redaction(&redaction_key)?,
            None => key::make_redaction(&redaction_key)?,
        };
        if let Some(found) = found.as_ref().filter(|found| found.redaction != redaction.id()) {
            let shown = redaction_key.display();
            return Err(format!(
                "`{shown}` is another key than the log was begun with ({})",
                found.redaction
            ));
        }
        let failed = |trouble: Trouble| format!("the audit log cannot be written: {}", writer::why(trouble));
        let signs = signer.map(|signer| {
            Checkpoints::open(&path, signer, self.often, last.as_ref(), &self.disk, !self.quiet)
        });
        let signs = signs.transpose().map_err(failed)?;
        match &signs {
            Some(signs) => _ = start.text("signed_by", &signs.signer()),
            None => _ = start.flag("signed", false),
        }
        let (signed, redaction_id) = (signs.is_some(), redaction.id().to_owned());
        let writer = Writer::begin(folder, redaction_id, signs, self, found, start).map_err(failed)?;
        start_writer(writer, redaction, Place { folder: path, signed })
    }

    /// The folder itself, or the next that no other process has.
    fn take(&self) -> Result<Folder, String> {
        let last = if self.numbered_fallback { MOST } else { 1 };
        let mut busy = String::new();
        for n in 1..=last {
            match Folder::take(&home::nth(&self.folder, n)) {
                Ok(folder) => return Ok(folder),
                Err(Taken::Busy(why)) => busy = why,
                Err(Taken::Unfit(why)) => return Err(format!("{why}\n{}", folder::HELP)),
            }
        }
        Err(format!("{busy}\n{}", folder::HELP))
    }

    /// What signs the log, where there is a key.
    fn signer(&self, folder: &Path) -> Result<Option<Signer>, String> {
        let path = self.usual_signing_key();
        if self.signing_key.is_none() && !path.exists() {
            return Ok(None);
        }
        let within = |path: &Path| Some(path.canonicalize().ok()?.starts_with(folder.canonicalize().ok()?));
        if within(&path).unwrap_or(false) {
            return Err(format!(
                "the signing key `{}` stands in the log's own folder\nnote: whoever takes the log then takes the key along\nhelp: keep it elsewhere",
                path.display()
            ));
        }
        key::signer(&path).map(Some)
    }
}

/// Where an open log is, for a line to a person.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) folder: PathBuf,
    pub(crate) signed: bool,
}

fn start_writer(writer: Writer, redaction: redact::Redaction, place: Place) -> Result<Open, String> {
    let shared = Arc::<Shared>::default();
    let (hold, ended) = mpsc::channel();
    let for_writer = Arc::clone(&shared);
    std::thread::Builder::new()
        .name("audit".to_owned())
        .spawn(move || {
            let _hold = hold;
            writer.run(&for_writer);
        })
        .map_err(|error| format!("no thread to write the audit log with: {error}"))?;
    Ok(Open { shared, redaction, place, ended: Mutex::new(ended) })
}
