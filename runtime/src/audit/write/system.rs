//! What an audit log asks of the system beyond `std`: private files, locks, owners, free space.

use std::{
    fs::{DirBuilder, File, Metadata, OpenOptions},
    io,
    path::Path,
};

/// The room of a file system, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct DiskSpace {
    pub(super) free: u64,
    pub(super) all: u64,
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};

    use rustix::fs::OFlags;

    use crate::audit::write::system::{DirBuilder, DiskSpace, File, Metadata, OpenOptions, Path, io};

    /// For a file that only its owner reads, and that is no symbolic link.
    pub(crate) fn private() -> OpenOptions {
        let mut options = OpenOptions::new();
        options.mode(0o600).custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
        options
    }

    /// Makes a folder that only its owner enters, and those above it.
    pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    /// Whether nobody else can change what is in it; or why not.
    pub(crate) fn ours_alone(metadata: &Metadata) -> Result<(), String> {
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(format!("it belongs to another user (uid {})", metadata.uid()));
        }
        if metadata.mode() & 0o022 != 0 {
            return Err(format!("others may write in it (mode {:o})", metadata.mode() & 0o7777));
        }
        Ok(())
    }

    /// What makes two files one.
    pub(crate) fn identity(metadata: &Metadata) -> (u64, u64) {
        (metadata.dev(), metadata.ino())
    }

    pub(crate) fn room(file: &File) -> Option<DiskSpace> {
        let stat = rustix::fs::fstatvfs(file).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
        Some(DiskSpace { free: bytes(stat.f_bavail), all: bytes(stat.f_blocks) })
    }

    /// Makes the names in a folder outlive a power cut.
    pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}

#[cfg(unix)]
pub(super) use unix::{identity, make_folder, ours_alone, private, room, sync_folder};

/// Systems without Unix's files: the folder's own access list is what keeps others out.
#[cfg(not(unix))]
mod other {
    use crate::audit::write::system::{DirBuilder, DiskSpace, File, Metadata, OpenOptions, Path, io};

    pub(crate) fn private() -> OpenOptions {
        OpenOptions::new()
    }

    pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).create(path)
    }

    pub(crate) fn ours_alone(_: &Metadata) -> Result<(), String> {
        Ok(())
    }

    pub(crate) fn identity(metadata: &Metadata) -> (u64, u64) {
        let made = metadata.created().ok().and_then(|made| made.duration_since(std::time::UNIX_EPOCH).ok());
        (0, made.map_or(0, |made| u64::try_from(made.as_nanos()).unwrap_or(u64::MAX)))
    }

    pub(crate) fn room(_: &File) -> Option<DiskSpace> {
        None
    }

    pub(crate) fn sync_folder(_: &Path) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(not(unix))]
pub(super) use other::{identity, make_folder, ours_alone, private, room, sync_folder};
