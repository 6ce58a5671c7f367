//! Decides which denied calls are recorded one by one, and counts the others.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// The most denials that are recorded one by one in a [`WINDOW`], so that a flood of calls does not fill the disk.
const MAX_RECORDED_DENIALS: u32 = 100;
const WINDOW: Duration = Duration::from_secs(1);

/// The denials of this window and those before.
#[derive(Debug, Default)]
pub(super) struct Denials(Mutex<DenialWindow>);

#[derive(Debug, Default)]
struct DenialWindow {
    since: Option<Instant>,
    recorded: u32,
    /// The number of other denials by each stage.
    counted: BTreeMap<&'static str, u64>,
}

impl Denials {
    fn lock(&self) -> MutexGuard<'_, DenialWindow> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this denial is recorded by itself. If not, it is counted.
    pub(super) fn admit(&self, by: &'static str) -> bool {
        let mut window = self.lock();
        if window.since.is_none_or(|since| since.elapsed() >= WINDOW) {
            (window.since, window.recorded) = (Some(Instant::now()), 0);
        }
        if window.recorded < MAX_RECORDED_DENIALS {
            window.recorded += 1;
            return true;
        }
        *window.counted.entry(by).or_default() += 1;
        false
    }

    /// Takes the counts, once their window is over or the log ends.
    pub(super) fn take(&self, ends: bool) -> BTreeMap<&'static str, u64> {
        let mut window = self.lock();
        if ends || window.since.is_none_or(|since| since.elapsed() >= WINDOW) {
            std::mem::take(&mut window.counted)
        } else {
            BTreeMap::new()
        }
    }

    /// Adds counts again that could not be recorded.
    pub(super) fn put_back(&self, counted: BTreeMap<&'static str, u64>) {
        let mut window = self.lock();
        for (by, denials) in counted {
            *window.counted.entry(by).or_default() += denials;
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::audit::write::denials::*;

    #[test]
    fn denials_beyond_the_limit_are_counted() {
        let denials = Denials::default();
        let recorded = (0..1_000).filter(|_| denials.admit("scope")).count() as u64;
        assert!(!denials.admit("rate"));
        let counted = denials.take(true);
        assert_eq!(counted["scope"] + recorded, 1_000);
        assert_eq!((recorded, counted["rate"]), (u64::from(MAX_RECORDED_DENIALS), 1));
        denials.put_back(counted);
        assert_eq!(denials.take(true)["rate"], 1);
        assert!(denials.take(true).is_empty());
    }
}
