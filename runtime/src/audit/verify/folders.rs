//! Finds the folders and the keys of logs that exist.

use std::{
    fs::TryLockError,
    path::{Path, PathBuf},
};

use crate::audit::{AuditLog, system, write::folder::LOCK};

impl AuditLog {
    /// The file of the signing key, which may be missing.
    pub(crate) fn usual_signing_key(&self) -> PathBuf {
        self.options.signing_key()
    }

    /// The folder that is tried first.
    pub(crate) fn folder(&self) -> &Path {
        &self.options.folder
    }

    /// The folders that exist. A log that was not named has one for each server that ran at the same time.
    pub(crate) fn folders(&self) -> Vec<PathBuf> {
        self.options.folders().filter(|folder| folder.exists()).collect()
    }
}

/// Whether a process writes the log in this folder.
pub(super) fn is_written(folder: &Path) -> bool {
    let lock = system::open(&folder.join(LOCK)).map(|lock| lock.try_lock_shared());
    matches!(lock, Ok(Err(TryLockError::WouldBlock)))
}
