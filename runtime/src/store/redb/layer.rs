//! Holds changes of rows in memory, which hide older rows.

use std::collections::{BTreeSet, HashMap};

use crate::store::{record::KeyRecord, transition::KeyUsage};

/// A time at which a key is pruned, in milliseconds since 1970, and the key.
pub(super) type DueTime = (u64, [u8; 32]);

/// Changes of rows. They hide the rows of older layers and of the database.
#[derive(Default)]
pub(super) struct Layer {
    /// The rows of keys; `None` for one that was removed.
    pub(super) records: HashMap<[u8; 32], Option<KeyRecord>>,
    pub(super) usage: HashMap<[u8; 32], KeyUsage>,
    /// The times that were added.
    pub(super) due: BTreeSet<DueTime>,
    /// The last time that was taken from older layers or the database. Times are taken in their order, so that all up to
    /// this one are gone.
    pub(super) taken: Option<DueTime>,
}

impl Layer {
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.usage.is_empty() && self.due.is_empty() && self.taken.is_none()
    }

    /// Adds the changes of a newer layer.
    pub(super) fn absorb(&mut self, newer: Self) {
        self.records.extend(newer.records);
        self.usage.extend(newer.usage);
        if let Some(taken) = newer.taken {
            self.due = self.due.split_off(&taken);
            self.due.remove(&taken);
            self.taken = self.taken.max(Some(taken));
        }
        self.due.extend(newer.due);
    }
}

#[cfg(test)]
mod tests {
    use crate::store::redb::layer::*;

    fn with_due<const N: usize>(times: [u64; N]) -> Layer {
        Layer { due: times.map(|at| (at, [0; 32])).into(), ..Layer::default() }
    }

    #[test]
    fn times_that_are_taken_leave_the_layer_below() {
        let mut layer = with_due([1, 2, 3]);
        layer.absorb(Layer { taken: Some((2, [0; 32])), ..with_due([1, 4]) });
        // The later layer added its own time after it had taken that of the earlier one.
        assert_eq!(layer.due, with_due([1, 3, 4]).due);
        assert_eq!(layer.taken, Some((2, [0; 32])));
        layer.absorb(Layer { taken: Some((1, [0; 32])), ..Layer::default() });
        assert_eq!(layer.due, with_due([3, 4]).due);
        assert_eq!(layer.taken, Some((2, [0; 32])), "what was taken stays taken");
    }
}
