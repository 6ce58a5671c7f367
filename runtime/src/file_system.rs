//! Opens files safely, tells files apart, and asks the system for their owners and for free space.

use std::{
    fs::{DirBuilder, File, Metadata, OpenOptions},
    io,
    path::Path,
};

/// Numbers that are equal only for the same file.
pub(crate) type FileIdentity = (u64, u64);

/// The space of a file system, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DiskSpace {
    pub(crate) free: u64,
    pub(crate) total: u64,
}

/// Opens a regular file of a log for reading. A symbolic link is not followed, since it leads out of the folder.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    regular(read_only(false).open(path)?)
}

/// Opens a regular file for reading, through links as well.
pub(crate) fn open_through_links(path: &Path) -> io::Result<File> {
    regular(read_only(true).open(path)?)
}

/// Opens a regular file of a log for reading and appending. A symbolic link is not followed.
pub(crate) fn append(path: &Path) -> io::Result<File> {
    regular(private().read(true).append(true).open(path)?)
}

/// Opens a regular file for reading, and for writing over its content. A symbolic link is not followed.
pub(crate) fn overwrite(path: &Path) -> io::Result<File> {
    regular(private().read(true).write(true).open(path)?)
}

/// Creates a file that only its owner can read. It must not exist.
#[cfg(feature = "cli")]
pub(crate) fn create_private(path: &Path) -> io::Result<File> {
    private().write(true).create_new(true).open(path)
}

/// Refuses everything but a regular file.
pub(crate) fn regular(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is not a regular file")) }
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};

    use rustix::fs::OFlags;

    use crate::{
        file_system::{DirBuilder, DiskSpace, File, FileIdentity, Metadata, OpenOptions, Path, io},
        message::Message,
    };

    /// Flags that keep an unsuitable file from doing harm: a pipe or a device is not waited for, and a terminal does not
    /// become that of this process.
    const HARMLESS: OFlags = OFlags::NONBLOCK.union(OFlags::NOCTTY);

    /// Options for a file that only its owner can read. A symbolic link is not followed.
    pub(crate) fn private() -> OpenOptions {
        let mut options = OpenOptions::new();
        options.mode(0o600).custom_flags((OFlags::NOFOLLOW | HARMLESS).bits().cast_signed());
        options
    }

    /// Options for reading a file.
    pub(crate) fn read_only(follow_links: bool) -> OpenOptions {
        let flags = if follow_links { HARMLESS } else { OFlags::NOFOLLOW | HARMLESS };
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(flags.bits().cast_signed());
        options
    }

    /// Creates a folder that only its owner can enter, and its parents.
    pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    /// Checks that only this user can change the folder's content.
    pub(crate) fn is_private(metadata: &Metadata) -> Result<(), Message> {
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(Message::new(format!("it belongs to another user (uid {})", metadata.uid())));
        }
        if metadata.mode() & 0o022 != 0 {
            let mode = metadata.mode() & 0o7777;
            return Err(Message::new(format!("other users can write in it (mode {mode:o})")));
        }
        Ok(())
    }

    /// Names the users other than the owner who can list or enter a folder; `None` if only the owner can.
    pub(crate) fn readers(metadata: &Metadata) -> Option<String> {
        let mode = metadata.mode();
        let users = match (mode & 0o050 != 0, mode & 0o005 != 0) {
            (_, true) => "all users of this machine".to_owned(),
            (true, false) => format!("the users of group {}", metadata.gid()),
            (false, false) => return None,
        };
        Some(format!("{users} (mode {:o})", mode & 0o7777))
    }

    /// Names a program and the user of this process.
    pub(crate) fn program_of_user(program: &str) -> String {
        format!("{program}, uid {}", rustix::process::geteuid().as_raw())
    }

    pub(crate) fn is_readable_by_others(metadata: &Metadata) -> bool {
        metadata.mode() & 0o077 != 0
    }

    pub(crate) fn identity(metadata: &Metadata) -> FileIdentity {
        (metadata.dev(), metadata.ino())
    }

    pub(crate) fn space(file: &File) -> Option<DiskSpace> {
        let stat = rustix::fs::fstatvfs(file).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
        Some(DiskSpace { free: bytes(stat.f_bavail), total: bytes(stat.f_blocks) })
    }

    /// Makes the names in a folder survive a power cut.
    pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    /// Opens a folder, so that it can be locked. A symbolic link is not followed.
    pub(crate) fn open_folder(path: &Path) -> io::Result<Option<File>> {
        let flags = OFlags::NOFOLLOW | OFlags::DIRECTORY;
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(flags.bits().cast_signed());
        options.open(path).map(Some)
    }
}

#[cfg(unix)]
pub(crate) use unix::{
    identity, is_private, is_readable_by_others, make_folder, open_folder, private, program_of_user,
    read_only, readers, space, sync_folder,
};

/// Systems without the file modes of Unix: the access list of the folder protects it.
#[cfg(not(unix))]
mod other {
    use crate::{
        file_system::{DirBuilder, DiskSpace, File, FileIdentity, Metadata, OpenOptions, Path, io},
        message::Message,
    };

    pub(crate) fn private() -> OpenOptions {
        OpenOptions::new()
    }

    pub(crate) fn read_only(_: bool) -> OpenOptions {
        let mut options = OpenOptions::new();
        options.read(true);
        options
    }

    pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).create(path)
    }

    pub(crate) fn is_private(_: &Metadata) -> Result<(), Message> {
        Ok(())
    }

    pub(crate) fn readers(_: &Metadata) -> Option<String> {
        None
    }

    pub(crate) fn program_of_user(program: &str) -> String {
        program.to_owned()
    }

    pub(crate) fn is_readable_by_others(_: &Metadata) -> bool {
        false
    }

    pub(crate) fn identity(metadata: &Metadata) -> FileIdentity {
        let made = metadata.created().ok().and_then(|made| made.duration_since(std::time::UNIX_EPOCH).ok());
        (0, made.map_or(0, |made| u64::try_from(made.as_nanos()).unwrap_or(u64::MAX)))
    }

    pub(crate) fn space(_: &File) -> Option<DiskSpace> {
        None
    }

    pub(crate) fn sync_folder(_: &Path) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn open_folder(_: &Path) -> io::Result<Option<File>> {
        Ok(None)
    }
}

#[cfg(not(unix))]
pub(crate) use other::{
    identity, is_private, is_readable_by_others, make_folder, open_folder, private, program_of_user,
    read_only, readers, space, sync_folder,
};
