//! Tells the time for rates, confirmations, tasks and tokens; a test can set it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use tokio::runtime::{Handle, RuntimeFlavor};

/// Returns whether a test has paused tokio's clock on the current runtime.
pub(crate) fn is_paused() -> bool {
    // Only a runtime with one thread can pause its clock.
    let flavor = Handle::try_current().map(|runtime| runtime.runtime_flavor());
    if !matches!(flavor, Ok(RuntimeFlavor::CurrentThread)) {
        return false;
    }
    // Once paused, it never again agrees with the system's clock.
    let before = Instant::now();
    let now = tokio::time::Instant::now().into_std();
    now < before || now > Instant::now()
}

/// The clock of rates, confirmations, tasks and tokens: the system's, or a manual one in a test.
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
    Manual(Arc<ManualTime>),
}

/// The time of a manual clock, in nanoseconds.
#[derive(Debug, Default)]
struct ManualTime {
    elapsed: AtomicU64,
    /// How far the time since 1970 was set back.
    set_back: AtomicU64,
}

/// The start of a manual clock: 28 July 2026.
const START: Duration = Duration::from_secs(1_785_196_800);

impl Default for Clock {
    fn default() -> Self {
        Self(Time::Since(Instant::now()))
    }
}

impl Clock {
    /// Creates a manual clock, which stands still until it is advanced.
    pub fn manual() -> Self {
        Self(Time::Manual(Arc::default()))
    }

    /// Advances a manual clock. Does nothing to the system's clock.
    pub fn advance(&self, by: Duration) {
        if let Time::Manual(now) = &self.0 {
            now.elapsed.fetch_add(nanoseconds(by), Ordering::SeqCst);
        }
    }

    /// Sets the date of a manual clock back, as an operator or a time service does: time that has elapsed stays elapsed.
    /// Does nothing to the system's clock.
    pub fn set_back(&self, by: Duration) {
        if let Time::Manual(now) = &self.0 {
            now.set_back.fetch_add(nanoseconds(by), Ordering::SeqCst);
        }
    }

    /// Returns the time since 1970, as tokens count it. A manual clock starts on 28 July 2026.
    pub fn since_1970(&self) -> Duration {
        match &self.0 {
            Time::Since(_) => SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default(),
            Time::Manual(now) => {
                let set_back = Duration::from_nanos(now.set_back.load(Ordering::SeqCst));
                (START + self.elapsed()).saturating_sub(set_back)
            }
        }
    }

    /// Whether a test sets this clock.
    pub(crate) fn is_manual(&self) -> bool {
        matches!(self.0, Time::Manual(_))
    }

    /// Returns the time since the clock was created.
    pub(crate) fn elapsed(&self) -> Duration {
        match &self.0 {
            Time::Since(start) => start.elapsed(),
            Time::Manual(now) => Duration::from_nanos(now.elapsed.load(Ordering::SeqCst)),
        }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
