//! Appends to files on a disk that a test can break.

use std::{
    fmt,
    fs::File,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use crate::{
    audit::system::{self, DiskSpace},
    message::Message,
};

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
    state: Mutex<FaultState>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Default)]
struct FaultState {
    syncs_fail: bool,
    full: bool,
    stalled: bool,
}

impl Disk {
    /// Creates a disk that works until one of its faults is set.
    pub fn faulty() -> Self {
        Self(Some(Arc::default()))
    }

    /// Sets whether syncs fail from now on.
    pub fn fail_syncs(&self, fail: bool) {
        self.change(|state| state.syncs_fail = fail);
    }

    /// Sets whether the disk is full from now on.
    pub fn set_full(&self, full: bool) {
        self.change(|state| state.full = full);
    }

    /// Sets whether every operation waits from now on.
    pub fn set_stalled(&self, stalled: bool) {
        self.change(|state| state.stalled = stalled);
    }

    fn change(&self, change: impl FnOnce(&mut FaultState)) {
        if let Some(faults) = &self.0 {
            change(&mut faults.lock());
            faults.changed.notify_all();
        }
    }

    /// Waits while the disk is stalled, and returns its other faults.
    fn faults(&self) -> FaultState {
        let Some(faults) = &self.0 else { return FaultState::default() };
        let state = faults.changed.wait_while(faults.lock(), |state| state.stalled);
        *state.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Faults {
    fn lock(&self) -> MutexGuard<'_, FaultState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The reason why nothing can be appended.
#[derive(Debug)]
pub(super) enum WriteError {
    /// The disk is full; the bytes written before are whole.
    Full,
    /// The file differs from what was last written.
    Changed(Message),
    /// The disk failed, and its content is unknown.
    Failed(io::Error),
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the disk is full"),
            Self::Changed(why) => why.fmt(f),
            Self::Failed(error) => error.fmt(f),
        }
    }
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
    /// Creates a file, which must not exist.
    pub(super) fn create(path: PathBuf, disk: &Disk) -> Result<Self, WriteError> {
        if disk.faults().full {
            return Err(WriteError::Full);
        }
        let file = system::private().append(true).create_new(true).open(&path)?;
        Self::new(path, file, disk)
    }

    /// Opens a file, which must exist.
    pub(super) fn open(path: PathBuf, disk: &Disk) -> Result<Self, WriteError> {
        let file = system::append(&path)?;
        Self::new(path, file, disk)
    }

    fn new(path: PathBuf, file: File, disk: &Disk) -> Result<Self, WriteError> {
        let metadata = file.metadata()?;
        let (len, identity) = (metadata.len(), system::identity(&metadata));
        Ok(Self { path, file, len, identity, disk: disk.clone() })
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends `bytes`. If that fails, not one of them is left.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.is_in_place()?;
        let written = if self.disk.faults().full {
            // A disk may fill up in the middle of a line.
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

    /// Makes the appended bytes survive a power cut. After a failure the file must not be trusted any more: the system may
    /// have dropped the bytes that it could not write, and the next sync would succeed nevertheless.
    pub(super) fn sync(&self) -> Result<(), WriteError> {
        if self.disk.faults().syncs_fail {
            return Err(WriteError::Failed(io::Error::other("syncs of this test's disk fail")));
        }
        // A sync that finds no space has dropped bytes like any other failed sync.
        self.file.sync_data().map_err(WriteError::Failed)
    }

    /// Removes the bytes that a failed write may have left.
    pub(super) fn cut_back(&mut self) -> Result<(), WriteError> {
        let (actual, len) = (self.file.metadata()?.len(), self.len);
        if actual > len { self.cut(len) } else { Ok(()) }
    }

    /// Removes the bytes from `len` on.
    pub(super) fn cut(&mut self, len: u64) -> Result<(), WriteError> {
        self.file.set_len(len)?;
        self.len = len;
        self.sync()
    }

    /// Checks that the file is still at its path and has the length that it was left with.
    pub(super) fn is_in_place(&self) -> Result<(), WriteError> {
        match std::fs::symlink_metadata(&self.path) {
            Ok(metadata) if system::identity(&metadata) != self.identity => {
                Err(changed(&self.path, "was replaced"))
            }
            Ok(metadata) if metadata.len() != self.len => {
                let lengths = format!("has {} bytes, and {} were written", metadata.len(), self.len);
                Err(changed(&self.path, &lengths))
            }
            Ok(_) => Ok(()),
            Err(error) => Err(changed(&self.path, &format!("is gone: {error}"))),
        }
    }

    /// Returns the space on the file's disk.
    pub(super) fn space(&self) -> Option<DiskSpace> {
        let space = system::space(&self.file)?;
        Some(if self.disk.faults().full { DiskSpace { free: 0, ..space } } else { space })
    }
}

fn changed(path: &Path, why: &str) -> WriteError {
    WriteError::Changed(Message::new(format!("`{}` {why}", path.display())))
}
