//! Lays the rows of a store out in tables of the database.

use std::{collections::HashMap, mem};

use ::redb::{Database, ReadableDatabase as _, ReadableTable, Table, TableDefinition, WriteTransaction};

use crate::store::{
    record::{KeyRecord, RecordEnd},
    transition::{KeyTables, KeyUsage},
};

/// The version of this layout.
pub(super) const FORMAT: u64 = 1;
/// The row of [`META`] with the version of the layout.
pub(super) const FORMAT_ROW: &str = "format";
/// The row of [`META`] with the last time that was recorded, in milliseconds since 1970.
pub(super) const LAST_TIME_ROW: &str = "last_time";

/// All tables have rows of one type: the code of the database is compiled again for each other pair of types.
type Rows = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// Maps the name of a value to the value, a number.
pub(super) const META: Rows = TableDefinition::new("meta");
/// Maps a key's digest to its row, once its attempt has ended. Digests are random: each row of a transaction is on a page of
/// its own.
const ENDED: Rows = TableDefinition::new("keys");
/// Maps a key's digest to its row until its attempt has ended. These are few, so that a transaction writes few pages.
const OPEN: Rows = TableDefinition::new("open");
/// The times at which keys are pruned: the time, then the digest. Numbers are big-endian, so that rows are in their order.
const DUE: Rows = TableDefinition::new("due");
/// Maps a caller's digest to the number of its keys and of the bytes of their results.
const USAGE: Rows = TableDefinition::new("usage");

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

type RowTable<'t> = Table<'t, &'static [u8], &'static [u8]>;

/// The tables within one transaction.
pub(super) struct RedbTables<'t> {
    ended: RowTable<'t>,
    open: RowTable<'t>,
    due: RowTable<'t>,
    usage: RowTable<'t>,
    meta: RowTable<'t>,
    /// The usage of each caller that was asked for: the calls of a transaction share few callers.
    usages: HashMap<[u8; 32], CachedUsage>,
    /// The time at which this process opened the store.
    opened: u64,
}

/// A usage as the transaction sees it.
struct CachedUsage {
    usage: KeyUsage,
    is_changed: bool,
}

impl<'t> RedbTables<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction, opened: u64) -> Result<Self, RowError> {
        Ok(Self {
            opened,
            usages: HashMap::new(),
            ended: transaction.open_table(ENDED)?,
            open: transaction.open_table(OPEN)?,
            due: transaction.open_table(DUE)?,
            usage: transaction.open_table(USAGE)?,
            meta: transaction.open_table(META)?,
        })
    }

    /// Writes the rows that were held back until the end of the transaction.
    pub(super) fn finish(mut self) -> Result<(), RowError> {
        for (of, CachedUsage { usage, is_changed }) in mem::take(&mut self.usages) {
            if !is_changed {
                continue;
            }
            if usage == KeyUsage::default() {
                self.usage.remove(of.as_slice())?;
            } else {
                let row = [usage.keys.to_be_bytes(), usage.bytes.to_be_bytes()];
                self.usage.insert(of.as_slice(), row.as_flattened())?;
            }
        }
        Ok(())
    }

    pub(super) fn set_meta(&mut self, row: &str, value: u64) -> Result<(), RowError> {
        self.meta.insert(row.as_bytes(), value.to_be_bytes().as_slice())?;
        Ok(())
    }
}

/// Reads a value of [`META`]; 0 if it was never set.
pub(super) fn meta(
    rows: &impl ReadableTable<&'static [u8], &'static [u8]>,
    row: &str,
) -> Result<u64, RowError> {
    rows.get(row.as_bytes())?.map_or(Ok(0), |value| number(value.value()))
}

fn number(bytes: &[u8]) -> Result<u64, RowError> {
    bytes.try_into().map(u64::from_be_bytes).map_err(|_| RowError::Damaged)
}

/// The row of [`DUE`] for a key that is pruned at a time.
fn due_row(at: u64, key: &[u8; 32]) -> [u8; 40] {
    let mut row = [0; 40];
    row[..8].copy_from_slice(&at.to_be_bytes());
    row[8..].copy_from_slice(key);
    row
}

/// Reads a key in the last state that was written, in a store that this process opened at `opened`.
pub(super) fn read(database: &Database, key: &[u8; 32], opened: u64) -> Result<Option<KeyRecord>, RowError> {
    let transaction = database.begin_read()?;
    lookup([&transaction.open_table(OPEN)?, &transaction.open_table(ENDED)?], key, opened)
}

/// A key has a row in one of the tables at most.
fn lookup<T: ReadableTable<&'static [u8], &'static [u8]>>(
    tables: [&T; 2],
    key: &[u8; 32],
    opened: u64,
) -> Result<Option<KeyRecord>, RowError> {
    for table in tables {
        if let Some(row) = table.get(key.as_slice())? {
            return decode(key, row.value(), opened).map(Some);
        }
    }
    Ok(None)
}

fn decode(key: &[u8; 32], row: &[u8], opened: u64) -> Result<KeyRecord, RowError> {
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
        lookup([&self.open, &self.ended], key, self.opened)
    }

    fn put(&mut self, key: &[u8; 32], record: &KeyRecord) -> Result<(), RowError> {
        let row = record.encode(key);
        if record.end == RecordEnd::Open {
            self.open.insert(key.as_slice(), row.as_slice())?;
        } else {
            self.open.remove(key.as_slice())?;
            self.ended.insert(key.as_slice(), row.as_slice())?;
        }
        Ok(())
    }

    fn remove(&mut self, key: &[u8; 32]) -> Result<(), RowError> {
        if self.open.remove(key.as_slice())?.is_none() {
            self.ended.remove(key.as_slice())?;
        }
        Ok(())
    }

    fn usage(&mut self, of: &[u8; 32]) -> Result<KeyUsage, RowError> {
        if let Some(cached) = self.usages.get(of) {
            return Ok(cached.usage);
        }
        let usage = match self.usage.get(of.as_slice())? {
            None => KeyUsage::default(),
            Some(row) => {
                let (keys, bytes) = row.value().split_at_checked(8).ok_or(RowError::Damaged)?;
                KeyUsage { keys: number(keys)?, bytes: number(bytes)? }
            }
        };
        self.usages.insert(*of, CachedUsage { usage, is_changed: false });
        Ok(usage)
    }

    fn set_usage(&mut self, of: &[u8; 32], usage: KeyUsage) -> Result<(), RowError> {
        self.usages.insert(*of, CachedUsage { usage, is_changed: true });
        Ok(())
    }

    fn add_due(&mut self, at: u64, key: &[u8; 32]) -> Result<(), RowError> {
        self.due.insert(due_row(at, key).as_slice(), [].as_slice())?;
        Ok(())
    }

    fn take_due(&mut self, now: u64) -> Result<Option<[u8; 32]>, RowError> {
        let Some((row, _)) = self.due.first()? else { return Ok(None) };
        let (at, key) = row.value().split_at_checked(8).ok_or(RowError::Damaged)?;
        let (at, key) = (number(at)?, key.try_into().map_err(|_| RowError::Damaged)?);
        drop(row);
        if at > now {
            return Ok(None);
        }
        self.due.remove(due_row(at, &key).as_slice())?;
        Ok(Some(key))
    }
}
