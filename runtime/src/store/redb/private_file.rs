//! Opens files that only their owner can read, and tells files apart.

use std::{
    fs::{self, OpenOptions},
    io,
    path::Path,
};

use crate::message::Message;

/// Numbers that are equal only for the same file.
pub(super) type FileIdentity = (u64, u64);

#[cfg(unix)]
mod unix {
    use std::{
        fs::File,
        os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    };

    use rustix::fs::OFlags;

    use super::{FileIdentity, Message, OpenOptions, Path, fs, io};

    /// Options for a file that only its owner can read. A symbolic link is not followed, and a pipe is not waited for.
    pub(in super::super) fn private() -> OpenOptions {
        let mut options = OpenOptions::new();
        options.mode(0o600).custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
        options
    }

    /// Creates a folder that only its owner can enter, and its parents.
    pub(in super::super) fn make_folder(path: &Path) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    pub(in super::super) fn check_owner(metadata: &fs::Metadata) -> Result<(), Message> {
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(Message::new(format!("it belongs to another user (uid {})", metadata.uid())));
        }
        if metadata.mode() & 0o022 != 0 {
            let mode = metadata.mode() & 0o7777;
            return Err(Message::new(format!("other users can write in it (mode {mode:o})")));
        }
        Ok(())
    }

    pub(in super::super) fn identity(metadata: &fs::Metadata) -> FileIdentity {
        (metadata.dev(), metadata.ino())
    }

    /// Makes the names in a folder survive a power cut.
    pub(in super::super) fn sync_folder(path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}

/// Systems without the file modes of Unix: the access list of the folder protects it.
#[cfg(not(unix))]
mod other {
    use super::{FileIdentity, Message, OpenOptions, Path, fs, io};

    pub(in super::super) fn private() -> OpenOptions {
        OpenOptions::new()
    }

    pub(in super::super) fn make_folder(path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    #[expect(clippy::unnecessary_wraps, reason = "the same as on Unix")]
    pub(in super::super) fn check_owner(_: &fs::Metadata) -> Result<(), Message> {
        Ok(())
    }

    pub(in super::super) fn identity(metadata: &fs::Metadata) -> FileIdentity {
        let made = metadata.created().ok().and_then(|made| made.duration_since(std::time::UNIX_EPOCH).ok());
        (0, made.map_or(0, |made| u64::try_from(made.as_nanos()).unwrap_or(u64::MAX)))
    }

    #[expect(clippy::unnecessary_wraps, reason = "the same as on Unix")]
    pub(in super::super) fn sync_folder(_: &Path) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(not(unix))]
pub(super) use other::{check_owner, identity, make_folder, private, sync_folder};
#[cfg(unix)]
pub(super) use unix::{check_owner, identity, make_folder, private, sync_folder};
