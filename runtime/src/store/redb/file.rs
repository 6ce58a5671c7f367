//! Opens the file of a store, or creates it in one step, and never empties one that it cannot read.

use std::{
    fs::{self, File},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use ::redb::{Builder, Database, DatabaseError, backends::FileBackend};

use super::{
    file_fault::{damaged, failure, unfit},
    meta::{self, StoreMeta},
    tables::{RedbTables, RowError},
};
use crate::{
    file_system::{FileIdentity, identity, is_private, make_folder, private, sync_folder},
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

/// The file of an open store.
#[derive(Debug)]
pub(super) struct StoreFile {
    path: PathBuf,
    identity: FileIdentity,
}

impl StoreFile {
    /// Opens the file in `folder`, or creates both.
    pub(super) fn open(folder: &Path) -> Result<(Self, Database, StoreMeta), KeyStoreFault> {
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
        let meta = meta::open(&path, &database)?;
        Ok((Self { path, identity }, database, meta))
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
    is_private(&metadata)
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
    meta::initialize(&mut RedbTables::open(&transaction)?)?;
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
        let (file, database, meta) = StoreFile::open(&folder).unwrap();
        assert!(file.is_in_place());
        let busy = StoreFile::open(&folder).map(drop).unwrap_err();
        assert!(matches!(busy, KeyStoreFault::Busy(_)), "{busy:?}");
        drop(database);
        assert_eq!(StoreFile::open(&folder).unwrap().2, meta);
        let names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, [FILE_NAME], "nothing is left aside");
        fs::remove_file(folder.join(FILE_NAME)).unwrap();
        assert!(!file.is_in_place());
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
