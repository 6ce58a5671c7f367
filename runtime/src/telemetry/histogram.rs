//! Counts durations in buckets, without a lock: calls of one tool end on many threads.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// The upper bounds of the buckets, in milliseconds (OpenTelemetry, MCP conventions: `mcp.server.operation.duration`).
const BOUNDS_MS: [u64; 14] =
    [10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 120_000, 300_000];
/// The same in seconds, and the bound of the last bucket.
pub(super) const BOUNDS: [f64; 15] =
    [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, f64::INFINITY];

/// A histogram of durations.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    /// The durations in each bucket alone; the last bucket has no bound.
    buckets: [AtomicU64; BOUNDS.len()],
    /// The sum of all durations, in nanoseconds.
    nanos: AtomicU64,
}

/// The values of a histogram at one moment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct HistogramValues {
    /// The upper bound of each bucket in seconds, and the durations in this bucket alone.
    pub(super) buckets: [(f64, u64); BOUNDS.len()],
    /// The sum in seconds.
    pub(super) sum: f64,
}

impl Histogram {
    pub(super) fn observe(&self, duration: Duration) {
        let millis = |bound: &&u64| duration > Duration::from_millis(**bound);
        let bucket = BOUNDS_MS.iter().take_while(millis).count();
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.nanos.fetch_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn values(&self) -> HistogramValues {
        let mut buckets = BOUNDS.map(|bound| (bound, 0));
        for (bucket, count) in buckets.iter_mut().zip(&self.buckets) {
            bucket.1 = count.load(Ordering::Relaxed);
        }
        let sum = Duration::from_nanos(self.nanos.load(Ordering::Relaxed)).as_secs_f64();
        HistogramValues { buckets, sum }
    }
}

impl HistogramValues {
    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_counted_in_the_first_bucket_whose_bound_they_do_not_exceed() {
        let histogram = Histogram::default();
        for millis in [0, 10, 11, 300_000, 300_001] {
            histogram.observe(Duration::from_millis(millis));
        }
        let values = histogram.values();
        let counts: Vec<u64> = values.buckets.iter().map(|(_, count)| *count).collect();
        assert_eq!(counts, [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!((values.count(), values.sum), (5, 600.022));
        for (seconds, millis) in BOUNDS.iter().zip(BOUNDS_MS) {
            assert_eq!(Duration::from_secs_f64(*seconds), Duration::from_millis(millis));
        }
    }
}
