//! Denied calls → those that are recorded one by one, and the number of those that are not.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How many denials are recorded one by one in a [`WINDOW`]. Whoever knocks more often fills no disk.
const EACH: u32 = 100;
const WINDOW: Duration = Duration::from_secs(1);

/// What was denied in this window and those before.
#[derive(Debug, Default)]
pub(super) struct Denials(Mutex<Now>);

#[derive(Debug, Default)]
struct Now {
    since: Option<Instant>,
    recorded: u32,
    /// By whom others were denied, and how many.
    counted: BTreeMap<&'static str, u64>,
}

impl Denials {
    fn lock(&self) -> MutexGuard<'_, Now> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this one is recorded; otherwise it is counted.
    pub(super) fn admit(&self, by: &'static str) -> bool {
        let mut now = self.lock();
        if now.since.is_none_or(|since| since.elapsed() >= WINDOW) {
            (now.since, now.recorded) = (Some(Instant::now()), 0);
        }
        if now.recorded < EACH {
            now.recorded += 1;
            return true;
        }
        *now.counted.entry(by).or_default() += 1;
        false
    }

    /// Those that were only counted, once their window is over or the log ends.
    pub(super) fn take(&self, ends: bool) -> BTreeMap<&'static str, u64> {
        let mut now = self.lock();
        if ends || now.since.is_none_or(|since| since.elapsed() >= WINDOW) {
            std::mem::take(&mut now.counted)
        } else {
            BTreeMap::new()
        }
    }

    /// Counts them again: they could not be recorded.
    pub(super) fn put_back(&self, counted: BTreeMap<&'static str, u64>) {
        let mut now = self.lock();
        for (by, denials) in counted {
            *now.counted.entry(by).or_default() += denials;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_denials_are_counted_and_none_is_lost() {
        let denials = Denials::default();
        let recorded = (0..1_000).filter(|_| denials.admit("scope")).count() as u64;
        assert!(!denials.admit("rate"));
        let counted = denials.take(true);
        assert_eq!(counted["scope"] + recorded, 1_000);
        assert_eq!((recorded, counted["rate"]), (u64::from(EACH), 1));
        denials.put_back(counted);
        assert_eq!(denials.take(true)["rate"], 1);
        assert!(denials.take(true).is_empty());
    }
}
