//! Lays the rows of a store out in tables of the database.

use ::redb::{Database, ReadableTable as _, Table, TableDefinition, WriteTransaction};

use crate::store::{
    record::KeyRecord,
    transition::{KeyTables, KeyUsage},
};

/// The version of this layout.
pub(super) const FORMAT: u64 = 1;
/// The row of [`META`] with the version of the layout.
pub(super) const FORMAT_ROW: &str = "format";
/// The row of [`META`] with the last time that was recorded, in milliseconds since 1970.
pub(super) const LAST_TIME_ROW: &str = "last_time";

pub(super) const META: TableDefinition<'static, &str, u64> = TableDefinition::new("meta");
/// Maps a key's digest to its row.
pub(super) const KEYS: TableDefinition<'static, &[u8; 32], &[u8]> = TableDefinition::new("keys");
/// The times at which keys are pruned.
const DUE: TableDefinition<'static, (u64, &[u8; 32]), ()> = TableDefinition::new("due");
/// Maps a caller's digest to its keys and the bytes of their results.
const USAGE: TableDefinition<'static, &[u8; 32], (u64, u64)> = TableDefinition::new("usage");

/// A row that is written and removed to find out whether the disk takes one.
const PROBE: TableDefinition<'static, (), &[u8]> = TableDefinition::new("probe");

/// Writes a row of `bytes` bytes to the disk, and removes it.
pub(super) fn probe(database: &Database, bytes: usize) -> Result<(), RowError> {
    let transaction = database.begin_write()?;
    transaction.open_table(PROBE)?.insert((), vec![1; bytes].as_slice())?;
    transaction.commit()?;
    let transaction = database.begin_write()?;
    transaction.delete_table(PROBE)?;
    transaction.commit()?;
    Ok(())
}

/// The reason why a row cannot be read or written.
#[derive(Debug)]
pub(super) enum RowError {
    /// The row is not as it was written.
    Damaged,
    Database(::redb::Error),
}

impl std::fmt::Display for RowError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Damaged => f.write_str("it is damaged"),
            Self::Database(error) => error.fmt(f),
        }
    }
}

impl<E: Into<::redb::Error>> From<E> for RowError {
    fn from(error: E) -> Self {
        Self::Database(error.into())
    }
}

/// The tables within one transaction.
pub(super) struct RedbTables<'t> {
    keys: Table<'t, &'static [u8; 32], &'static [u8]>,
    due: Table<'t, (u64, &'static [u8; 32]), ()>,
    usage: Table<'t, &'static [u8; 32], (u64, u64)>,
    meta: Table<'t, &'static str, u64>,
    /// The time at which this process opened the store.
    opened: u64,
}

impl<'t> RedbTables<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction, opened: u64) -> Result<Self, RowError> {
        Ok(Self {
            opened,
            keys: transaction.open_table(KEYS)?,
            due: transaction.open_table(DUE)?,
            usage: transaction.open_table(USAGE)?,
            meta: transaction.open_table(META)?,
        })
    }

    pub(super) fn set_meta(&mut self, row: &str, value: u64) -> Result<(), RowError> {
        self.meta.insert(row, value)?;
        Ok(())
    }
}

/// Reads the row of `key` in a store that this process opened at `opened`.
pub(super) fn decode(key: &[u8; 32], row: &[u8], opened: u64) -> Result<KeyRecord, RowError> {
    let mut record = KeyRecord::decode(key, row).ok_or(RowError::Damaged)?;
    if record.began < opened {
        // A store has one process, so the process of this attempt has ended, whatever is left of its lease.
        record.lease_end = record.lease_end.min(opened);
    }
    Ok(record)
}

impl KeyTables for RedbTables<'_> {
    type Error = RowError;

    fn record(&mut self, key: &[u8; 32]) -> Result<Option<KeyRecord>, RowError> {
        self.keys.get(key)?.map(|row| decode(key, row.value(), self.opened)).transpose()
    }

    fn put(&mut self, key: &[u8; 32], record: &KeyRecord) -> Result<(), RowError> {
        self.keys.insert(key, record.encode(key).as_slice())?;
        Ok(())
    }

    fn remove(&mut self, key: &[u8; 32]) -> Result<(), RowError> {
        self.keys.remove(key)?;
        Ok(())
    }

    fn usage(&mut self, of: &[u8; 32]) -> Result<KeyUsage, RowError> {
        let row = self.usage.get(of)?;
        Ok(row.map_or(KeyUsage::default(), |row| {
            let (keys, bytes) = row.value();
            KeyUsage { keys, bytes }
        }))
    }

    fn set_usage(&mut self, of: &[u8; 32], usage: KeyUsage) -> Result<(), RowError> {
        if usage == KeyUsage::default() {
            self.usage.remove(of)?;
        } else {
            self.usage.insert(of, (usage.keys, usage.bytes))?;
        }
        Ok(())
    }

    fn add_due(&mut self, at: u64, key: &[u8; 32]) -> Result<(), RowError> {
        self.due.insert((at, key), ())?;
        Ok(())
    }

    fn take_due(&mut self, now: u64) -> Result<Option<[u8; 32]>, RowError> {
        let first = self.due.first()?.map(|(row, _)| {
            let (at, key) = row.value();
            (at, *key)
        });
        let Some((at, key)) = first.filter(|(at, _)| *at <= now) else { return Ok(None) };
        self.due.remove((at, &key))?;
        Ok(Some(key))
    }
}
