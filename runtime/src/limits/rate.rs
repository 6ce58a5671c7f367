//! Counts calls against one rate, for each caller or for all callers together.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

#[cfg(feature = "postgres")]
use crate::database::RateCell;
use crate::tool::descriptor::{Per, Rate};

/// The number of parts of a [`RateLimit`] for each caller, which are locked one by one.
const SHARDS: usize = 8;
/// The smallest number of calls between two searches for idle callers, over all shards.
const MIN_SWEEP_CALLS: usize = 4096;

/// A rate, and the calls of each caller. A caller that has been idle for the rate's period is forgotten.
///
/// This is the generic cell rate algorithm. It stores one time for each caller, the *arrival time*: the time at which
/// the calls so far would have been made at an even pace. A call is allowed if its arrival time is less than a whole
/// period ahead.
pub(super) struct RateLimit {
    /// The nanoseconds of one call at an even pace.
    pace: u64,
    /// The nanoseconds that an arrival time may be ahead before the next call.
    tolerance: u64,
    shards: Box<[Mutex<Shard>]>,
}

struct Shard {
    /// The arrival time of the next call of each caller, in nanoseconds of the clock.
    arrivals: HashMap<u64, u64>,
    until_sweep: usize,
}

/// The place of one caller in a [`RateLimit`], which is locked.
pub(super) struct Cell<'a> {
    limit: &'a RateLimit,
    shard: MutexGuard<'a, Shard>,
    key: u64,
    now: u64,
}

impl RateLimit {
    /// Creates a limit for each caller.
    pub(super) fn per_caller(rate: Rate) -> Self {
        Self::new(rate, SHARDS)
    }

    /// Creates a limit for all callers together, which has the same key for all of them.
    pub(super) fn in_all(rate: Rate) -> Self {
        Self::new(rate, 1)
    }

    fn new(rate: Rate, shards: usize) -> Self {
        let period: u64 = match rate.per {
            Per::Second => 1,
            Per::Minute => 60,
            Per::Hour => 3_600,
        } * 1_000_000_000;
        let calls = u64::from(rate.calls.max(1));
        let pace = period / calls;
        let shard = || Shard { arrivals: HashMap::new(), until_sweep: MIN_SWEEP_CALLS / shards };
        let shards = std::iter::repeat_with(|| Mutex::new(shard())).take(shards).collect();
        Self { pace, tolerance: pace * (calls - 1), shards }
    }

    /// Returns the place of one caller in the database that replicas share.
    #[cfg(feature = "postgres")]
    pub(super) fn shared_cell(&self, id: [u8; 32]) -> RateCell {
        RateCell { id, pace: self.pace, tolerance: self.tolerance }
    }

    /// Locks the place of one caller at the time `now`.
    pub(super) fn cell(&self, key: u64, now: Duration) -> Cell<'_> {
        let shards = self.shards.len() as u64;
        let shard = &self.shards[usize::try_from(key % shards).unwrap_or_default()];
        // Each arrival time is a number, which is whole after any panic.
        let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        Cell { limit: self, shard, key, now: u64::try_from(now.as_nanos()).unwrap_or(u64::MAX) }
    }
}

impl Cell<'_> {
    fn arrival(&self) -> u64 {
        self.shard.arrivals.get(&self.key).map_or(self.now, |arrival| self.now.max(*arrival))
    }

    /// Returns the time until a call is allowed, which is zero if it is allowed now.
    pub(super) fn wait(&self) -> Duration {
        let earliest = self.arrival().saturating_sub(self.limit.tolerance);
        Duration::from_nanos(earliest.saturating_sub(self.now))
    }

    /// Counts a call.
    pub(super) fn take(mut self) {
        let next = self.arrival().saturating_add(self.limit.pace);
        let (key, now) = (self.key, self.now);
        self.shard.arrivals.insert(key, next);
        self.shard.until_sweep -= 1;
        if self.shard.until_sweep == 0 {
            self.shard.arrivals.retain(|_, arrival| *arrival > now);
            self.shard.arrivals.shrink_to_fit();
            // A sweep after as many calls as callers are left costs each call a constant.
            self.shard.until_sweep = self.shard.arrivals.len().max(MIN_SWEEP_CALLS / self.limit.shards.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher as _, RandomState};

    use crate::limits::rate::*;

    #[test]
    fn idle_callers_are_forgotten() {
        let limit = RateLimit::per_caller(Rate { calls: 60, per: Per::Minute });
        let hasher = RandomState::new();
        let mut most = [0; SHARDS];
        for caller in 0..1_000_000_u64 {
            let key = hasher.hash_one(caller);
            // A thousand callers a second, and a call counts for one second.
            let cell = limit.cell(key, Duration::from_millis(caller));
            assert_eq!(cell.wait(), Duration::ZERO);
            let most = &mut most[usize::try_from(key).unwrap() % SHARDS];
            *most = cell.shard.arrivals.len().max(*most);
            cell.take();
        }
        let most: usize = most.iter().sum();
        assert!(most <= 3 * MIN_SWEEP_CALLS, "{most} callers were remembered at once");
    }

    #[test]
    fn burst_is_a_whole_period_of_calls() {
        let limit = RateLimit::per_caller(Rate { calls: 3, per: Per::Second });
        let at = |millis| limit.cell(7, Duration::from_millis(millis));
        for _ in 0..3 {
            assert_eq!(at(0).wait(), Duration::ZERO);
            at(0).take();
        }
        assert_eq!(at(0).wait(), Duration::from_nanos(333_333_333));
        assert_eq!(at(333).wait(), Duration::from_nanos(333_333));
        assert_eq!(at(334).wait(), Duration::ZERO);
        // A week of silence saves up no more than the burst.
        for _ in 0..3 {
            at(604_800_000).take();
        }
        assert_eq!(at(604_800_000).wait(), Duration::from_nanos(333_333_333));
    }
}
