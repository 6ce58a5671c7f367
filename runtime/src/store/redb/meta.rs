//! Reads the values that describe a store, and brings a store of an earlier format up to date.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use ::redb::{Database, ReadableDatabase as _, ReadableTable, TableDefinition};

use super::{
    file_fault::damaged,
    tables::{META, RedbTables, RowError, Rows, number},
};
use crate::{message::Message, store::KeyStoreFault};

/// The version of the layout of the tables and the journals.
pub(super) const FORMAT: u64 = 2;
/// The row of the version of the layout.
const FORMAT_ROW: &str = "format";
/// The row of the number that the journals of this store name.
const STORE_ROW: &str = "store";
/// The row of the last time that was recorded, in milliseconds since 1970.
pub(super) const LAST_TIME_ROW: &str = "last_time";
/// The row of the number of the last journal whose rows are in the database.
pub(super) const JOURNAL_ROW: &str = "journal";

/// The table of the keys whose attempts had not ended, in format 1.
const OPEN_KEYS: Rows = TableDefinition::new("open");

/// The values that describe a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StoreMeta {
    /// A random number that the journals of this store name.
    pub(super) store: u64,
    /// The last time that was recorded, in milliseconds since 1970.
    pub(super) last_time: u64,
    /// The number of the last journal whose rows are in the database; 0 if there was none.
    pub(super) journal: u64,
}

/// Writes the values that describe an empty store.
pub(super) fn initialize(tables: &mut RedbTables<'_>) -> Result<(), RowError> {
    tables.set_meta(STORE_ROW, fastrand::u64(..))?;
    tables.set_meta(FORMAT_ROW, FORMAT)
}

/// Checks the version of the layout, and reads the values of a store of this one or an earlier one.
pub(super) fn open(path: &Path, database: &Database) -> Result<StoreMeta, KeyStoreFault> {
    let read = || match read(database)? {
        (1, _) => {
            upgrade(database)?;
            self::read(database)
        }
        known => Ok(known),
    };
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok((FORMAT, meta))) => Ok(meta),
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

/// Reads the version of the layout and the other values.
fn read(database: &Database) -> Result<(u64, StoreMeta), RowError> {
    let rows = database.begin_read()?.open_table(META)?;
    // A value that was never set is 0.
    let value = |row: &str| rows.get(row.as_bytes())?.map_or(Ok(0), |value| number(value.value()));
    let meta = StoreMeta {
        store: value(STORE_ROW)?,
        last_time: value(LAST_TIME_ROW)?,
        journal: value(JOURNAL_ROW)?,
    };
    Ok((value(FORMAT_ROW)?, meta))
}

/// Reads the number of the last journal whose rows are in the database.
pub(super) fn last_journal(database: &Database) -> Result<u64, RowError> {
    Ok(read(database)?.1.journal)
}

/// Turns a store of format 1, which had no journals, into one of this format.
fn upgrade(database: &Database) -> Result<(), RowError> {
    let transaction = database.begin_write()?;
    {
        let open = transaction.open_table(OPEN_KEYS)?;
        let mut tables = RedbTables::open(&transaction)?;
        for row in open.iter()? {
            let (key, row) = row?;
            tables.copy_key(key.value(), row.value())?;
        }
        initialize(&mut tables)?;
    }
    transaction.delete_table(OPEN_KEYS)?;
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::store::redb::{file::StoreFile, meta::*};

    #[test]
    fn store_of_the_format_before_keeps_its_keys() {
        let folder = tempfile::tempdir().unwrap();
        let (_, database, meta) = StoreFile::open(folder.path()).unwrap();
        assert_eq!((meta.last_time, meta.journal), (0, 0));
        let transaction = database.begin_write().unwrap();
        let mut tables = RedbTables::open(&transaction).unwrap();
        tables.copy_key(b"ended", b"row").unwrap();
        tables.set_meta(LAST_TIME_ROW, 7).unwrap();
        tables.set_meta(FORMAT_ROW, 1).unwrap();
        drop(tables);
        transaction.open_table(OPEN_KEYS).unwrap().insert(b"open".as_slice(), b"other".as_slice()).unwrap();
        transaction.commit().unwrap();
        drop(database);
        let (_, database, upgraded) = StoreFile::open(folder.path()).unwrap();
        assert_eq!(upgraded.last_time, 7);
        assert_ne!(upgraded.store, 0);
        let keys = database.begin_read().unwrap().open_table(crate::store::redb::tables::KEYS).unwrap();
        let row = |key: &[u8]| keys.get(key).unwrap().map(|row| row.value().to_vec());
        assert_eq!((row(b"open"), row(b"ended")), (Some(b"other".to_vec()), Some(b"row".to_vec())));
        drop(database);
        assert_eq!(StoreFile::open(folder.path()).unwrap().2, upgraded, "once");
    }

    #[test]
    fn store_of_a_newer_version_is_refused_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let (_, database, _) = StoreFile::open(folder.path()).unwrap();
        let transaction = database.begin_write().unwrap();
        RedbTables::open(&transaction).unwrap().set_meta(FORMAT_ROW, FORMAT + 1).unwrap();
        transaction.commit().unwrap();
        drop(database);
        let fault = StoreFile::open(folder.path()).map(drop).unwrap_err();
        let message = fault.into_message().to_string();
        assert!(message.contains("has format 3") && message.contains("reads format 2"), "{message}");
        let database = Database::open(folder.path().join("keys.redb")).unwrap();
        assert_eq!(read(&database).unwrap().0, FORMAT + 1);
    }
}
