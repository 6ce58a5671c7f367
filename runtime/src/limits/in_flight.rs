//! Counts calls that run at the same time: of a tool, of the server, of each caller.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{LimitOf, Wait};

/// The number of parts of [`PerCaller`], which are locked one by one.
const CALLER_SHARDS: usize = 8;

/// The share of a call in the limits of concurrency, until it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    pub(super) _tool: Option<OwnedSemaphorePermit>,
    pub(super) _server: Option<OwnedSemaphorePermit>,
    pub(super) _caller: Option<CallerSlot>,
}

/// A number of calls that may run at the same time.
pub(super) struct Slots {
    free: Arc<Semaphore>,
    max: u32,
}

impl Slots {
    pub(super) fn new(max: u32) -> Self {
        Self { free: Arc::new(Semaphore::new(max as usize)), max }
    }

    pub(super) fn take(&self, of: LimitOf) -> Result<OwnedSemaphorePermit, Wait> {
        Arc::clone(&self.free).try_acquire_owned().map_err(|_| Wait::InFlight { of, max: self.max })
    }
}

/// Waits for a slot.
pub(super) async fn in_turn(slots: Option<&Slots>) -> Option<OwnedSemaphorePermit> {
    // The semaphores are never closed.
    Arc::clone(&slots?.free).acquire_owned().await.ok()
}

/// The calls of each caller that run at the same time. A caller without a call is forgotten.
pub(super) struct PerCaller {
    max: u32,
    running: Arc<[Mutex<HashMap<u64, u32>>; CALLER_SHARDS]>,
}

impl PerCaller {
    pub(super) fn new(max: u32) -> Self {
        Self { max, running: Arc::default() }
    }

    pub(super) fn take(&self, caller: u64) -> Result<CallerSlot, Wait> {
        self.count(caller, self.max).ok_or(Wait::InFlight { of: LimitOf::Caller, max: self.max })
    }

    /// Counts a call whose caller may be at its limit. Only the number of tasks limits such calls.
    pub(super) fn take_over_limit(&self, caller: u64) -> CallerSlot {
        self.count(caller, u32::MAX).expect("no caller has so many calls")
    }

    fn count(&self, caller: u64, max: u32) -> Option<CallerSlot> {
        let mut running = lock(&self.running, caller);
        let calls = running.get(&caller).copied().unwrap_or_default();
        if calls >= max {
            return None;
        }
        running.insert(caller, calls + 1);
        Some(CallerSlot { running: Arc::clone(&self.running), caller })
    }
}

/// One call of a caller, until it is dropped.
#[derive(Debug)]
pub(super) struct CallerSlot {
    running: Arc<[Mutex<HashMap<u64, u32>>; CALLER_SHARDS]>,
    caller: u64,
}

impl Drop for CallerSlot {
    fn drop(&mut self) {
        let mut running = lock(&self.running, self.caller);
        match running.get_mut(&self.caller) {
            Some(calls) if *calls > 1 => *calls -= 1,
            _ => _ = running.remove(&self.caller),
        }
    }
}

fn lock(
    shards: &[Mutex<HashMap<u64, u32>>; CALLER_SHARDS],
    caller: u64,
) -> MutexGuard<'_, HashMap<u64, u32>> {
    let shard = usize::try_from(caller % CALLER_SHARDS as u64).unwrap_or_default();
    // Each count is a number, which is whole after any panic.
    shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caller_without_a_call_is_forgotten() {
        let limit = PerCaller::new(2);
        for caller in 0..10_000 {
            let _slots = [limit.take(caller).unwrap(), limit.take(caller).unwrap()];
            assert_eq!(limit.take(caller).unwrap_err(), Wait::InFlight { of: LimitOf::Caller, max: 2 });
        }
        assert!(limit.running.iter().all(|shard| shard.lock().unwrap().is_empty()));
    }
}
