//! Counts durations in buckets that grow with the durations, so that percentiles need little memory.

/// The binary digits of a duration that choose its bucket, below the highest one. A bucket is at most 1/16 as wide as its
/// durations, and a percentile is the middle of a bucket: it is at most 1/32 (3.2 %) off.
const SUB_BITS: u32 = 4;
const SUB_BUCKETS: u64 = 1 << SUB_BITS;

/// The durations of many calls, in microseconds.
#[derive(Clone, Debug, Default)]
pub(super) struct DurationHistogram {
    /// The bucket of the first of `counts`; the buckets outside are empty.
    first: usize,
    counts: Vec<u32>,
    total: u64,
    min: u64,
    max: u64,
}

impl DurationHistogram {
    pub(super) fn add(&mut self, us: u64) {
        if self.total == 0 {
            (self.min, self.max) = (us, us);
        }
        (self.min, self.max) = (self.min.min(us), self.max.max(us));
        self.total += 1;
        let bucket = bucket(us);
        self.make_room(bucket, bucket);
        let count = &mut self.counts[bucket - self.first];
        *count = count.saturating_add(1);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        if other.total == 0 {
            return;
        }
        if self.total == 0 {
            self.clone_from(other);
            return;
        }
        (self.min, self.max) = (self.min.min(other.min), self.max.max(other.max));
        self.total += other.total;
        self.make_room(other.first, other.first + other.counts.len() - 1);
        let start = other.first - self.first;
        for (count, more) in self.counts[start..].iter_mut().zip(&other.counts) {
            *count = count.saturating_add(*more);
        }
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }

    pub(super) fn max(&self) -> Option<u64> {
        (self.total > 0).then_some(self.max)
    }

    /// Returns the duration that `percent` of the calls did not exceed.
    pub(super) fn percentile(&self, percent: u64) -> Option<u64> {
        let rank = (self.total * percent).div_ceil(100).max(1);
        let mut seen = 0;
        let at = self.counts.iter().position(|count| {
            seen += u64::from(*count);
            seen >= rank
        })?;
        Some(middle(self.first + at).clamp(self.min, self.max))
    }

    /// Extends the buckets to those of `low..=high`.
    fn make_room(&mut self, low: usize, high: usize) {
        if self.counts.is_empty() {
            self.first = low;
        }
        if low < self.first {
            self.counts.splice(..0, std::iter::repeat_n(0, self.first - low));
            self.first = low;
        }
        let len = (high - self.first + 1).max(self.counts.len());
        self.counts.resize(len, 0);
    }
}

/// Returns the bucket of a duration: the position of its highest binary digit, and the digits after it.
fn bucket(us: u64) -> usize {
    let shift = (u64::BITS - us.leading_zeros()).saturating_sub(SUB_BITS + 1);
    let bucket = u64::from(shift) * SUB_BUCKETS + (us >> shift);
    usize::try_from(bucket).expect("there are less than a thousand buckets")
}

/// Returns the duration in the middle of a bucket.
fn middle(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < 2 * SUB_BUCKETS {
        return bucket;
    }
    let shift = bucket / SUB_BUCKETS - 1;
    let low = (bucket - shift * SUB_BUCKETS) << shift;
    low + (1 << shift) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn middle_of_a_bucket_is_within_its_error() {
        for us in (0..200_000).chain((20..64).map(|power| (1_u64 << power) + 12_345)) {
            let error = middle(bucket(us)).abs_diff(us);
            assert!(error * 32 <= us, "{us}: {}", middle(bucket(us)));
        }
        assert!(bucket(u64::MAX) < 1_000);
    }

    #[test]
    fn percentiles_of_merged_histograms_are_those_of_all_durations() {
        let (mut all, mut parts) =
            (DurationHistogram::default(), [(); 3].map(|()| DurationHistogram::default()));
        for us in 1..=9_999_u64 {
            // The parts have other ranges, in both orders.
            all.add(us * us);
            parts[usize::from(us % 7 == 0) + usize::from(us > 9_000)].add(us * us);
        }
        let mut merged = DurationHistogram::default();
        for part in parts.iter().rev() {
            merged.merge(part);
        }
        assert_eq!((merged.total(), merged.max()), (9_999, Some(9_999 * 9_999)));
        for percent in [1, 50, 95, 99, 100] {
            let exact = (9_999_u64 * percent).div_ceil(100).pow(2);
            let found = merged.percentile(percent).unwrap();
            assert_eq!(Some(found), all.percentile(percent));
            assert!(found.abs_diff(exact) * 30 <= exact, "p{percent}: {found} instead of {exact}");
        }
    }

    #[test]
    fn few_durations_are_exact_at_their_ends() {
        let mut histogram = DurationHistogram::default();
        assert_eq!(histogram.percentile(50), None);
        histogram.add(812_345);
        assert_eq!([50, 95, 99].map(|percent| histogram.percentile(percent)), [Some(812_345); 3]);
    }
}
