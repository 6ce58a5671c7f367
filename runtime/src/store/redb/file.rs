//! Opens the file of a store, or creates it in one step, and never empties one that it cannot read.

use std::{
    fs::{self, File, OpenOptions},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use ::redb::{Builder, Database, DatabaseError, ReadableDatabase as _, backends::FileBackend};

use super::tables::{FORMAT, FORMAT_ROW, LAST_TIME_ROW, META, RedbTables, RowError, meta};
use crate::{
    message::Message,
    store::{KeyStoreError, KeyStoreFault},
};

/// The file in the store's folder.
const FILE_NAME: &str = "keys.redb";
/// The memory for pages that were read or written. The system caches the file as well.
const PAGE_CACHE_BYTES: usize = 16 << 20;
/// How often a file is tried that another process holds, which may be about to end.
const OPEN_ATTEMPTS: u32 = 5;
const OPEN_RETRY_DELAY: Duration = Duration::from_millis(25);
/// The help for a folder that cannot hold a store.
const OTHER_STORE_FOLDER: &str = "keep keys in another folder of your own: `--keys DIR`";

/// The file of an open store.
#[derive(Debug)]
pub(super) struct StoreFile {
    path: PathBuf,
    identity: FileIdentity,
}

/// Numbers that are equal only for the same file.
type FileIdentity = (u64, u64);

impl StoreFile {
    /// Opens the file in `folder`, or creates both. Also returns the last time that the store recorded.
    pub(super) fn open(folder: &Path) -> Result<(Self, Database, u64), KeyStoreFault> {
        prepare(folder)?;
        let path = folder.join(FILE_NAME);
        if fs::symlink_metadata(&path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            create(folder, &path)?;
        }
        let mut attempts = 1;
        let (database, identity) = loop {
            match open_existing(&path) {
                Err(KeyStoreFault::Busy(_)) if attempts < OPEN_ATTEMPTS => {
                    attempts += 1;
                    thread::sleep(OPEN_RETRY_DELAY);
                }
                opened => break opened?,
            }
        };
        let last = last_time(&path, &database)?;
        Ok((Self { path, identity }, database, last))
    }

    /// Opens the file again after a failure, if it is still the same one.
    pub(super) fn reopen(&self) -> Result<Database, KeyStoreError> {
        let (database, identity) =
            open_existing(&self.path).map_err(|fault| KeyStoreError(fault.into_message()))?;
        if identity == self.identity { Ok(database) } else { Err(self.failed("it was replaced")) }
    }

    /// Whether the file is still at its path. Keys in a file that was removed would be lost at the next start.
    pub(super) fn is_in_place(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok_and(|metadata| identity(&metadata) == self.identity)
    }

    /// The error of an operation on the file.
    pub(super) fn failed(&self, why: impl std::fmt::Display) -> KeyStoreError {
        KeyStoreError(Message::new(format!("the key store `{}` cannot be used: {why}", self.path.display())))
    }
}

fn unfit(message: Message) -> KeyStoreFault {
    KeyStoreFault::Unfit(message.or_help(OTHER_STORE_FOLDER))
}

fn failure(fact: &str, error: &io::Error) -> KeyStoreFault {
    unfit(Message::failure(fact, error))
}

/// Creates the folder if it is missing, and checks that only this user can change its content.
fn prepare(folder: &Path) -> Result<(), KeyStoreFault> {
    let shown = folder.display();
    // Checked first: creating a folder would follow a link.
    if fs::symlink_metadata(folder).is_err() {
        make_folder(folder).map_err(|error| failure(&format!("`{shown}` cannot be created"), &error))?;
    }
    let metadata = fs::symlink_metadata(folder)
        .map_err(|error| failure(&format!("`{shown}` cannot be read"), &error))?;
    if !metadata.is_dir() {
        return Err(unfit(Message::new(format!("`{shown}` is not a folder"))));
    }
    check_owner(&metadata)
        .map_err(|why| unfit(Message::new(format!("`{shown}` cannot hold a key store: {why}"))))
}

/// Creates an empty store aside and links it to its name, so that no process ever finds half a store.
fn create(folder: &Path, path: &Path) -> Result<(), KeyStoreFault> {
    let aside = folder.join(format!("{FILE_NAME}.{:016x}", fastrand::u64(..)));
    let fact = format!("`{}` cannot be created", path.display());
    let file = private().read(true).write(true).create_new(true).open(&aside);
    let file = file.map_err(|error| failure(&fact, &error))?;
    let made = initialize(file)
        .map_err(|error| unfit(Message::new(format!("{fact}: {error}"))))
        // Unlike a rename, a link never replaces a file that exists: another process may have been faster.
        .and_then(|()| match fs::hard_link(&aside, path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failure(&fact, &error)),
            _ => Ok(()),
        });
    let _ = fs::remove_file(&aside);
    made?;
    sync_folder(folder).map_err(|error| failure(&fact, &error))
}

/// Writes the tables of an empty store.
fn initialize(file: File) -> Result<(), RowError> {
    let database = Builder::new().create_with_backend(FileBackend::new(file)?)?;
    let transaction = database.begin_write()?;
    RedbTables::open(&transaction, 0)?.set_meta(FORMAT_ROW, FORMAT)?;
    transaction.commit()?;
    Ok(())
}

fn open_existing(path: &Path) -> Result<(Database, FileIdentity), KeyStoreFault> {
    let shown = path.display();
    let fact = format!("`{shown}` cannot be opened");
    let file = private().read(true).write(true).open(path).map_err(|error| failure(&fact, &error))?;
    let metadata = file.metadata().map_err(|error| failure(&fact, &error))?;
    if !metadata.is_file() {
        return Err(unfit(Message::new(format!("`{shown}` is not a regular file"))));
    }
    if metadata.len() == 0 {
        // The database would take an empty file for a new store, and forget every key.
        return Err(damaged(path, "it is empty"));
    }
    // The database may panic on a file that it did not write.
    let open =
        || Builder::new().set_cache_size(PAGE_CACHE_BYTES).create_with_backend(FileBackend::new(file)?);
    match catch_unwind(AssertUnwindSafe(open)) {
        Ok(Ok(database)) => Ok((database, identity(&metadata))),
        Ok(Err(DatabaseError::DatabaseAlreadyOpen)) => Err(KeyStoreFault::Busy(
            Message::new(format!("another process has the key store `{shown}`"))
                .note("a key that one process completes must not run in another, so a store has one process")
                .help("end the other process, or keep keys in another folder: `--keys DIR`"),
        )),
        Ok(Err(DatabaseError::UpgradeRequired(_))) => Err(damaged(path, "its format is not known")),
        Ok(Err(DatabaseError::Storage(::redb::StorageError::Io(error))))
            if error.kind() != io::ErrorKind::InvalidData =>
        {
            Err(failure(&fact, &error))
        }
        Ok(Err(error)) => Err(damaged(path, &error.to_string())),
        Err(_) => Err(damaged(path, "it is damaged")),
    }
}

/// The fault of a file that cannot be trusted. It stays as it is.
fn damaged(path: &Path, why: &str) -> KeyStoreFault {
    KeyStoreFault::Unfit(
        Message::new(format!("the key store `{}` cannot be read: {why}", path.display()))
            .note("it is left as it is: without its keys, calls that were done could run a second time")
            .help("restore the file from a copy, or move it away to begin without keys"),
    )
}

/// Checks the version of the layout, and returns the last time that the store recorded.
fn last_time(path: &Path, database: &Database) -> Result<u64, KeyStoreFault> {
    let read = || -> Result<(u64, u64), RowError> {
        let rows = database.begin_read()?.open_table(META)?;
        Ok((meta(&rows, FORMAT_ROW)?, meta(&rows, LAST_TIME_ROW)?))
    };
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok((FORMAT, last))) => Ok(last),
        Ok(Ok((format, _))) if format > FORMAT => Err(KeyStoreFault::Unfit(
            Message::new(format!("the key store `{}` has format {format}", path.display()))
                .note(format!("this version of Candor reads format {FORMAT}"))
                .help("start the newer version that wrote it, or keep keys in another folder: `--keys DIR`"),
        )),
        Ok(Ok(_)) => Err(damaged(path, "it is not a key store")),
        Ok(Err(error)) => Err(damaged(path, &error.to_string())),
        Err(_) => Err(damaged(path, "it is damaged")),
    }
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};

    use rustix::fs::OFlags;

    use super::{File, FileIdentity, Message, OpenOptions, Path, fs, io};

    /// Options for a file that only its owner can read. A symbolic link is not followed, and a pipe is not waited for.
    pub(super) fn private() -> OpenOptions {
        let mut options = OpenOptions::new();
        options.mode(0o600).custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
        options
    }

    /// Creates a folder that only its owner can enter, and its parents.
    pub(super) fn make_folder(path: &Path) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    pub(super) fn check_owner(metadata: &fs::Metadata) -> Result<(), Message> {
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(Message::new(format!("it belongs to another user (uid {})", metadata.uid())));
        }
        if metadata.mode() & 0o022 != 0 {
            let mode = metadata.mode() & 0o7777;
            return Err(Message::new(format!("other users can write in it (mode {mode:o})")));
        }
        Ok(())
    }

    pub(super) fn identity(metadata: &fs::Metadata) -> FileIdentity {
        (metadata.dev(), metadata.ino())
    }

    /// Makes the names in a folder survive a power cut.
    pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}

/// Systems without the file modes of Unix: the access list of the folder protects it.
#[cfg(not(unix))]
mod other {
    use super::{FileIdentity, Message, OpenOptions, Path, fs, io};

    pub(super) fn private() -> OpenOptions {
        OpenOptions::new()
    }

    pub(super) fn make_folder(path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    #[expect(clippy::unnecessary_wraps, reason = "the same as on Unix")]
    pub(super) fn check_owner(_: &fs::Metadata) -> Result<(), Message> {
        Ok(())
    }

    pub(super) fn identity(metadata: &fs::Metadata) -> FileIdentity {
        let made = metadata.created().ok().and_then(|made| made.duration_since(std::time::UNIX_EPOCH).ok());
        (0, made.map_or(0, |made| u64::try_from(made.as_nanos()).unwrap_or(u64::MAX)))
    }

    #[expect(clippy::unnecessary_wraps, reason = "the same as on Unix")]
    pub(super) fn sync_folder(_: &Path) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(not(unix))]
use other::{check_owner, identity, make_folder, private, sync_folder};
#[cfg(unix)]
use unix::{check_owner, identity, make_folder, private, sync_folder};

#[cfg(test)]
mod tests {
    use crate::store::redb::file::*;

    fn refused(folder: &Path) -> String {
        StoreFile::open(folder).map(drop).unwrap_err().into_message().to_string()
    }

    #[test]
    fn store_is_created_once_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("a/b");
        let (file, database, last) = StoreFile::open(&folder).unwrap();
        assert_eq!((last, file.is_in_place()), (0, true));
        let busy = StoreFile::open(&folder).map(drop).unwrap_err();
        assert!(matches!(busy, KeyStoreFault::Busy(_)), "{busy:?}");
        let transaction = database.begin_write().unwrap();
        RedbTables::open(&transaction, 0).unwrap().set_meta(LAST_TIME_ROW, 7).unwrap();
        transaction.commit().unwrap();
        drop(database);
        assert_eq!(StoreFile::open(&folder).unwrap().2, 7);
        let names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, [FILE_NAME], "nothing is left aside");
        fs::remove_file(folder.join(FILE_NAME)).unwrap();
        assert!(!file.is_in_place());
    }

    #[test]
    fn store_of_a_newer_version_is_refused_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let (_, database, _) = StoreFile::open(folder.path()).unwrap();
        let transaction = database.begin_write().unwrap();
        RedbTables::open(&transaction, 0).unwrap().set_meta(FORMAT_ROW, FORMAT + 1).unwrap();
        transaction.commit().unwrap();
        drop(database);
        let message = refused(folder.path());
        assert!(message.contains("has format 2") && message.contains("reads format 1"), "{message}");
        let database = Database::open(folder.path().join(FILE_NAME)).unwrap();
        let rows = database.begin_read().unwrap().open_table(META).unwrap();
        assert_eq!(meta(&rows, FORMAT_ROW).unwrap(), FORMAT + 1);
    }

    #[test]
    fn database_of_another_program_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        drop(Database::create(folder.path().join(FILE_NAME)).unwrap());
        let message = refused(folder.path());
        assert!(message.contains("cannot be read") && message.contains("left as it is"), "{message}");
    }

    #[cfg(unix)]
    #[test]
    fn folder_or_file_that_others_control_is_refused() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};

        let folder = tempfile::tempdir().unwrap();
        let open = folder.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(refused(&open).contains("other users can write in it (mode 777)"));
        symlink(folder.path(), folder.path().join("link")).unwrap();
        assert!(refused(&folder.path().join("link")).contains("is not a folder"));
        fs::set_permissions(&open, fs::Permissions::from_mode(0o700)).unwrap();
        symlink("/dev/null", open.join(FILE_NAME)).unwrap();
        assert!(refused(&open).contains("cannot be opened"));
        fs::remove_file(open.join(FILE_NAME)).unwrap();
        drop(StoreFile::open(&open).unwrap());
        let mode = fs::metadata(open.join(FILE_NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
