//! Limits how often tools are called, and how many calls run at once.

mod rate;

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    clock::Clock,
    tool::{
        caller::Caller,
        descriptor::{Descriptor, Rate},
    },
};
use rate::RateLimit;

/// The limits that a server configures, beside those that each tool declares.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bounds {
    /// The rate for one caller and one tool that declares no `rate`.
    pub(crate) default_rate: Option<Rate>,
    /// The rate for one caller over all tools.
    pub(crate) rate_per_caller: Option<Rate>,
    /// The rate for the server over all callers.
    pub(crate) rate_in_all: Option<Rate>,
    /// The number of concurrent calls of a tool that declares no `max_in_flight`.
    pub(crate) default_max_in_flight: Option<u32>,
    /// The number of concurrent calls of the server over all tools.
    pub(crate) max_in_flight: Option<u32>,
    pub(crate) clock: Clock,
}

/// The limits of a running server.
pub(crate) struct Limits {
    clock: Clock,
    /// The limits of each tool, in the registry's order.
    tools: Vec<ToolLimits>,
    per_caller: Option<RateLimit>,
    in_all: Option<RateLimit>,
    slots: Option<Arc<Semaphore>>,
    /// Makes the key of a caller, without an allocation.
    hasher: RandomState,
}

struct ToolLimits {
    rate: Option<RateLimit>,
    slots: Option<Arc<Semaphore>>,
}

/// Why a call has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Too many calls in too short a time. The same call is within all rates after this time.
    Rate(Duration),
    /// Too many calls at once.
    InFlight,
}

/// The share of a call in the limits of concurrency, until it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    _of_tool: Option<OwnedSemaphorePermit>,
    _of_server: Option<OwnedSemaphorePermit>,
}

impl Limits {
    pub(crate) fn new<'a>(bounds: &Bounds, tools: impl Iterator<Item = &'a Descriptor>) -> Self {
        let slots = |calls: u32| Arc::new(Semaphore::new(calls as usize));
        let tool_limits = |tool: &Descriptor| ToolLimits {
            rate: tool.rate.or(bounds.default_rate).map(RateLimit::per_caller),
            slots: tool.max_in_flight.or(bounds.default_max_in_flight).map(slots),
        };
        Self {
            clock: bounds.clock.clone(),
            tools: tools.map(tool_limits).collect(),
            per_caller: bounds.rate_per_caller.map(RateLimit::per_caller),
            in_all: bounds.rate_in_all.map(RateLimit::in_all),
            slots: bounds.max_in_flight.map(slots),
            hasher: RandomState::new(),
        }
    }

    /// Takes a call of the tool at `index` from all limits, or from none: a refused call costs its caller nothing.
    pub(crate) fn admit(&self, index: usize, caller: &Caller) -> Result<Slot, Wait> {
        let rates = [&self.tools[index].rate, &self.per_caller, &self.in_all];
        if rates.iter().all(|rate| rate.is_none()) {
            return self.slot(index);
        }
        let (key, now) = (self.hasher.hash_one(caller.identity()), self.clock.elapsed());
        let keys = [key, key, 0];
        // Every call locks in this order.
        let cells: [_; 3] = std::array::from_fn(|at| rates[at].as_ref().map(|rate| rate.cell(keys[at], now)));
        let wait = cells.iter().flatten().map(rate::Cell::wait).max().unwrap_or_default();
        if !wait.is_zero() {
            return Err(Wait::Rate(wait));
        }
        let slot = self.slot(index)?;
        cells.into_iter().flatten().for_each(rate::Cell::take);
        Ok(slot)
    }

    /// Takes a slot for a call of the tool at `index`.
    pub(crate) fn slot(&self, index: usize) -> Result<Slot, Wait> {
        let take = |slots: &Option<Arc<Semaphore>>| match slots {
            Some(slots) => Arc::clone(slots).try_acquire_owned().map(Some).map_err(|_| Wait::InFlight),
            None => Ok(None),
        };
        Ok(Slot { _of_tool: take(&self.tools[index].slots)?, _of_server: take(&self.slots)? })
    }

    /// Takes a slot for a call of the tool at `index`, and waits until one is free.
    pub(crate) async fn slot_in_turn(&self, index: usize) -> Slot {
        // A call that holds the first waits only for the second, whose calls end by themselves.
        Slot {
            _of_tool: in_turn(self.tools[index].slots.as_ref()).await,
            _of_server: in_turn(self.slots.as_ref()).await,
        }
    }
}

async fn in_turn(slots: Option<&Arc<Semaphore>>) -> Option<OwnedSemaphorePermit> {
    // The semaphores are never closed.
    Arc::clone(slots?).acquire_owned().await.ok()
}

#[cfg(test)]
mod tests {
    use crate::{limits::*, tool::descriptor::Per};

    fn per_minute(calls: u32) -> Rate {
        Rate { calls, per: Per::Minute }
    }

    fn limits(bounds: &Bounds) -> Limits {
        Limits::new(bounds, [&Descriptor::DEFAULT, &Descriptor::DEFAULT].into_iter())
    }

    fn bounds() -> Bounds {
        Bounds { clock: Clock::manual(), ..Bounds::default() }
    }

    fn caller(name: &str) -> Caller {
        Caller::new(None, name, [""; 0])
    }

    fn seconds(seconds: u64) -> Wait {
        Wait::Rate(Duration::from_secs(seconds))
    }

    #[test]
    fn rate_refuses_with_the_time_to_wait_and_allows_after_it() {
        let bounds = Bounds { default_rate: Some(per_minute(2)), ..bounds() };
        let limits = limits(&bounds);
        let ada = caller("ada");
        limits.admit(0, &ada).unwrap();
        limits.admit(0, &ada).unwrap();
        assert_eq!(limits.admit(0, &ada).unwrap_err(), seconds(30));
        bounds.clock.advance(Duration::from_secs(30));
        limits.admit(0, &ada).unwrap();
    }

    #[test]
    fn callers_with_one_name_of_two_issuers_have_two_rates() {
        let limits = limits(&Bounds { default_rate: Some(per_minute(1)), ..bounds() });
        let ada = |issuer, scope| Caller::new(issuer, "ada", [scope]);
        limits.admit(0, &ada(Some("https://a.example"), "x")).unwrap();
        limits.admit(0, &ada(Some("https://b.example"), "x")).unwrap();
        limits.admit(0, &ada(None, "x")).unwrap();
        // Another token of the same caller has the same rate.
        limits.admit(0, &ada(Some("https://a.example"), "y")).unwrap_err();
    }

    #[test]
    fn refused_calls_take_from_no_rate() {
        let bounds = Bounds {
            default_rate: Some(per_minute(10)),
            rate_per_caller: Some(per_minute(10)),
            rate_in_all: Some(per_minute(1)),
            ..bounds()
        };
        let limits = limits(&bounds);
        limits.admit(0, &caller("eve")).unwrap();
        for _ in 0..100 {
            assert_eq!(limits.admit(0, &caller("ada")).unwrap_err(), seconds(60));
        }
        for _ in 0..10 {
            bounds.clock.advance(Duration::from_secs(60));
            limits.admit(0, &caller("ada")).unwrap();
        }
    }

    #[test]
    fn wait_is_the_longest_of_all_rates() {
        let per_second = Rate { calls: 1, per: Per::Second };
        for bounds in [
            Bounds { default_rate: Some(per_second), rate_in_all: Some(per_minute(1)), ..bounds() },
            Bounds { default_rate: Some(per_minute(1)), rate_in_all: Some(per_second), ..bounds() },
        ] {
            let limits = limits(&bounds);
            limits.admit(0, &caller("ada")).unwrap();
            assert_eq!(limits.admit(0, &caller("ada")).unwrap_err(), seconds(60));
            bounds.clock.advance(Duration::from_secs(60));
            limits.admit(0, &caller("ada")).unwrap();
        }
    }

    #[test]
    fn call_without_a_free_slot_takes_from_no_rate() {
        let bounds =
            Bounds { rate_per_caller: Some(per_minute(2)), default_max_in_flight: Some(1), ..bounds() };
        let limits = limits(&bounds);
        let ada = caller("ada");
        let slot = limits.admit(0, &ada).unwrap();
        for _ in 0..100 {
            assert_eq!(limits.admit(0, &ada).unwrap_err(), Wait::InFlight);
        }
        drop(slot);
        let _slot = limits.admit(0, &ada).unwrap();
        assert_eq!(limits.admit(1, &ada).unwrap_err(), seconds(30), "the rate is of all tools");
    }

    #[test]
    fn call_beyond_a_rate_takes_no_slot() {
        let limits = limits(&Bounds { rate_in_all: Some(per_minute(1)), max_in_flight: Some(1), ..bounds() });
        drop(limits.admit(0, &caller("ada")).unwrap());
        limits.admit(0, &caller("ada")).unwrap_err();
        limits.slot(0).unwrap();
    }

    #[test]
    fn concurrent_calls_take_no_more_than_the_rate() {
        let limits = limits(&Bounds {
            default_rate: Some(per_minute(60)),
            rate_per_caller: Some(per_minute(50)),
            rate_in_all: Some(per_minute(100)),
            ..bounds()
        });
        let admitted = |name: &'static str| {
            let limits = &limits;
            move || (0..1_000).filter(|_| limits.admit(0, &caller(name)).is_ok()).count()
        };
        let counts: Vec<usize> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                ["ada", "ada", "eve", "eve"].map(|name| scope.spawn(admitted(name))).into_iter().collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!((counts[0] + counts[1], counts[2] + counts[3]), (50, 50));
    }

    #[test]
    fn slot_is_free_after_its_call() {
        let limits = limits(&Bounds { default_max_in_flight: Some(1), ..bounds() });
        let slot = limits.slot(0).unwrap();
        assert_eq!(limits.slot(0).unwrap_err(), Wait::InFlight);
        drop(slot);
        limits.slot(0).unwrap();
    }
}
