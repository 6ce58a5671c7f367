//! Holds in memory the rows that are in the journal and not yet in the database, and reads both as one set of tables.

use std::{iter, ops::Bound, sync::Arc};

use super::{
    layer::{DueTime, Layer},
    stored_rows::StoredRows,
    tables::RowError,
};
use crate::store::{
    record::KeyRecord,
    transition::{KeyTables, KeyUsage},
};

/// A layer that is written to the database.
pub(super) struct FullLayer {
    pub(super) layer: Layer,
    /// The number of the journal that has the same rows.
    pub(super) journal: u64,
    /// The last time in that journal.
    pub(super) last_time: u64,
}

/// All rows of a store, newest first.
#[derive(Default)]
pub(super) struct Layers {
    /// The rows of the journal that is written.
    newest: Layer,
    /// The rows of the journal before, while they are written to the database.
    full: Option<Arc<FullLayer>>,
    /// The rows of the database; `None` while it is not open.
    pub(super) stored: Option<Arc<StoredRows>>,
}

impl Layers {
    /// Creates layers that are empty.
    pub(super) fn over(stored: StoredRows) -> Self {
        Self { stored: Some(Arc::new(stored)), ..Self::default() }
    }

    fn layers(&self) -> impl Iterator<Item = &Layer> {
        iter::once(&self.newest).chain(self.full.iter().map(|full| &full.layer))
    }

    /// Returns the row of a key that is not in the database yet, or its removal. `None` if no layer has it.
    pub(super) fn recent(&self, key: &[u8; 32]) -> Option<&Option<KeyRecord>> {
        self.layers().find_map(|layer| layer.records.get(key))
    }

    fn stored(&self) -> Result<&StoredRows, RowError> {
        self.stored.as_deref().ok_or(RowError::Closed)
    }

    /// Adds the changes of a transaction.
    pub(super) fn absorb(&mut self, changes: Layer) {
        self.newest.absorb(changes);
    }

    /// The number of keys in the newest layer.
    pub(super) fn recent_keys(&self) -> usize {
        self.newest.records.len()
    }

    /// Whether nothing has changed since the last layer was full.
    pub(super) fn is_unchanged(&self) -> bool {
        self.newest.is_empty()
    }

    /// Begins a new layer. Returns the one before, which is to be written to the database.
    pub(super) fn begin_layer(&mut self, journal: u64, last_time: u64) -> Arc<FullLayer> {
        let layer = std::mem::take(&mut self.newest);
        let full = Arc::new(FullLayer { layer, journal, last_time });
        self.full = Some(Arc::clone(&full));
        full
    }

    /// Replaces the full layer by the rows of the database that has them. Returns the layer.
    pub(super) fn end_layer(&mut self, stored: StoredRows) -> Option<Arc<FullLayer>> {
        self.stored = Some(Arc::new(stored));
        self.full.take()
    }

    /// Returns the earliest time in a layer or the database that was not taken, if all up to `taken` were.
    fn first_due(&self, mut taken: Option<DueTime>) -> Result<Option<DueTime>, RowError> {
        let mut first = None;
        for layer in self.layers() {
            let start = taken.map_or(Bound::Unbounded, Bound::Excluded);
            first = earlier(first, layer.due.range((start, Bound::Unbounded)).next().copied());
            taken = taken.max(layer.taken);
        }
        Ok(earlier(first, self.stored()?.first_due(taken)?))
    }
}

fn earlier(one: Option<DueTime>, other: Option<DueTime>) -> Option<DueTime> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// The tables within one transaction.
pub(super) struct LayeredTables<'a> {
    changes: Layer,
    below: &'a Layers,
}

impl<'a> LayeredTables<'a> {
    pub(super) fn over(below: &'a Layers) -> Self {
        Self { changes: Layer::default(), below }
    }

    /// Returns the changes of the transaction.
    pub(super) fn into_changes(self) -> Layer {
        self.changes
    }
}

impl KeyTables for LayeredTables<'_> {
    type Error = RowError;

    fn record(&mut self, key: &[u8; 32]) -> Result<Option<KeyRecord>, RowError> {
        match self.changes.records.get(key).or_else(|| self.below.recent(key)) {
            Some(record) => Ok(record.clone()),
            None => self.below.stored()?.record(key),
        }
    }

    fn put(&mut self, key: &[u8; 32], record: &KeyRecord) -> Result<(), RowError> {
        self.changes.records.insert(*key, Some(record.clone()));
        Ok(())
    }

    fn remove(&mut self, key: &[u8; 32]) -> Result<(), RowError> {
        self.changes.records.insert(*key, None);
        Ok(())
    }

    fn usage(&mut self, of: &[u8; 32]) -> Result<KeyUsage, RowError> {
        let mut layers = iter::once(&self.changes).chain(self.below.layers());
        match layers.find_map(|layer| layer.usage.get(of)) {
            Some(usage) => Ok(*usage),
            None => self.below.stored()?.usage(of),
        }
    }

    fn set_usage(&mut self, of: &[u8; 32], usage: KeyUsage) -> Result<(), RowError> {
        self.changes.usage.insert(*of, usage);
        Ok(())
    }

    fn add_due(&mut self, at: u64, key: &[u8; 32]) -> Result<(), RowError> {
        self.changes.due.insert((at, *key));
        Ok(())
    }

    fn take_due(&mut self, now: u64) -> Result<Option<[u8; 32]>, RowError> {
        let below = self.below.first_due(self.changes.taken)?;
        let first = earlier(self.changes.due.first().copied(), below);
        let Some(due) = first.filter(|(at, _)| *at <= now) else { return Ok(None) };
        self.changes.due.remove(&due);
        if below == Some(due) {
            self.changes.taken = self.changes.taken.max(Some(due));
        }
        Ok(Some(due.1))
    }
}

#[cfg(test)]
mod tests {
    use crate::store::redb::layers::*;

    #[test]
    fn newer_row_hides_an_older_one_until_both_are_stored() {
        let (key, mut layers) = ([1; 32], Layers::default());
        assert!(layers.recent(&key).is_none() && layers.is_unchanged());
        let removal = || Layer { records: [([1; 32], None)].into(), ..Layer::default() };
        layers.absorb(removal());
        let full = layers.begin_layer(1, 7);
        assert_eq!((full.journal, full.last_time), (1, 7));
        assert_eq!(layers.recent(&key), Some(&None), "it is not in the database yet");
        assert!(layers.is_unchanged());
        layers.absorb(removal());
        assert_eq!((layers.recent(&key), layers.recent_keys()), (Some(&None), 1));
    }
}
