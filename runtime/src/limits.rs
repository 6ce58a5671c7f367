//! Limits how often tools are called, and how many calls run at once.

mod in_flight;
mod rate;
#[cfg(feature = "postgres")]
mod shared;
#[cfg(test)]
mod tests;

use std::{
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

use crate::{
    clock::Clock,
    store::SharedDatabase,
    tool::{
        caller::Caller,
        descriptor::{Descriptor, Rate},
    },
};
use in_flight::{PerCaller, Slots};
use rate::RateLimit;
#[cfg(feature = "postgres")]
use shared::SharedRates;

pub(crate) use in_flight::Slot;

/// The number of concurrent calls of one caller, unless configured. Clients can leave calls that then run to their end, so
/// that the number of their connections does not limit them.
const DEFAULT_MAX_IN_FLIGHT_PER_CALLER: u32 = 1_000;

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
    /// The number of concurrent calls of one caller over all tools.
    pub(crate) max_in_flight_per_caller: Option<u32>,
    /// The number of concurrent calls of the server over all tools.
    pub(crate) max_in_flight: Option<u32>,
    pub(crate) clock: Clock,
}

/// The limits of a running server.
pub(crate) struct Limits {
    clock: Clock,
    /// The limits of each tool, in the registry's order.
    tools: Vec<ToolLimits>,
    rate_per_caller: Option<RateLimit>,
    rate_in_all: Option<RateLimit>,
    slots_per_caller: PerCaller,
    slots_in_all: Option<Slots>,
    /// Counts the calls of all replicas against the rates, in place of those above.
    #[cfg(feature = "postgres")]
    shared: Option<SharedRates>,
    /// Makes the key of a caller, without an allocation.
    hasher: RandomState,
}

struct ToolLimits {
    rate: Option<RateLimit>,
    slots: Option<Slots>,
}

/// Why a call has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Too many calls in too short a time. The same call is within all rates after `wait`.
    Rate { of: LimitOf, wait: Duration },
    /// The calls that a limit counts are at its maximum.
    InFlight { of: LimitOf, max: u32 },
    /// The database that counts the calls of all replicas does not answer.
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "each process counts its own calls"))]
    Store,
}

/// The calls that a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LimitOf {
    /// The calls of one tool; a rate counts them for each caller.
    Tool,
    /// The calls of one caller, over all tools.
    Caller,
    /// The calls of all callers.
    Server,
}

impl Limits {
    pub(crate) fn new<'a>(
        bounds: &Bounds,
        tools: impl Iterator<Item = &'a Descriptor> + Clone,
        #[cfg_attr(not(feature = "postgres"), expect(unused_variables, reason = "nothing is shared"))]
        shared: &SharedDatabase,
    ) -> Self {
        let tool_limits = |tool: &Descriptor| ToolLimits {
            rate: tool.rate.or(bounds.default_rate).map(RateLimit::per_caller),
            slots: tool.max_in_flight.or(bounds.default_max_in_flight).map(Slots::new),
        };
        Self {
            clock: bounds.clock.clone(),
            #[cfg(feature = "postgres")]
            shared: SharedRates::new(shared, tools.clone()),
            tools: tools.map(tool_limits).collect(),
            rate_per_caller: bounds.rate_per_caller.map(RateLimit::per_caller),
            rate_in_all: bounds.rate_in_all.map(RateLimit::in_all),
            slots_per_caller: PerCaller::new(
                bounds.max_in_flight_per_caller.unwrap_or(DEFAULT_MAX_IN_FLIGHT_PER_CALLER),
            ),
            slots_in_all: bounds.max_in_flight.map(Slots::new),
            hasher: RandomState::new(),
        }
    }

    /// Takes a call of the tool at `index` from all limits, or from none: a refused call costs its caller nothing.
    pub(crate) async fn take(&self, index: usize, caller: &Caller) -> Result<Slot, Wait> {
        #[cfg(feature = "postgres")]
        if let Some(rates) = &self.shared {
            return self.admit_shared(rates, index, caller).await;
        }
        self.admit(index, caller)
    }

    fn admit(&self, index: usize, caller: &Caller) -> Result<Slot, Wait> {
        let key = self.key(caller);
        let Some(cells) = self.cells(index, key) else { return self.take_slot(index, key) };
        if let Some(wait) = longest(&cells) {
            return Err(wait);
        }
        let slot = self.take_slot(index, key)?;
        cells.into_iter().flatten().for_each(|(_, cell)| cell.take());
        Ok(slot)
    }

    /// Returns how long the rates of this process make a call of the tool at `index` wait, without taking it from them.
    pub(crate) fn rate_wait(&self, index: usize, caller: &Caller) -> Option<Wait> {
        self.cells(index, self.key(caller)).as_ref().and_then(longest)
    }

    /// Locks the places of a caller in all rates; `None` if no rate is declared.
    fn cells(&self, index: usize, key: u64) -> Option<Cells<'_>> {
        let rates = [
            (&self.tools[index].rate, LimitOf::Tool, key),
            (&self.rate_per_caller, LimitOf::Caller, key),
            (&self.rate_in_all, LimitOf::Server, 0),
        ];
        if rates.iter().all(|(rate, ..)| rate.is_none()) {
            return None;
        }
        let now = self.clock.elapsed();
        // Every call locks in this order.
        Some(rates.map(|(rate, of, key)| rate.as_ref().map(|rate| (of, rate.cell(key, now)))))
    }

    /// Takes a slot for a call of the tool at `index`.
    pub(crate) fn slot(&self, index: usize, caller: &Caller) -> Result<Slot, Wait> {
        self.take_slot(index, self.key(caller))
    }

    /// Takes a slot for a call of the tool at `index`, and waits until the tool and the server have one.
    pub(crate) async fn slot_in_turn(&self, index: usize, caller: &Caller) -> Slot {
        // A call that holds the first waits only for the second, whose calls end by themselves.
        Slot {
            _tool: in_flight::in_turn(self.tools[index].slots.as_ref()).await,
            _server: in_flight::in_turn(self.slots_in_all.as_ref()).await,
            _caller: Some(self.slots_per_caller.take_over_limit(self.key(caller))),
        }
    }

    fn take_slot(&self, index: usize, caller: u64) -> Result<Slot, Wait> {
        let take = |slots: &Option<Slots>, of| slots.as_ref().map(|slots| slots.take(of)).transpose();
        Ok(Slot {
            _tool: take(&self.tools[index].slots, LimitOf::Tool)?,
            _server: take(&self.slots_in_all, LimitOf::Server)?,
            _caller: Some(self.slots_per_caller.take(caller)?),
        })
    }

    fn key(&self, caller: &Caller) -> u64 {
        self.hasher.hash_one(caller.identity())
    }
}

/// The places of one caller in the rates of a call.
type Cells<'a> = [Option<(LimitOf, rate::Cell<'a>)>; 3];

/// The longest wait of all rates, if there is one.
fn longest(cells: &Cells<'_>) -> Option<Wait> {
    let waits = cells.iter().flatten().map(|(of, cell)| (cell.wait(), *of));
    let (wait, of) = waits.max_by_key(|(wait, _)| *wait)?;
    (!wait.is_zero()).then_some(Wait::Rate { of, wait })
}
