//! Holds the settings of a log that is written.

use std::{path::PathBuf, time::Duration};

use super::{default_dir, disk::Disk, keys};
use crate::{clock::Clock, message::Message};

/// The default size of a segment.
const SEGMENT_BYTES: u64 = 16 * 1024 * 1024;
/// The most servers of one name and one user that record at the same time in folders of their own.
const MAX_FOLDERS: u32 = 256;

/// The time between two removals, and the longest time for which a segment is written if records are removed by age. Also
/// the shortest time for which records are kept.
pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);

/// The settings of [`AuditLog`](crate::AuditLog).
#[derive(Clone, Debug)]
pub(crate) struct LogOptions {
    pub(crate) folder: PathBuf,
    /// Whether the next numbered folder is tried if another process writes in this one.
    pub(crate) numbered_fallback: bool,
    pub(crate) signing_key: Option<PathBuf>,
    pub(crate) segment_bytes: u64,
    pub(crate) interval: CheckpointInterval,
    pub(crate) disk: Disk,
    pub(crate) quiet: bool,
    /// The replica that writes the log, if it has a name.
    pub(crate) replica: Option<String>,
    /// `None` if records are kept for ever.
    pub(crate) retention: Option<RetentionOptions>,
}

/// How a log is kept short.
#[derive(Clone, Debug)]
pub(crate) struct RetentionOptions {
    /// The age from which on records are removed; `None` to complete an interrupted removal only.
    pub(crate) age: Option<Duration>,
    pub(crate) clock: Clock,
    /// The program that removes.
    pub(crate) by: &'static str,
    /// Whether it goes on once a day. Otherwise its result is awaited.
    pub(crate) is_daily: bool,
    /// Whether the whole log was verified before.
    pub(crate) is_verified: bool,
}

impl RetentionOptions {
    /// Completes an interrupted removal, and removes nothing else.
    pub(super) fn completing() -> Self {
        Self { age: None, clock: Clock::default(), by: "the server", is_daily: false, is_verified: false }
    }
}

/// Checks an age from which on records are removed.
pub(crate) fn check_age(age: Duration) -> Result<Duration, Message> {
    if age < DAY {
        return Err(Message::new("records of an audit log must be kept for at least one day")
            .note("a shorter time would remove records before an operator can look at them")
            .help("keep them longer, for example `90d`"));
    }
    Ok(age)
}

/// How often a log is signed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CheckpointInterval {
    pub(crate) records: u64,
    pub(crate) time: Duration,
}

impl Default for CheckpointInterval {
    fn default() -> Self {
        Self { records: 256, time: Duration::from_secs(10) }
    }
}

impl LogOptions {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            numbered_fallback: false,
            signing_key: None,
            segment_bytes: SEGMENT_BYTES,
            interval: CheckpointInterval::default(),
            disk: Disk::default(),
            quiet: false,
            replica: None,
            retention: None,
        }
    }

    /// The folders in which the log may be, the first choice first.
    pub(crate) fn folders(&self) -> impl Iterator<Item = PathBuf> {
        let last = if self.numbered_fallback { MAX_FOLDERS } else { 1 };
        (1..=last).map(|n| default_dir::nth(&self.folder, n))
    }

    /// The file of the redaction key.
    pub(crate) fn redaction_key(&self) -> PathBuf {
        keys::beside(&self.folder, ".redaction-key")
    }

    /// The file of the signing key.
    pub(crate) fn signing_key(&self) -> PathBuf {
        self.signing_key.clone().unwrap_or_else(|| keys::beside(&self.folder, ".signing-key"))
    }
}
