//! Tells a store the time since 1970, which never runs backwards.

use std::time::Duration;

use crate::clock::Clock;

/// The clock of one store. While the process runs, only elapsed time counts: a clock of the system that is set back or
/// forward changes no lease. At the start it is later than the last time that the store recorded.
#[derive(Debug)]
pub(super) struct StoreClock {
    clock: Clock,
    /// The time since 1970 when `clock` was created.
    start: Duration,
}

impl StoreClock {
    /// Creates a clock that is later than `last`, in milliseconds since 1970.
    pub(super) fn new(clock: Clock, last: u64) -> Self {
        let now = clock.since_1970().max(Duration::from_millis(last.saturating_add(1)));
        let start = now.saturating_sub(clock.elapsed());
        Self { clock, start }
    }

    /// Returns the milliseconds since 1970.
    pub(super) fn now(&self) -> u64 {
        u64::try_from((self.start + self.clock.elapsed()).as_millis()).unwrap_or(u64::MAX)
    }
}
