//! Sums up the calls of one tool, in all and in each step of time.

use std::collections::BTreeMap;

use super::{
    shift::UsageShift,
    step::TimeStep,
    tally::{StepTally, ToolTally},
};

/// The calls of one tool. Durations are in microseconds.
#[derive(Debug)]
pub(crate) struct ToolUsage {
    pub(crate) name: String,
    pub(crate) calls: u64,
    pub(crate) errors: u64,
    pub(crate) denied: u64,
    pub(crate) p50: Option<u64>,
    pub(crate) p95: Option<u64>,
    pub(crate) p99: Option<u64>,
    pub(crate) max: Option<u64>,
    /// The errors for each reason, the most frequent first.
    pub(crate) reasons: Vec<(String, u64)>,
    /// A point a step; empty if the source has no times.
    pub(crate) trend: Vec<UsagePoint>,
    pub(crate) shift: Option<UsageShift>,
}

/// The calls of one tool in one step.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct UsagePoint {
    pub(crate) calls: u64,
    pub(crate) errors: u64,
    pub(crate) p50: Option<u64>,
    pub(crate) p95: Option<u64>,
    pub(crate) p99: Option<u64>,
}

impl ToolUsage {
    pub(super) fn of(name: &str, tool: &ToolTally, step: TimeStep, steps: &[i64]) -> Self {
        let mut sum = StepTally::default();
        for cell in tool.steps.values() {
            sum.merge(cell);
        }
        let shift = if step.shows_shifts() {
            UsageShift::find(&tool.steps, |number| step.start(number), |start| step.label(start))
        } else {
            None
        };
        let total = UsagePoint::of(&sum);
        let trend = steps.iter().map(|number| tool.steps.get(number).map(UsagePoint::of).unwrap_or_default());
        Self {
            name: name.to_owned(),
            calls: total.calls,
            errors: total.errors,
            denied: tool.denied,
            p50: total.p50,
            p95: total.p95,
            p99: total.p99,
            max: sum.durations.max(),
            reasons: by_count(&tool.reasons),
            trend: trend.collect(),
            shift,
        }
    }
}

impl UsagePoint {
    fn of(step: &StepTally) -> Self {
        let percentile = |percent| step.durations.percentile(percent);
        Self {
            calls: step.calls(),
            errors: step.errors,
            p50: percentile(50),
            p95: percentile(95),
            p99: percentile(99),
        }
    }
}

/// Returns the counts with the highest first.
pub(super) fn by_count(counts: &BTreeMap<String, u64>) -> Vec<(String, u64)> {
    let mut counts: Vec<_> = counts.iter().map(|(reason, count)| (reason.clone(), *count)).collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts
}
