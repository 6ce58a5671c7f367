//! Takes the folder of a log for one writer.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{file_system, message::Message};

/// The file that the writer has locked.
pub(crate) const LOCK: &str = "lock";
/// How often a lock is tried that another process holds.
const LOCK_ATTEMPTS: u32 = 5;
const LOCK_RETRY_DELAY: Duration = Duration::from_millis(5);
/// The bytes of the process id in the lock file, with the blanks behind it.
const PID_BYTES: usize = 20;

/// The folder of a log that this process writes.
pub(super) struct Folder {
    pub(super) path: PathBuf,
    /// Closing the files releases the locks.
    _locks: FolderLocks,
}

/// The locks of a folder: the file `lock`, which file systems of every kind can lock, and the folder itself, since the file
/// can be removed or replaced.
type FolderLocks = (File, Option<File>);

/// The reason why a folder cannot be taken.
#[derive(Debug)]
pub(super) enum FolderError {
    /// Another process writes there.
    Busy(Message),
    /// It cannot hold a log.
    Unfit(Message),
}

impl FolderError {
    pub(super) fn into_message(self) -> Message {
        match self {
            Self::Busy(message) | Self::Unfit(message) => message,
        }
    }
}

impl Folder {
    /// Takes the folder for this process, and creates it if it is missing.
    pub(super) fn take(path: &Path) -> Result<Self, FolderError> {
        let shown = path.display();
        // Checked first: creating a folder would follow a link.
        if fs::symlink_metadata(path).is_err() {
            file_system::make_folder(path)
                .map_err(|error| failed(&format!("`{shown}` cannot be created"), &error))?;
        }
        check(path).map_err(FolderError::Unfit)?;
        let failed = |what: &'static str| {
            move |error: io::Error| failed(&format!("`{}` cannot be {what}", path.display()), &error)
        };
        let mut options = file_system::private();
        options.read(true).write(true).create(true).truncate(false);
        let opened = options.open(path.join(LOCK)).and_then(file_system::regular);
        let mut lock = opened.map_err(failed("written"))?;
        let folder = file_system::open_folder(path).map_err(failed("read"))?;
        if !try_lock(&lock).map_err(failed("locked"))? || !try_lock_folder(folder.as_ref()) {
            return Err(FolderError::Busy(busy(path, lock)));
        }
        // For people only: the system keeps the lock. The id before has as many bytes: some file systems take milliseconds to
        // cut a file back.
        let _ = writeln!(lock, "{:<PID_BYTES$}", std::process::id());
        Ok(Self { path: path.to_owned(), _locks: (lock, folder) })
    }
}

impl Folder {
    /// Warns if other users can read the folder. `None` if only its owner can.
    pub(super) fn readable_by(&self) -> Option<Message> {
        let metadata = fs::symlink_metadata(&self.path).ok()?;
        let users = file_system::readers(&metadata)?;
        let shown = self.path.display();
        Some(
            Message::new(format!("{users} can read the folder of the log, `{shown}`"))
                .note("it says who called which tool, and when")
                .help(format!("run `chmod 700 {shown}` if they should not")),
        )
    }
}

/// The help for a folder that cannot hold a log.
const OTHER_FOLDER: &str = "record in another folder of your own: `--audit DIR`";

fn failed(fact: &str, error: &io::Error) -> FolderError {
    FolderError::Unfit(Message::failure(fact, error).or_help(OTHER_FOLDER))
}

fn message(fact: String) -> Message {
    Message::new(fact).help(OTHER_FOLDER)
}

/// Names the process that holds the lock, if it left its id.
fn busy(path: &Path, lock: File) -> Message {
    let mut pid = String::new();
    let _ = lock.take(PID_BYTES as u64).read_to_string(&mut pid);
    let pid: String = pid.chars().filter(char::is_ascii_digit).collect();
    let pid = if pid.is_empty() { String::new() } else { format!(" ({pid})") };
    message(format!("another process{pid} writes the log in `{}`", path.display()))
}

/// Takes the lock; `false` if another process holds it. The system releases the lock when the process ends.
fn try_lock(file: &File) -> io::Result<bool> {
    for attempt in 0..LOCK_ATTEMPTS {
        if attempt > 0 {
            // `audit verify` takes the lock for a moment, and does not write.
            std::thread::sleep(LOCK_RETRY_DELAY);
        }
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(false)
}

/// Takes the lock of the folder itself; `false` if another process holds it. Some file systems cannot lock a folder.
fn try_lock_folder(folder: Option<&File>) -> bool {
    folder.is_none_or(|folder| try_lock(folder).unwrap_or(true))
}

/// Checks that `path` is a folder that can hold a log.
fn check(path: &Path) -> Result<(), Message> {
    let shown = path.display();
    let metadata = fs::symlink_metadata(path).map_err(|error| {
        Message::failure(&format!("`{shown}` cannot be read"), &error).or_help(OTHER_FOLDER)
    })?;
    if metadata.is_symlink() {
        return Err(message(format!("`{shown}` is a symbolic link")));
    }
    if !metadata.is_dir() {
        return Err(message(format!("`{shown}` is not a folder")));
    }
    file_system::is_private(&metadata)
        .map_err(|why| message(format!("`{shown}` cannot hold an audit log: {}", why.fact())))
}
