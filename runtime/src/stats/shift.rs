//! Finds the step from which on a tool is slower, faster, or fails more or less often than before.

use std::collections::BTreeMap;

use super::{
    tally::StepTally,
    units::{as_f64, percent},
};

/// The least number of steps on each side of a shift, so that one bad day is not taken for a lasting change.
const MIN_SIDE_STEPS: usize = 3;
/// The least number of calls in a step whose p95 is compared.
const MIN_STEP_CALLS: u64 = 20;
/// The least ratio between the p95 after and before, or the other way round.
const MIN_LATENCY_RATIO: f64 = 1.5;
/// The least difference between the p95 before and after, in microseconds.
const MIN_LATENCY_US: u64 = 1_000;
/// The least ratio of the distance between the sides to the usual distance of a step from the middle of its side.
const MIN_DISTANCE: f64 = 4.0;
/// The least share of the steps of a side that are nearer to the middle of their own side.
const MIN_NEAR_SHARE: f64 = 0.8;
/// The least difference between the shares of errors, and the least ratio.
const MIN_ERROR_DIFFERENCE: f64 = 0.01;
const MIN_ERROR_RATIO: f64 = 2.0;
/// The least likelihood ratio (G) of two shares of errors against one: about five standard deviations.
const MIN_ERROR_G: f64 = 25.0;

/// A lasting change of one tool within the period.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct UsageShift {
    pub(crate) latency: Option<LatencyShift>,
    pub(crate) errors: Option<ErrorShift>,
}

/// A change of the 95th percentile, in microseconds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LatencyShift {
    /// The start of the first step after the change, and its label.
    pub(crate) start: i64,
    pub(crate) since: String,
    pub(crate) before: u64,
    pub(crate) after: u64,
}

/// A change of the share of errors: errors and calls on both sides.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ErrorShift {
    pub(crate) start: i64,
    pub(crate) since: String,
    pub(crate) before: (u64, u64),
    pub(crate) after: (u64, u64),
}

impl UsageShift {
    /// Looks for a change in the steps of a tool. `start` returns the start of a step, and `label` its name.
    pub(super) fn find(
        steps: &BTreeMap<i64, StepTally>,
        start: impl Fn(i64) -> i64,
        label: impl Fn(i64) -> String,
    ) -> Option<Self> {
        let steps: Vec<(i64, &StepTally)> = steps.iter().map(|(number, step)| (*number, step)).collect();
        let latency = latency_split(&steps);
        let mut errors = error_split(&steps);
        // A change of both that is a step apart is one change: the first errors came by chance a little later or earlier.
        if let (Some(latency), Some(errors)) = (latency, &mut errors)
            && latency.abs_diff(*errors) <= 1
        {
            *errors = latency;
        }
        let sides = |split: usize| (sum(&steps[..split]), sum(&steps[split..]));
        let latency = latency.map(|split| {
            let (before, after) = sides(split);
            let p95 = |side: &StepTally| side.durations.percentile(95).unwrap_or_default();
            let start = start(steps[split].0);
            LatencyShift { start, since: label(start), before: p95(&before), after: p95(&after) }
        });
        let errors = errors.map(|split| {
            let (before, after) = sides(split);
            let start = start(steps[split].0);
            let share = |side: &StepTally| (side.errors, side.calls());
            ErrorShift { start, since: label(start), before: share(&before), after: share(&after) }
        });
        (latency.is_some() || errors.is_some()).then_some(Self { latency, errors })
    }

    /// Says what changed, and since when: `p95 2.1× since 2026-11-20, errors 0.2 % → 5.1 %`.
    pub(crate) fn text(&self) -> String {
        let latency = self.latency.as_ref().map(|shift| (shift.text(), &shift.since));
        let errors = self.errors.as_ref().map(|shift| (shift.text(), &shift.since));
        match (latency, errors) {
            (Some((latency, since)), Some((errors, same))) if since == same => {
                format!("{latency} since {since}, {errors}")
            }
            (latency, errors) => {
                let parts = [latency, errors].into_iter().flatten();
                let parts: Vec<String> = parts.map(|(what, since)| format!("{what} since {since}")).collect();
                parts.join(", ")
            }
        }
    }

    /// Whether the tool became slower or fails more often.
    pub(crate) fn is_worse(&self) -> bool {
        self.latency.as_ref().is_some_and(|shift| shift.after > shift.before)
            || self.errors.as_ref().is_some_and(|shift| share(shift.after) > share(shift.before))
    }

    /// The start of the first step after the change.
    pub(crate) fn start(&self) -> i64 {
        let starts =
            [self.latency.as_ref().map(|shift| shift.start), self.errors.as_ref().map(|shift| shift.start)];
        starts.into_iter().flatten().min().unwrap_or_default()
    }
}

impl LatencyShift {
    pub(crate) fn ratio(&self) -> f64 {
        as_f64(self.after) / as_f64(self.before.max(1))
    }

    fn text(&self) -> String {
        match self.ratio() {
            ratio if ratio < 1.0 => format!("p95 {ratio:.2}×"),
            ratio if ratio < 9.95 => format!("p95 {ratio:.1}×"),
            ratio => format!("p95 {ratio:.0}×"),
        }
    }
}

impl ErrorShift {
    fn text(&self) -> String {
        let ((errors, calls), (later_errors, later_calls)) = (self.before, self.after);
        format!("errors {} → {}", percent(errors, calls), percent(later_errors, later_calls))
    }
}

fn sum(steps: &[(i64, &StepTally)]) -> StepTally {
    let mut sum = StepTally::default();
    for (_, step) in steps {
        sum.merge(step);
    }
    sum
}

/// Returns the index of the step at which the p95 of the steps changed.
///
/// Of all splits, it takes the one whose steps lie nearest to the median of their side (least absolute deviations), which a
/// few exceptional steps hardly move. The logarithm makes twice as fast as large a change as twice as slow.
fn latency_split(steps: &[(i64, &StepTally)]) -> Option<usize> {
    let levels: Vec<(usize, u64)> = steps
        .iter()
        .enumerate()
        .filter(|(_, (_, step))| step.calls() >= MIN_STEP_CALLS)
        .filter_map(|(at, (_, step))| Some((at, step.durations.percentile(95)?)))
        .collect();
    let logs: Vec<f64> = levels.iter().map(|(_, p95)| as_f64((*p95).max(1)).ln()).collect();
    let splits = MIN_SIDE_STEPS..(logs.len() + 1).saturating_sub(MIN_SIDE_STEPS);
    let cost = |split: &usize| deviation(&logs[..*split]) + deviation(&logs[*split..]);
    let split = splits.min_by(|a, b| cost(a).total_cmp(&cost(b)))?;
    let (before, after) = logs.split_at(split);
    let (low, high) = (median(before), median(after));
    let distance = (high - low).abs();
    let usual = median(
        &before
            .iter()
            .map(|log| (log - low).abs())
            .chain(after.iter().map(|log| (log - high).abs()))
            .collect::<Vec<_>>(),
    );
    let is_near = |log: &f64, own: f64, other: f64| (log - own).abs() < (log - other).abs();
    let are_near = |side: &[f64], own: f64, other: f64| {
        let near = side.iter().filter(|log| is_near(log, own, other)).count();
        as_f64(near as u64) >= MIN_NEAR_SHARE * as_f64(side.len() as u64)
    };
    let is_shift = distance >= MIN_LATENCY_RATIO.ln()
        && as_f64(MIN_LATENCY_US) <= (high.exp() - low.exp()).abs()
        && distance >= MIN_DISTANCE * usual
        && are_near(before, low, high)
        && are_near(after, high, low);
    is_shift.then(|| levels[split].0)
}

/// The sum of the distances from the median.
fn deviation(values: &[f64]) -> f64 {
    let middle = median(values);
    values.iter().map(|value| (value - middle).abs()).sum()
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => 0.0,
        len if len % 2 == 0 => sorted[middle - 1].midpoint(sorted[middle]),
        _ => sorted[middle],
    }
}

/// Returns the index of the step at which the share of errors changed.
///
/// Of all splits, it takes the one whose two shares make the errors most likely (G test). Few calls a step do no harm, since
/// whole sides are compared. Each third of a side must be nearer to the share of their own side, or the change has not
/// lasted.
fn error_split(steps: &[(i64, &StepTally)]) -> Option<usize> {
    let mut sums = vec![(0, 0)];
    for (_, step) in steps {
        let (errors, calls) = sums[sums.len() - 1];
        sums.push((errors + step.errors, calls + step.calls()));
    }
    let between = |from: usize, to: usize| (sums[to].0 - sums[from].0, sums[to].1 - sums[from].1);
    let all = likelihood(between(0, steps.len()));
    let gain =
        |split: usize| 2.0 * (likelihood(between(0, split)) + likelihood(between(split, steps.len())) - all);
    let splits = MIN_SIDE_STEPS..(steps.len() + 1).saturating_sub(MIN_SIDE_STEPS);
    let split = splits.max_by(|a, b| gain(*a).total_cmp(&gain(*b)))?;
    let (before, after) = (share(between(0, split)), share(between(split, steps.len())));
    let (low, high) = (before.min(after), before.max(after));
    let middle = before.midpoint(after);
    let lasts = |from: usize, to: usize, own: f64| {
        let third = |number: usize| from + (to - from) * number / 3;
        (0..3).all(|number| (share(between(third(number), third(number + 1))) > middle) == (own > middle))
    };
    let is_shift = gain(split) >= MIN_ERROR_G
        && high - low >= MIN_ERROR_DIFFERENCE
        && high >= MIN_ERROR_RATIO * low
        && lasts(0, split, before)
        && lasts(split, steps.len(), after);
    is_shift.then_some(split)
}

fn share((errors, calls): (u64, u64)) -> f64 {
    as_f64(errors) / as_f64(calls.max(1))
}

/// The logarithm of the likelihood of these errors among these calls, under the share that makes them most likely.
fn likelihood((errors, calls): (u64, u64)) -> f64 {
    let part =
        |count: u64| if count == 0 { 0.0 } else { as_f64(count) * (as_f64(count) / as_f64(calls)).ln() };
    part(errors) + part(calls - errors)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps of this many calls, each with a base duration in microseconds and a number of errors.
    fn found(calls: u64, steps: impl IntoIterator<Item = (u64, u64)>) -> Option<String> {
        let steps = steps.into_iter().zip(0..).map(|((us, errors), number)| {
            let mut step = StepTally { errors, ..StepTally::default() };
            for call in 0..calls {
                step.durations.add(us + us * call / calls);
            }
            (number, step)
        });
        let shift = UsageShift::find(&steps.collect(), |number| number, |start| format!("step {start}"));
        shift.map(|shift| shift.text())
    }

    #[test]
    fn lasting_change_of_both_is_found_with_its_start() {
        let steps = (0..30).map(|day| {
            if day < 20 { (400_000 + day * 500, u64::from(day % 5 == 0)) } else { (800_000 + day * 500, 5) }
        });
        assert_eq!(found(100, steps).as_deref(), Some("p95 2.0× since step 20, errors 0.2 % → 5.0 %"));
    }

    #[test]
    fn change_of_one_alone_is_found() {
        let slower = (0..14).map(|day| if day < 11 { (30_000, 1) } else { (90_000, 1) });
        assert_eq!(found(100, slower).as_deref(), Some("p95 3.0× since step 11"));
        let faster = (0..14).map(|day| if day < 5 { (30_000, 1) } else { (10_000, 1) });
        // The percentiles of both sides are within 3.2 %.
        assert_eq!(found(100, faster).as_deref(), Some("p95 0.32× since step 5"));
        // Too few calls a day for a daily share.
        let failing = (0..60).map(|day| (30_000, 2 * u64::from(day >= 40 && day % 2 == 0)));
        assert_eq!(found(5, failing).as_deref(), Some("errors 0 % → 20.0 % since step 40"));
    }

    #[test]
    fn passing_trouble_and_noise_are_not_lasting_changes() {
        let still = [(30_000, 1); 30];
        assert_eq!(found(100, still), None);
        for (from, to) in [(0, 2), (14, 17), (28, 30), (12, 14)] {
            let outage =
                (0..30).map(|day| if (from..to).contains(&day) { (300_000, 60) } else { (30_000, 1) });
            assert_eq!(found(100, outage), None, "{from}..{to}");
        }
        let weekly = (0..30).map(|day| if day % 7 < 2 { (60_000, 3) } else { (30_000, 1) });
        assert_eq!(found(100, weekly), None);
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..200 {
            let noise = (0..30).map(|_| (random.u64(20_000..50_000), random.u64(0..6))).collect::<Vec<_>>();
            assert_eq!(found(100, noise.clone()), None, "{noise:?}");
        }
        let tiny = (0..30).map(|day| if day < 20 { (100, 0) } else { (400, 0) });
        assert_eq!(found(100, tiny), None, "less than a millisecond");
        assert_eq!(found(100, [(30_000, 0), (30_000, 0), (90_000, 9)]), None, "too few steps");
    }
}
