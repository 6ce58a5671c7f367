//! The time that rates, confirmations and tokens count, which a test may turn by hand.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use governor::nanos::Nanos;

/// Where rates, confirmations and tokens take their time from: the system's monotonic clock, or, in a test, one that is turned
/// by hand.
///
/// ```
/// use std::time::Duration;
/// use candor::testing::Clock;
///
/// let clock = Clock::manual();
/// clock.advance(Duration::from_secs(60));
/// ```
#[derive(Clone, Debug)]
pub struct Clock(Time);

#[derive(Clone, Debug)]
enum Time {
    Since(Instant),
    Nanoseconds(Arc<AtomicU64>),
}

/// When a clock that is turned by hand starts.
const START: Duration = Duration::from_secs(1_785_196_800);

impl Default for Clock {
    fn default() -> Self {
        Self(Time::Since(Instant::now()))
    }
}

impl Clock {
    /// A clock that stands still until it is turned.
    pub fn manual() -> Self {
        Self(Time::Nanoseconds(Arc::default()))
    }

    /// Turns a clock forward; the system's clock stays as it is.
    pub fn advance(&self, by: Duration) {
        if let Time::Nanoseconds(now) = &self.0 {
            now.fetch_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX), Ordering::SeqCst);
        }
    }

    /// The time since 1970, as tokens count it. A clock that is turned by hand starts on 28 July 2026.
    pub fn since_1970(&self) -> Duration {
        match &self.0 {
            Time::Since(_) => SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default(),
            Time::Nanoseconds(_) => START + self.elapsed(),
        }
    }

    /// The time since it was made.
    pub(crate) fn elapsed(&self) -> Duration {
        match &self.0 {
            Time::Since(start) => start.elapsed(),
            Time::Nanoseconds(now) => Duration::from_nanos(now.load(Ordering::SeqCst)),
        }
    }
}

impl governor::clock::Clock for Clock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.elapsed().into()
    }
}
