//! Finds the folders and the keys of logs that exist.

use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
};

use crate::{
    audit::{AuditLog, write::folder::LOCK},
    file_system,
};

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
    let is_locked = |file: &File| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
    // The file may have been removed while the folder is locked.
    file_system::open(&folder.join(LOCK)).is_ok_and(|lock| is_locked(&lock))
        || file_system::open_folder(folder).ok().flatten().is_some_and(|folder| is_locked(&folder))
}
