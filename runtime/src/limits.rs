//! How often and how many at once: rates for a caller and a tool, for a caller, for the server; slots for calls at work.

use std::{
    hash::{BuildHasher as _, RandomState},
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::Clock as _,
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{InMemoryState, NotKeyed, keyed::DashMapStateStore},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    clock::Clock,
    tool::{
        caller::Caller,
        descriptor::{Descriptor, Per, Rate},
    },
};

/// What a server says of its limits, beside what each tool declares.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bounds {
    /// For a caller and a tool, where the tool declares no `rate`.
    pub(crate) default_rate: Option<Rate>,
    /// For a caller, over all tools.
    pub(crate) rate_per_caller: Option<Rate>,
    /// For the server, over all callers.
    pub(crate) rate_in_all: Option<Rate>,
    /// For a tool, where it declares no `max_in_flight`.
    pub(crate) default_max_in_flight: Option<u32>,
    /// For the server, over all tools.
    pub(crate) max_in_flight: Option<u32>,
    pub(crate) clock: Clock,
}

/// The limits of a running server.
pub(crate) struct Limits {
    clock: Clock,
    /// One a tool, in the registry's order.
    tools: Vec<OfTool>,
    per_caller: Option<Keyed>,
    in_all: Option<RateLimiter<NotKeyed, InMemoryState, Clock, NoOpMiddleware<Nanos>>>,
    slots: Option<Arc<Semaphore>>,
    /// Callers are told apart by a keyed hash of their names: nothing is allocated on the way of a call.
    hasher: RandomState,
}

struct OfTool {
    rate: Option<Keyed>,
    slots: Option<Arc<Semaphore>>,
}

/// Why a call has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Too many calls in too short a time; how long until the next may come.
    Rate(Duration),
    /// Too many calls at once.
    InFlight,
}

/// A call's place among those at work; given back when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    _of_tool: Option<OwnedSemaphorePermit>,
    _of_server: Option<OwnedSemaphorePermit>,
}

impl Limits {
    pub(crate) fn new<'a>(bounds: &Bounds, tools: impl Iterator<Item = &'a Descriptor>) -> Self {
        let keyed = |rate: Rate| Keyed::new(rate, &bounds.clock);
        let slots = |most: u32| Arc::new(Semaphore::new(most as usize));
        let of_tool = |tool: &Descriptor| OfTool {
            rate: tool.rate.or(bounds.default_rate).map(keyed),
            slots: tool.max_in_flight.or(bounds.default_max_in_flight).map(slots),
        };
        Self {
            clock: bounds.clock.clone(),
            tools: tools.map(of_tool).collect(),
            per_caller: bounds.rate_per_caller.map(keyed),
            in_all: bounds
                .rate_in_all
                .map(|rate| RateLimiter::direct_with_clock(quota(rate), bounds.clock.clone())),
            slots: bounds.max_in_flight.map(slots),
            hasher: RandomState::new(),
        }
    }

    /// Whether `caller` may call the tool in place `at` now.
    pub(crate) fn rate(&self, at: usize, caller: &Caller) -> Result<(), Wait> {
        let of_tool = &self.tools[at];
        if of_tool.rate.is_none() && self.per_caller.is_none() && self.in_all.is_none() {
            return Ok(());
        }
        let key = self.hasher.hash_one(caller.identity());
        for keyed in [&of_tool.rate, &self.per_caller].into_iter().flatten() {
            keyed.check(key, &self.clock)?;
        }
        match &self.in_all {
            Some(in_all) => {
                in_all.check().map_err(|until| Wait::Rate(until.wait_time_from(self.clock.now())))
            }
            None => Ok(()),
        }
    }

    /// A place for a call of the tool in place `at`, once there is one.
    pub(crate) async fn slot_in_turn(&self, at: usize) -> Slot {
        // Those who hold the first wait for the second only, which is held by calls that end by themselves.
        Slot {
            _of_tool: in_turn(self.tools[at].slots.as_ref()).await,
            _of_server: in_turn(self.slots.as_ref()).await,
        }
    }

    /// A place for a call of the tool in place `at`.
    pub(crate) fn slot(&self, at: usize) -> Result<Slot, Wait> {
        let take = |slots: &Option<Arc<Semaphore>>| match slots {
            Some(slots) => Arc::clone(slots).try_acquire_owned().map(Some).map_err(|_| Wait::InFlight),
            None => Ok(None),
        };
        Ok(Slot { _of_tool: take(&self.tools[at].slots)?, _of_server: take(&self.slots)? })
    }
}

async fn in_turn(slots: Option<&Arc<Semaphore>>) -> Option<OwnedSemaphorePermit> {
    // Nothing closes them.
    Arc::clone(slots?).acquire_owned().await.ok()
}

fn quota(rate: Rate) -> Quota {
    let calls = NonZeroU32::new(rate.calls).unwrap_or(NonZeroU32::MIN);
    let quota = match rate.per {
        Per::Second => Quota::per_second(calls),
        Per::Minute => Quota::per_minute(calls),
        Per::Hour => Quota::per_hour(calls),
    };
    quota.allow_burst(calls)
}

/// A rate for each caller, which forgets those who have been idle for as long as the rate's time.
struct Keyed {
    limiter: RateLimiter<u64, DashMapStateStore<u64>, Clock, NoOpMiddleware<Nanos>>,
    /// Calls until the next look for idle callers.
    until_sweep: AtomicUsize,
}

/// The fewest calls between two looks for idle callers.
const SWEEP: usize = 4096;

impl Keyed {
    fn new(rate: Rate, clock: &Clock) -> Self {
        let limiter = RateLimiter::dashmap_with_clock(quota(rate), clock.clone());
        Self { limiter, until_sweep: AtomicUsize::new(SWEEP) }
    }

    fn check(&self, key: u64, clock: &Clock) -> Result<(), Wait> {
        if self.until_sweep.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
            // As many calls as callers are left: a look then costs each call a constant.
            self.until_sweep.store(self.limiter.len().max(SWEEP), Ordering::Relaxed);
        }
        self.limiter.check_key(&key).map_err(|until| Wait::Rate(until.wait_time_from(clock.now())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn a_minute(calls: u32) -> Rate {
        Rate { calls, per: Per::Minute }
    }

    #[test]
    fn a_million_callers_leave_nothing_behind() {
        let bounds = Bounds { clock: Clock::manual(), ..Bounds::default() };
        let keyed = Keyed::new(a_minute(60), &bounds.clock);
        let mut most = 0;
        for caller in 0..1_000_000 {
            keyed.check(caller, &bounds.clock).unwrap();
            // A thousand callers a second, and a call weighs on the rate for one.
            bounds.clock.advance(Duration::from_millis(1));
            most = most.max(keyed.limiter.len());
        }
        assert!(most <= 3 * SWEEP, "{most} callers were remembered at once");
    }

    #[test]
    fn a_rate_is_refused_with_the_time_to_wait_and_passes_with_it() {
        let bounds = Bounds { default_rate: Some(a_minute(2)), clock: Clock::manual(), ..Bounds::default() };
        let limits = Limits::new(&bounds, std::iter::once(&Descriptor::DEFAULT));
        let caller = Caller::local::<&str>([]);
        limits.rate(0, &caller).unwrap();
        limits.rate(0, &caller).unwrap();
        assert_eq!(limits.rate(0, &caller), Err(Wait::Rate(Duration::from_secs(30))));
        bounds.clock.advance(Duration::from_secs(30));
        limits.rate(0, &caller).unwrap();
    }

    #[test]
    fn one_name_of_two_issuers_is_two_callers() {
        let bounds = Bounds { default_rate: Some(a_minute(1)), clock: Clock::manual(), ..Bounds::default() };
        let limits = Limits::new(&bounds, std::iter::once(&Descriptor::DEFAULT));
        let caller = |issuer, scope| Caller::new(issuer, "ada", [scope]);
        limits.rate(0, &caller(Some("https://a.example"), "x")).unwrap();
        limits.rate(0, &caller(Some("https://b.example"), "x")).unwrap();
        limits.rate(0, &caller(None, "x")).unwrap();
        // Another token of the same caller's is no other caller.
        limits.rate(0, &caller(Some("https://a.example"), "y")).unwrap_err();
    }

    #[test]
    fn a_slot_is_free_again_once_its_call_is_done() {
        let bounds = Bounds { default_max_in_flight: Some(1), ..Bounds::default() };
        let limits = Limits::new(&bounds, std::iter::once(&Descriptor::DEFAULT));
        let slot = limits.slot(0).unwrap();
        assert_eq!(limits.slot(0).unwrap_err(), Wait::InFlight);
        drop(slot);
        limits.slot(0).unwrap();
    }
}
