//! Appends to files on a disk that a test can break.

use std::{
    fmt,
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use crate::{
    file_system::{self, DiskSpace, FileIdentity},
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
#[expect(clippy::struct_excessive_bools, reason = "each fault can be set beside the others")]
struct FaultState {
    syncs_fail: bool,
    full: bool,
    stalled: bool,
    panics: bool,
    /// The number of operations before the process is killed.
    kill_after: Option<u32>,
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

    /// Makes the next operation panic, as a defect of the log would: its thread ends.
    pub fn panic_next(&self) {
        self.change(|state| state.panics = true);
    }

    /// Kills this process at the operation after the next `operations`, as SIGKILL does: nothing is written or released any
    /// more.
    pub fn kill_after(&self, operations: u32) {
        self.change(|state| state.kill_after = Some(operations));
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
        let mut guard = state.unwrap_or_else(PoisonError::into_inner);
        if let Some(left) = &mut guard.kill_after {
            *left = left.checked_sub(1).unwrap_or_else(|| std::process::abort());
        }
        let state = *guard;
        drop(guard);
        assert!(!state.panics, "this test's disk panics");
        state
    }
}

impl Disk {
    /// Removes a file.
    pub(super) fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.faults();
        std::fs::remove_file(path)
    }

    /// Makes the names in a folder survive a power cut.
    pub(super) fn sync_folder(&self, path: &Path) -> io::Result<()> {
        if self.faults().syncs_fail {
            return Err(io::Error::other("syncs of this test's disk fail"));
        }
        file_system::sync_folder(path)
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
    /// The length up to the last byte that this process stands by.
    len: u64,
    /// The length that a power cut leaves.
    synced: u64,
    /// The bytes after `synced`: those that wait for the next sync, and those that a failed write may have left.
    unsynced: Vec<u8>,
    identity: FileIdentity,
    disk: Disk,
}

impl AppendFile {
    /// Creates a file, which must not exist.
    pub(super) fn create(path: PathBuf, disk: &Disk) -> Result<Self, WriteError> {
        if disk.faults().full {
            return Err(WriteError::Full);
        }
        let file = file_system::private().read(true).append(true).create_new(true).open(&path)?;
        Self::new(path, file, disk)
    }

    /// Opens a file, which must exist and end with `torn`. These bytes are removed: a crash left them.
    pub(super) fn open(path: PathBuf, torn: &[u8], disk: &Disk) -> Result<Self, WriteError> {
        let file = file_system::append(&path)?;
        let mut opened = Self::new(path, file, disk)?;
        let end = opened.len.checked_sub(torn.len() as u64).ok_or_else(|| opened.changed("is shorter"))?;
        (opened.len, opened.synced) = (end, end);
        opened.unsynced.extend_from_slice(torn);
        opened.cut_back()?;
        Ok(opened)
    }

    fn new(path: PathBuf, file: File, disk: &Disk) -> Result<Self, WriteError> {
        let metadata = file.metadata()?;
        let (len, identity) = (metadata.len(), file_system::identity(&metadata));
        Ok(Self { path, file, len, synced: len, unsynced: Vec::new(), identity, disk: disk.clone() })
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// The number of bytes that the next sync is for.
    pub(super) fn unsynced(&self) -> usize {
        self.unsynced.len()
    }

    /// Appends the bytes that `write` adds to its buffer. If that fails, not one of them is left.
    pub(super) fn append(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), WriteError> {
        self.is_in_place()?;
        let start = self.own_unsynced();
        self.unsynced.truncate(start);
        write(&mut self.unsynced);
        let bytes = &self.unsynced[start..];
        let written = if self.disk.faults().full {
            // A disk may fill up in the middle of a line.
            self.file.write_all(&bytes[..bytes.len() / 2]).and(Err(io::ErrorKind::StorageFull.into()))
        } else {
            self.file.write_all(bytes)
        };
        match written {
            Ok(()) => {
                self.len = self.synced + self.unsynced.len() as u64;
                Ok(())
            }
            Err(error) => {
                self.cut_back()?;
                Err(error.into())
            }
        }
    }

    /// Makes the appended bytes survive a power cut. If that fails, they are removed: the system may have dropped those that
    /// it could not write, and the next sync would succeed nevertheless.
    pub(super) fn sync(&mut self) -> Result<(), WriteError> {
        let synced = if self.disk.faults().syncs_fail {
            Err(io::Error::other("syncs of this test's disk fail"))
        } else {
            self.file.sync_data()
        };
        match synced {
            Ok(()) => {
                self.synced = self.len;
                self.unsynced.clear();
                Ok(())
            }
            Err(error) => {
                self.len = self.synced;
                // Tried again by a reopening.
                let _ = self.cut_back();
                // A sync that finds no space has dropped bytes like any other failed sync.
                Err(WriteError::Failed(error))
            }
        }
    }

    /// Removes the bytes that a failed write or sync of this process left. Other bytes are evidence, and stay.
    pub(super) fn cut_back(&mut self) -> Result<(), WriteError> {
        let own = self.own_unsynced();
        let failed = &self.unsynced[own..];
        let mut rest = Vec::new();
        let limit = failed.len() as u64 + 1;
        (&self.file).seek(SeekFrom::Start(self.len))?;
        (&self.file).take(limit).read_to_end(&mut rest)?;
        if !failed.starts_with(&rest) {
            return Err(self.changed("ends with bytes that this process did not write"));
        }
        if !rest.is_empty() {
            self.file.set_len(self.len)?;
        }
        self.unsynced.truncate(own);
        Ok(())
    }

    /// The number of unsynced bytes that this process stands by.
    fn own_unsynced(&self) -> usize {
        usize::try_from(self.len - self.synced).expect("unsynced bytes are in memory")
    }

    /// Checks that the file is still at its path and has the length that it was left with.
    pub(super) fn is_in_place(&self) -> Result<(), WriteError> {
        match std::fs::symlink_metadata(&self.path) {
            Ok(metadata) if file_system::identity(&metadata) != self.identity => {
                Err(self.changed("was replaced"))
            }
            Ok(metadata) if metadata.len() != self.len => {
                let lengths = format!("has {} bytes, and {} were written", metadata.len(), self.len);
                Err(self.changed(&lengths))
            }
            Ok(_) => Ok(()),
            Err(error) => Err(self.changed(&format!("is gone: {error}"))),
        }
    }

    /// Returns the space on the file's disk.
    pub(super) fn space(&self) -> Option<DiskSpace> {
        let space = file_system::space(&self.file)?;
        Some(if self.disk.faults().full { DiskSpace { free: 0, ..space } } else { space })
    }

    fn changed(&self, why: &str) -> WriteError {
        WriteError::Changed(Message::new(format!("`{}` {why}", self.path.display())))
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write as _};

    use crate::audit::write::disk::*;

    fn file(folder: &Path, disk: &Disk) -> AppendFile {
        let mut file = AppendFile::create(folder.join("file"), disk).unwrap();
        file.append(|out| out.extend_from_slice(b"one\n")).unwrap();
        file.sync().unwrap();
        file
    }

    fn append_foreign(file: &AppendFile, bytes: &[u8]) {
        fs::OpenOptions::new().append(true).open(&file.path).unwrap().write_all(bytes).unwrap();
    }

    #[test]
    fn failed_write_and_failed_sync_leave_the_synced_bytes() {
        let (folder, disk) = (tempfile::tempdir().unwrap(), Disk::faulty());
        let mut file = file(folder.path(), &disk);
        file.append(|out| out.extend_from_slice(b"two\n")).unwrap();
        disk.set_full(true);
        assert!(matches!(file.append(|out| out.extend_from_slice(b"three\n")), Err(WriteError::Full)));
        disk.set_full(false);
        assert_eq!(fs::read(&file.path).unwrap(), b"one\ntwo\n");
        disk.fail_syncs(true);
        assert!(matches!(file.sync(), Err(WriteError::Failed(_))));
        assert_eq!(fs::read(&file.path).unwrap(), b"one\n");
        disk.fail_syncs(false);
        file.append(|out| out.extend_from_slice(b"four\n")).unwrap();
        file.sync().unwrap();
        assert_eq!(fs::read(&file.path).unwrap(), b"one\nfour\n");
    }

    #[test]
    fn bytes_of_another_process_are_never_removed() {
        let (folder, disk) = (tempfile::tempdir().unwrap(), Disk::faulty());
        let mut file = file(folder.path(), &disk);
        file.append(|out| out.extend_from_slice(b"two\n")).unwrap();
        append_foreign(&file, b"theirs");
        disk.fail_syncs(true);
        assert!(file.sync().is_err());
        assert!(matches!(file.cut_back(), Err(WriteError::Changed(_))));
        assert!(file.append(|out| out.push(b'x')).is_err());
        assert_eq!(fs::read(&file.path).unwrap(), b"one\ntwo\ntheirs");
        // Bytes that only begin like those of this process are not its own either.
        let path = folder.path().join("torn");
        fs::write(&path, "one\nTOR").unwrap();
        assert!(matches!(AppendFile::open(path.clone(), b"tor", &disk), Err(WriteError::Changed(_))));
        assert_eq!(AppendFile::open(path.clone(), b"TOR", &disk).unwrap().len(), 4);
        assert_eq!(fs::read(path).unwrap(), b"one\n");
    }
}
