//! Holds the settings of a log that is written.

use std::{path::PathBuf, time::Duration};

use super::{default_dir, disk::Disk, keys};

/// The default size of a segment.
const SEGMENT_BYTES: u64 = 16 * 1024 * 1024;
/// The most servers of one name and one user that record at the same time in folders of their own.
const MAX_FOLDERS: u32 = 256;

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
