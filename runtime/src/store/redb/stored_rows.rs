//! Reads the rows of the database as they were after the last flush, without a transaction for each.

use std::ops::Bound;

use ::redb::{Database, ReadOnlyTable, ReadableDatabase as _};

use super::{
    layer::DueTime,
    tables::{DUE, KEYS, RowError, USAGE, decode, due_row, due_time, usage},
};
use crate::store::{record::KeyRecord, transition::KeyUsage};

type StoredTable = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// The rows of the database. They do not change.
pub(super) struct StoredRows {
    keys: StoredTable,
    due: StoredTable,
    usage: StoredTable,
    /// The time at which this process opened the store.
    opened: u64,
}

impl StoredRows {
    /// Takes the rows that the database has now.
    pub(super) fn of(database: &Database, opened: u64) -> Result<Self, RowError> {
        let transaction = database.begin_read()?;
        let (keys, due) = (transaction.open_table(KEYS)?, transaction.open_table(DUE)?);
        Ok(Self { keys, due, usage: transaction.open_table(USAGE)?, opened })
    }

    pub(super) fn record(&self, key: &[u8; 32]) -> Result<Option<KeyRecord>, RowError> {
        let row = self.keys.get(key.as_slice())?;
        row.map(|row| decode(key, row.value(), self.opened)).transpose()
    }

    pub(super) fn usage(&self, of: &[u8; 32]) -> Result<KeyUsage, RowError> {
        let row = self.usage.get(of.as_slice())?;
        row.map_or(Ok(KeyUsage::default()), |row| usage(row.value()))
    }

    /// Returns the earliest time after `taken`.
    pub(super) fn first_due(&self, taken: Option<DueTime>) -> Result<Option<DueTime>, RowError> {
        let start = taken.map(due_row);
        let start = start.as_ref().map_or(Bound::Unbounded, |row| Bound::Excluded(row.as_slice()));
        let first = self.due.range::<&[u8]>((start, Bound::Unbounded))?.next();
        first.map(|row| due_time(row?.0.value())).transpose()
    }
}
