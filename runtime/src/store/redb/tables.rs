//! Lays the rows of a store out in tables of the database.

use ::redb::{Database, Table, TableDefinition, WriteTransaction};

use super::layer::{DueTime, Layer};
use crate::store::{record::KeyRecord, transition::KeyUsage};

/// All tables have rows of one type: the code of the database is compiled again for each other pair of types.
pub(super) type Rows = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// Maps the name of a value to the value, a number.
pub(super) const META: Rows = TableDefinition::new("meta");
/// Maps a key's digest to its row.
pub(super) const KEYS: Rows = TableDefinition::new("keys");
/// The times at which keys are pruned: the time, then the digest. Numbers are big-endian, so that rows are in their order.
pub(super) const DUE: Rows = TableDefinition::new("due");
/// Maps a caller's digest to the number of its keys and of the bytes of their results.
pub(super) const USAGE: Rows = TableDefinition::new("usage");

/// A row that is written and removed to find out whether the disk takes one.
const PROBE: Rows = TableDefinition::new("probe");

/// Writes a row of `bytes` bytes to the disk, and removes it.
pub(super) fn probe(database: &Database, bytes: usize) -> Result<(), RowError> {
    let transaction = database.begin_write()?;
    transaction.open_table(PROBE)?.insert([].as_slice(), vec![1; bytes].as_slice())?;
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
    /// The database failed, and is not open again yet.
    Closed,
    Database(::redb::Error),
}

impl std::fmt::Display for RowError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Damaged => f.write_str("it is damaged"),
            Self::Closed => f.write_str("it is not open"),
            Self::Database(error) => error.fmt(f),
        }
    }
}

impl<E: Into<::redb::Error>> From<E> for RowError {
    fn from(error: E) -> Self {
        Self::Database(error.into())
    }
}

type RowTable<'t> = Table<'t, &'static [u8], &'static [u8]>;

/// The tables within one transaction.
pub(super) struct RedbTables<'t> {
    keys: RowTable<'t>,
    due: RowTable<'t>,
    usage: RowTable<'t>,
    meta: RowTable<'t>,
}

impl<'t> RedbTables<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction) -> Result<Self, RowError> {
        Ok(Self {
            keys: transaction.open_table(KEYS)?,
            due: transaction.open_table(DUE)?,
            usage: transaction.open_table(USAGE)?,
            meta: transaction.open_table(META)?,
        })
    }

    /// Writes the changes of a layer, sorted as the tables are, so that each page is changed once.
    pub(super) fn write(&mut self, layer: &Layer) -> Result<(), RowError> {
        let mut records: Vec<_> = layer.records.iter().collect();
        records.sort_unstable_by_key(|(key, _)| *key);
        for (key, record) in records {
            match record {
                Some(record) => self.keys.insert(key.as_slice(), record.encode(key).as_slice())?,
                None => self.keys.remove(key.as_slice())?,
            };
        }
        if let Some(taken) = layer.taken {
            self.due.retain_in(..=due_row(taken).as_slice(), |_, _| false)?;
        }
        for due in &layer.due {
            self.due.insert(due_row(*due).as_slice(), [].as_slice())?;
        }
        for (of, usage) in &layer.usage {
            if *usage == KeyUsage::default() {
                self.usage.remove(of.as_slice())?;
            } else {
                let row = [usage.keys.to_be_bytes(), usage.bytes.to_be_bytes()];
                self.usage.insert(of.as_slice(), row.as_flattened())?;
            }
        }
        Ok(())
    }

    /// Writes a row of a key as it was encoded by an earlier format.
    pub(super) fn copy_key(&mut self, key: &[u8], row: &[u8]) -> Result<(), RowError> {
        self.keys.insert(key, row)?;
        Ok(())
    }

    pub(super) fn set_meta(&mut self, row: &str, value: u64) -> Result<(), RowError> {
        self.meta.insert(row.as_bytes(), value.to_be_bytes().as_slice())?;
        Ok(())
    }
}

/// Reads a number.
pub(super) fn number(bytes: &[u8]) -> Result<u64, RowError> {
    bytes.try_into().map(u64::from_be_bytes).map_err(|_| RowError::Damaged)
}

/// Reads a row of [`USAGE`].
pub(super) fn usage(row: &[u8]) -> Result<KeyUsage, RowError> {
    let (keys, bytes) = row.split_at_checked(8).ok_or(RowError::Damaged)?;
    Ok(KeyUsage { keys: number(keys)?, bytes: number(bytes)? })
}

/// The row of [`DUE`] for a key that is pruned at a time.
pub(super) fn due_row((at, key): DueTime) -> [u8; 40] {
    let mut row = [0; 40];
    row[..8].copy_from_slice(&at.to_be_bytes());
    row[8..].copy_from_slice(&key);
    row
}

/// Reads a row of [`DUE`].
pub(super) fn due_time(row: &[u8]) -> Result<DueTime, RowError> {
    let (at, key) = row.split_at_checked(8).ok_or(RowError::Damaged)?;
    Ok((number(at)?, key.try_into().map_err(|_| RowError::Damaged)?))
}

/// Reads a row of [`KEYS`], in a store that this process opened at `opened`.
pub(super) fn decode(key: &[u8; 32], row: &[u8], opened: u64) -> Result<KeyRecord, RowError> {
    let mut record = KeyRecord::decode(key, row).ok_or(RowError::Damaged)?;
    if record.began < opened {
        // A store has one process, so the process of this attempt has ended, whatever is left of its lease.
        record.lease_end = record.lease_end.min(opened);
    }
    Ok(record)
}
