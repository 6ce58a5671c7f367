//! Keeps keys in memory: they are lost when the process ends.

use std::{
    collections::{BTreeSet, HashMap},
    convert::Infallible,
    future,
    sync::{Mutex, MutexGuard, PoisonError},
};

use futures::future::BoxFuture;

use super::{
    Attempt, AttemptId, IdempotencyStore, KeyState, KeyStoreError, Reserved, ScopedKey, StoreLimits,
    StoredResult,
    clock::StoreClock,
    record::KeyRecord,
    transition::{self, KeyTables, KeyUsage},
};
use crate::clock::Clock;

/// A store in memory.
pub(crate) struct MemoryStore {
    tables: Mutex<MemoryTables>,
    limits: StoreLimits,
    clock: StoreClock,
}

#[derive(Default)]
struct MemoryTables {
    records: HashMap<[u8; 32], KeyRecord>,
    usage: HashMap<[u8; 32], KeyUsage>,
    due: BTreeSet<(u64, [u8; 32])>,
}

impl MemoryStore {
    pub(super) fn new(limits: StoreLimits, clock: Clock) -> Self {
        Self { tables: Mutex::default(), limits, clock: StoreClock::new(clock, 0) }
    }

    fn tables(&self) -> MutexGuard<'_, MemoryTables> {
        // A panic between two changes can only leave a count too high.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the answer of tables that cannot fail.
fn ready<'a, T: Send + 'a>(answer: Result<T, Infallible>) -> BoxFuture<'a, Result<T, KeyStoreError>> {
    let Ok(answer) = answer;
    Box::pin(future::ready(Ok(answer)))
}

impl IdempotencyStore for MemoryStore {
    fn reserve(&self, key: ScopedKey, attempt: Attempt) -> BoxFuture<'_, Result<Reserved, KeyStoreError>> {
        ready(transition::reserve(&mut *self.tables(), &self.limits, self.clock.now(), key, attempt))
    }

    fn complete(
        &self,
        key: ScopedKey,
        attempt: AttemptId,
        result: StoredResult,
    ) -> BoxFuture<'_, Result<bool, KeyStoreError>> {
        ready(transition::complete(&mut *self.tables(), &self.limits, self.clock.now(), key, attempt, result))
    }

    fn release(&self, key: ScopedKey, attempt: AttemptId) -> BoxFuture<'_, Result<bool, KeyStoreError>> {
        ready(transition::release(&mut *self.tables(), key, attempt))
    }

    fn get(&self, key: ScopedKey) -> BoxFuture<'_, Result<KeyState, KeyStoreError>> {
        let now = self.clock.now();
        let state = self.tables().records.get(&key.key).map_or(KeyState::Absent, |record| record.state(now));
        ready(Ok(state))
    }

    fn prune(&self, limit: usize) -> BoxFuture<'_, Result<usize, KeyStoreError>> {
        ready(transition::prune(&mut *self.tables(), self.clock.now(), limit))
    }

    fn check(&self) -> BoxFuture<'_, Result<(), KeyStoreError>> {
        ready(Ok(()))
    }
}

impl KeyTables for MemoryTables {
    type Error = Infallible;

    fn record(&mut self, key: &[u8; 32]) -> Result<Option<KeyRecord>, Infallible> {
        Ok(self.records.get(key).cloned())
    }

    fn put(&mut self, key: &[u8; 32], record: &KeyRecord) -> Result<(), Infallible> {
        self.records.insert(*key, record.clone());
        Ok(())
    }

    fn remove(&mut self, key: &[u8; 32]) -> Result<(), Infallible> {
        self.records.remove(key);
        Ok(())
    }

    fn usage(&mut self, of: &[u8; 32]) -> Result<KeyUsage, Infallible> {
        Ok(self.usage.get(of).copied().unwrap_or_default())
    }

    fn set_usage(&mut self, of: &[u8; 32], usage: KeyUsage) -> Result<(), Infallible> {
        if usage == KeyUsage::default() {
            self.usage.remove(of);
        } else {
            self.usage.insert(*of, usage);
        }
        Ok(())
    }

    fn add_due(&mut self, at: u64, key: &[u8; 32]) -> Result<(), Infallible> {
        self.due.insert((at, *key));
        Ok(())
    }

    fn take_due(&mut self, now: u64) -> Result<Option<[u8; 32]>, Infallible> {
        if self.due.first().is_none_or(|(at, _)| *at > now) {
            return Ok(None);
        }
        Ok(self.due.pop_first().map(|(_, key)| key))
    }
}
