//! A path → the folder of one log, held by one writer.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use super::system;

/// The file that the writer holds a lock on.
pub(crate) const LOCK: &str = "lock";

/// What may be typed where a folder cannot be used.
pub(super) const HELP: &str = "help: record in another folder of your own: `--audit DIR`";

/// The folder of a log that this process writes.
pub(super) struct Folder {
    pub(super) path: PathBuf,
    /// The lock goes when this is closed.
    _lock: File,
}

/// Why a folder cannot be taken.
#[derive(Debug)]
pub(super) enum FolderError {
    /// Another process writes there; its number, where it left one.
    Busy(String),
    /// It cannot hold a log.
    Unfit(String),
}

impl Folder {
    /// Makes the folder where there is none, and takes it for this process.
    pub(super) fn take(path: &Path) -> Result<Self, FolderError> {
        let shown = path.display();
        let unfit = |why: String| FolderError::Unfit(why);
        // Asked first: a link must not be followed by making what it points to.
        if fs::symlink_metadata(path).is_err() {
            system::make_folder(path).map_err(|error| unfit(format!("`{shown}` cannot be made: {error}")))?;
        }
        check(path).map_err(unfit)?;
        let mut options = system::private();
        options.read(true).write(true).create(true).truncate(false);
        let mut lock = options
            .open(path.join(LOCK))
            .map_err(|error| unfit(format!("`{shown}` cannot be written: {error}")))?;
        let is_ours =
            self::lock(&lock).map_err(|error| unfit(format!("`{shown}` cannot be locked: {error}")))?;
        if !is_ours {
            let mut pid = String::new();
            let _ = lock.take(20).read_to_string(&mut pid);
            let pid: String = pid.chars().filter(char::is_ascii_digit).collect();
            let who = if pid.is_empty() { String::new() } else { format!(" ({pid})") };
            return Err(FolderError::Busy(format!("another process{who} writes the log in `{shown}`")));
        }
        // For people only: the lock itself is the system's.
        let _ = lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id()));
        Ok(Self { path: path.to_owned(), _lock: lock })
    }
}

/// Takes the lock; `false` if another process holds it. The system gives it back when the process ends.
fn lock(file: &File) -> io::Result<bool> {
    for attempt in 0..5 {
        if attempt > 0 {
            // `audit verify` takes the lock for a moment, and does not write.
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(false)
}

/// Whether `path` is a folder that a log can be kept in.
fn check(path: &Path) -> Result<(), String> {
    let shown = path.display();
    let metadata =
        fs::symlink_metadata(path).map_err(|error| format!("`{shown}` cannot be looked at: {error}"))?;
    if metadata.is_symlink() {
        return Err(format!("`{shown}` is a symbolic link"));
    }
    if !metadata.is_dir() {
        return Err(format!("`{shown}` is no folder"));
    }
    system::ours_alone(&metadata).map_err(|why| format!("`{shown}` cannot hold an audit log: {why}"))
}
