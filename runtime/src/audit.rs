//! Records calls in a log that shows whether it was changed; a call that must be recorded runs only if it is.

mod chain;
mod checkpoint_file;
mod hex;
mod lines;
mod removal;
mod scan;
mod segment_file;
mod segments;
mod signed_note;
// Only the command line reads logs.
#[cfg(feature = "cli")]
pub(crate) mod verify;
mod write;

use std::{path::PathBuf, time::Duration};

pub(crate) use chain::sha256;
pub(crate) use hex::{hex_number, hex_text};
#[cfg(feature = "cli")]
pub(crate) use removal::removal_of;
pub use write::disk::Disk;
#[cfg(feature = "cli")]
pub(crate) use write::keys::create_secret;
pub(crate) use write::{
    keys::read_secret,
    queue::AuditHandle,
    queued_record::{ReadRecord, RecordKind},
    record::{RecordWriter, cut},
    redact::prefixed,
    start::OpenError,
};

use crate::{clock::Clock, message::Message};
pub(crate) use write::options::check_age;
use write::{
    default_dir, keys,
    options::{CheckpointInterval, LogOptions, RetentionOptions},
};
#[cfg(feature = "cli")]
pub(crate) use write::{
    removal_plan::{Planned, RemovalPlan, RemovalWish, plan},
    retention::rest,
    retention_job::RemovedRecords,
};

/// The program that removes records at a user's request.
#[cfg(feature = "cli")]
pub(crate) const PRUNE: &str = "`audit prune`";

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
///
/// # Records
///
/// | record | of | on the disk |
/// | --- | --- | --- |
/// | `intent`, `outcome` | a call of a tool whose audit is `required` | the intent before the handler runs, the outcome before the answer |
/// | `read` | a call of a tool whose audit is `best_effort`, or an answer that an idempotency key repeats: one short record | about 0.1 s after the answer |
/// | `asked` | a question whether a call may run; its answer is an `intent` or a `denied` with the same `call_id` or `question` | before the user is asked, if the tool's audit is `required` |
/// | `denied` | a call that was refused; beyond 32 a second of one caller for one reason they are counted (`denied_more`), but never those of a tool whose audit is `required` | about 0.1 s after the answer |
/// | `server` | a start, a stop and the like | with the next record |
///
/// With [`Server::replica`](crate::Server::replica), each record names the replica that wrote it (`replica`).
///
/// A `read` names a `context`: the record of this number before it in its segment holds the tool's digest and effect, the
/// caller, the client, the transport, the revision, the scopes and the replica, which many reads have in common. A `read` without a
/// `status` succeeded. `audit show --json` puts both together.
///
/// `left_out` counts records that could not be written, for example on a full disk, and those of them that were required.
///
/// # What a log shows
///
/// A log is tamper-evident relative to its signatures, and not tamper-proof. A person who can write the log's files is found
/// out as follows.
///
/// | set-up | shows | does not show |
/// | --- | --- | --- |
/// | no signing key | changed, missing and swapped records, unless the rest of the log was computed anew | a log that was computed anew from some record on, or whose end was cut off |
/// | signing key | also a log that was computed anew, up to the last signature | an end that was cut off together with its checkpoints, while the server runs or with `audit verify` alone |
/// | signing key that the person cannot write beside | also a cut end and removed checkpoints: the next start refuses the log, and `audit verify` on this machine reports it | a change of records that were not signed yet: by default at most the last 256 or those of the last 10 s |
/// | checkpoints stored elsewhere (stderr of `serve`, `audit verify --checkpoints`) | also a log, a key and its folder that were replaced together | records after the last checkpoint that was stored |
///
/// The last checkpoint is kept beside the signing key, in `KEY.signed-…`, one file a log. Store the key in a folder that is not
/// the log's, for example with `serve --audit-key`. If the server cannot write to the folder of the key, it says so on stderr
/// once, goes on, and the third row does not hold.
///
/// A start that finds records which were never signed, for example those that a killed process wrote last, or all of them at
/// the first start with a key, records their number in its own record (`before`) and signs the whole. `audit verify` lists
/// these records: they may have been changed before that start.
///
/// A start reads only the end of the log. `audit verify` reads all of it.
///
/// # Retention
///
/// Records are kept for ever, unless [`Server::audit_retention`](crate::Server::audit_retention), `serve --audit-retention` or
/// `audit prune` removes those that are older than an age. Whole segments are removed, the first ones, and never the one that
/// is written. Before that, a new segment begins, whose first record holds a note (`removed`): the numbers and times of the
/// removed records, the digest of the last of them, the age, the time, the program and the user. The note is signed, if the log
/// is, and each later segment begins with the last note. `audit verify` shows it and checks that the rest follows on from it,
/// also with the public key alone; a segment that was removed without such a note is reported as missing.
///
/// - A segment is as old as the newest record in it and in those before it. A clock that was set back makes no record old.
/// - Before they are removed, the chain of the records is checked. From a log that was changed nothing is removed.
/// - The note names the calls whose intent is removed and whose outcome is not. If there are more than 256 of them at the end of
///   a segment, the removal ends before it.
/// - Checkpoints of removed records stay in the file `checkpoints`. Their signatures are still checked; `audit verify` counts
///   them as out of reach.
/// - If the process is killed during a removal, or the disk fails, the next start or `audit prune` completes it. Until then
///   `audit verify` says so, and finds nothing wrong.
/// - A removal that fails is reported on stderr once, and tried again a day later.
#[derive(Clone, Debug)]
pub struct AuditLog {
    options: LogOptions,
    /// [`write::start`], named here: a program without a log does not link the code that writes and signs one.
    start: fn(&LogOptions, RecordWriter) -> Result<AuditHandle, OpenError>,
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

    /// Sets how often the end of the log is signed: after `records` records, or after `time` if there are fewer. The default is
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

    /// Names in each record the replica that writes the log.
    pub(crate) fn of_replica(mut self, name: Option<&str>) -> Self {
        self.options.replica = name.map(str::to_owned);
        self
    }

    /// Removes records from this age on while the log is written.
    pub(crate) fn keep_for(mut self, age: Duration, clock: &Clock) -> Self {
        self.options.retention = Some(RetentionOptions {
            age: Some(age),
            clock: clock.clone(),
            by: "the server",
            is_daily: true,
            is_verified: false,
        });
        self
    }

    /// Removes records from this age on once, after the log was verified. [`AuditHandle::removed`] waits for it.
    #[cfg(feature = "cli")]
    pub(crate) fn prune(mut self, folder: &std::path::Path, age: Duration, clock: &Clock) -> Self {
        folder.clone_into(&mut self.options.folder);
        self.options.numbered_fallback = false;
        self.options.quiet = true;
        self.options.retention = Some(RetentionOptions {
            age: Some(age),
            clock: clock.clone(),
            by: PRUNE,
            is_daily: false,
            is_verified: true,
        });
        self
    }

    /// Takes the folder, recovers from a crash, and starts the writer. `start` is the record of the start.
    pub(crate) fn open(&self, start: RecordWriter) -> Result<AuditHandle, OpenError> {
        (self.start)(&self.options, start)
    }
}
