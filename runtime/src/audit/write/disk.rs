//! Bytes → a file that only grows, on a disk that a test can break.

use std::{
    fs::File,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use super::system::{self, DiskSpace};

/// The disk under an audit log: the system's, or, in a test, one that can be made to fail.
///
/// ```
/// use candor::testing::Disk;
///
/// let disk = Disk::faulty();
/// disk.fail_syncs(true);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Disk(Option<Arc<Faults>>);

#[derive(Debug, Default)]
struct Faults {
    now: Mutex<FaultState>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Default)]
struct FaultState {
    syncs_fail: bool,
    full: bool,
    stalls: bool,
}

impl Disk {
    /// A disk that works until it is told otherwise.
    pub fn faulty() -> Self {
        Self(Some(Arc::default()))
    }

    /// Whether it says, from now on, that what was written could not be made to last.
    pub fn fail_syncs(&self, fail: bool) {
        self.change(|now| now.syncs_fail = fail);
    }

    /// Whether it has no room from now on.
    pub fn set_full(&self, full: bool) {
        self.change(|now| now.full = full);
    }

    /// Whether it makes everybody wait from now on.
    pub fn set_stalled(&self, stalls: bool) {
        self.change(|now| now.stalls = stalls);
    }

    fn change(&self, change: impl FnOnce(&mut FaultState)) {
        if let Some(faults) = &self.0 {
            change(&mut faults.lock());
            faults.changed.notify_all();
        }
    }

    /// What is wrong now, once it stalls no more.
    fn now(&self) -> FaultState {
        let Some(faults) = &self.0 else { return FaultState::default() };
        let waited = faults.changed.wait_while(faults.lock(), |now| now.stalls);
        *waited.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Faults {
    fn lock(&self) -> MutexGuard<'_, FaultState> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why nothing can be appended.
#[derive(Debug)]
pub(super) enum WriteError {
    /// There is no room; what was there is whole.
    Full,
    /// The file is not what it was when it was last written.
    Changed(String),
    /// The disk failed, and nobody knows what it holds.
    Failed(io::Error),
}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::Full
            }
            _ => Self::Failed(error),
        }
    }
}

/// A file that only grows.
pub(super) struct AppendFile {
    path: PathBuf,
    file: File,
    len: u64,
    identity: (u64, u64),
    disk: Disk,
}

impl AppendFile {
    /// Makes a file that is not there yet.
    pub(super) fn create(path: PathBuf, disk: &Disk) -> Result<Self, WriteError> {
        if disk.now().full {
            return Err(WriteError::Full);
        }
        let file = system::private().append(true).create_new(true).open(&path)?;
        Self::of(path, file, disk)
    }

    /// Opens a file that is there.
    pub(super) fn open(path: PathBuf, disk: &Disk) -> Result<Self, WriteError> {
        let file = system::private().append(true).open(&path)?;
        Self::of(path, file, disk)
    }

    fn of(path: PathBuf, file: File, disk: &Disk) -> Result<Self, WriteError> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(WriteError::Changed(format!("`{}` is no file", path.display())));
        }
        let (len, identity) = (metadata.len(), system::identity(&metadata));
        Ok(Self { path, file, len, identity, disk: disk.clone() })
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds bytes; where that fails, none of them are left.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.is_in_place()?;
        let written = if self.disk.now().full {
            // As a disk does that fills up in the middle of a line.
            self.file.write_all(&bytes[..bytes.len() / 2]).and(Err(io::ErrorKind::StorageFull.into()))
        } else {
            self.file.write_all(bytes)
        };
        match written {
            Ok(()) => {
                self.len += bytes.len() as u64;
                Ok(())
            }
            Err(error) => {
                self.file.set_len(self.len)?;
                Err(error.into())
            }
        }
    }

    /// Makes all that was added outlive a power cut. After a failure this file must not be trusted any more: the system
    /// may have dropped what it could not write, and the next sync would succeed all the same.
    pub(super) fn sync(&self) -> Result<(), WriteError> {
        if self.disk.now().syncs_fail {
            return Err(WriteError::Failed(io::Error::other("this disk fails by hand")));
        }
        // A sync that finds no room has dropped bytes as any other.
        self.file.sync_data().map_err(WriteError::Failed)
    }

    /// Takes away what a failed write may have left.
    pub(super) fn cut_back(&mut self) -> Result<(), WriteError> {
        let (found, len) = (self.file.metadata()?.len(), self.len);
        if found > len { self.cut(len) } else { Ok(()) }
    }

    /// Takes away what stands beyond `len`.
    pub(super) fn cut(&mut self, len: u64) -> Result<(), WriteError> {
        self.file.set_len(len)?;
        self.len = len;
        self.sync()
    }

    /// Whether the file stands where it stood, and is as long as it was left.
    pub(super) fn is_in_place(&self) -> Result<(), WriteError> {
        let path = self.path.display();
        let changed = |why: String| Err(WriteError::Changed(format!("`{path}` {why}")));
        match std::fs::symlink_metadata(&self.path) {
            Ok(found) if system::identity(&found) != self.identity => changed("was replaced".to_owned()),
            Ok(found) if found.len() != self.len => {
                changed(format!("has {} bytes, and {} were written", found.len(), self.len))
            }
            Ok(_) => Ok(()),
            Err(error) => changed(format!("is gone: {error}")),
        }
    }

    /// The room of the file system it stands on.
    pub(super) fn room(&self) -> Option<DiskSpace> {
        let room = system::room(&self.file)?;
        Some(if self.disk.now().full { DiskSpace { free: 0, ..room } } else { room })
    }
}
