//! Records calls in a log that shows whether it was changed; a call that must be recorded runs only if it is.

mod blocks;
mod chain;
mod checkpoint_file;
mod hex;
mod scan;
mod segments;
mod signed_note;
mod system;
// Only the command line reads logs.
#[cfg(feature = "cli")]
pub(crate) mod verify;
mod write;

use std::{path::PathBuf, time::Duration};

pub(crate) use chain::sha256;
pub(crate) use hex::{hex_number, hex_text};
pub use write::disk::Disk;
pub(crate) use write::{
    queue::{AuditHandle, RecordKind},
    record::{RecordWriter, cut},
    redact::prefixed,
};

use crate::message::Message;
use write::{
    default_dir, keys,
    options::{CheckpointInterval, LogOptions},
};

/// The fact that this user has no folder for a log that was not named.
pub(crate) const NO_FOLDER: &str =
    "the audit log has no folder: neither XDG_STATE_HOME nor HOME is set to one";

/// The message of a log that needs a folder and has none.
pub(crate) fn no_folder() -> Message {
    Message::new(NO_FOLDER).help("name one: `--audit DIR`")
}

/// The folder of the log that `serve` keeps of the server of this name, if none is named.
#[cfg(feature = "redb")]
pub(crate) fn default_folder(server: &str) -> Option<PathBuf> {
    default_dir::folder(server)
}

/// The folder in which calls are recorded, and how.
///
/// ```
/// use candor::AuditLog;
///
/// let log = AuditLog::at("/var/lib/prices/audit");
/// ```
///
/// The keys are stored beside the folder, never in it. `FOLDER.redaction-key` is the key under which text is digested; it
/// is created if it is missing. `FOLDER.signing-key` signs the end of the log; `audit key new` creates it. Without a
/// signing key the records are chained, but not signed.
#[derive(Clone, Debug)]
pub struct AuditLog {
    options: LogOptions,
    /// [`write::start`], named here: a program without a log does not link the code that writes and signs one.
    start: fn(&LogOptions, RecordWriter) -> Result<AuditHandle, Message>,
}

impl AuditLog {
    /// Creates a log in `folder`. The folder is created when the log is opened, if it is missing.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        // A relative path leads elsewhere once the working directory changes.
        let folder = std::path::absolute(&folder).unwrap_or(folder);
        Self { options: LogOptions::new(folder), start: write::start }
    }

    /// The log that `serve` keeps of the server of this name, if no folder is named: `$XDG_STATE_HOME/SERVER/audit`, or
    /// `~/.local/state/SERVER/audit`. If another process writes there, `audit-2` beside it is used, and so on. `None` if
    /// this user has no such folder.
    pub fn of_user(server: &str) -> Option<Self> {
        let mut log = Self::at(default_dir::folder(server)?);
        log.options.numbered_fallback = true;
        Some(log)
    }

    /// The file of the signing key, if it is not `FOLDER.signing-key`. `audit key new` creates one.
    pub fn signing_key(mut self, file: impl Into<PathBuf>) -> Self {
        self.options.signing_key = Some(file.into());
        self
    }

    /// The size in bytes at which a new segment begins; 16 MiB by default.
    pub fn segment_bytes(mut self, bytes: u64) -> Self {
        self.options.segment_bytes = bytes;
        self
    }

    /// How interval the end of the log is signed: after `records` records, or after `time` if there are fewer. The default is
    /// every 256 records or 10 seconds. The log is also signed at each start and stop.
    pub fn checkpoint_every(mut self, records: u64, time: Duration) -> Self {
        self.options.interval = CheckpointInterval { records: records.max(1), time };
        self
    }

    /// Writes checkpoints to their file only, and not to stderr as well.
    pub fn quiet(mut self) -> Self {
        self.options.quiet = true;
        self
    }

    /// The disk under the log; for tests.
    pub fn disk(mut self, disk: Disk) -> Self {
        self.options.disk = disk;
        self
    }

    /// Returns the digest that stands for `value` in the log. `value` is a string as a caller sends it, or any other value
    /// as JSON.
    ///
    /// # Errors
    ///
    /// The log's redaction key cannot be read.
    pub fn hash(&self, value: &str) -> Result<String, Message> {
        Ok(keys::redaction(&self.options.redaction_key())?.of(value.as_bytes()))
    }

    /// Takes the folder, recovers from a crash, and starts the writer. `start` is the record of the start.
    pub(crate) fn open(&self, start: RecordWriter) -> Result<AuditHandle, Message> {
        (self.start)(&self.options, start)
    }
}
