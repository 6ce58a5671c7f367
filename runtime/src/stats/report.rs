//! Sums up the counted calls as numbers that people and programs read.

use super::{
    rank,
    shift::UsageShift,
    step::{TimeStep, utc},
    tally::{LogGaps, UsageTally},
    tool_usage::{ToolUsage, by_count},
    units::duration,
};

/// The calls of a server in a period.
#[derive(Debug, Default)]
pub(crate) struct UsageReport {
    pub(crate) source: UsageSource,
    /// The times of the first and the last call or denial, in UTC.
    pub(crate) times: Option<(String, String)>,
    /// The length of a step of the trends.
    pub(crate) step: TimeStep,
    /// The starts of the steps, in seconds since 1970.
    pub(crate) starts: Vec<i64>,
    pub(crate) all: UsageSums,
    /// Ordered: the tools that a reader should see first.
    pub(crate) tools: Vec<ToolUsage>,
    /// The denials for each reason, the most frequent first.
    pub(crate) denials: Vec<(String, u64)>,
    pub(crate) gaps: LogGaps,
}

/// The source of the counts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum UsageSource {
    #[default]
    AuditLog,
    /// The metrics of a running server, which have no times. A percentile is the upper bound of a bucket.
    #[cfg_attr(not(feature = "http"), expect(dead_code, reason = "only a client can ask for them"))]
    Metrics {
        /// The values of this moment, each with its name for people.
        now: Vec<(&'static str, u64)>,
    },
}

/// Sums over all tools.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct UsageSums {
    pub(crate) calls: u64,
    pub(crate) errors: u64,
    pub(crate) denied: u64,
    pub(crate) asked: u64,
    pub(crate) replayed: u64,
    pub(crate) abandoned: u64,
}

impl UsageReport {
    /// Sums up what was counted.
    pub(crate) fn of(tally: &UsageTally) -> Self {
        let steps: Vec<i64> = tally.steps.map_or(Vec::new(), |(first, last)| (first..=last).collect());
        let mut all = UsageSums { denied: tally.denials.values().sum(), ..UsageSums::default() };
        let mut tools = Vec::with_capacity(tally.tools.len());
        for (name, tool) in &tally.tools {
            let usage = ToolUsage::of(name, tool, tally.step, &steps);
            all.calls += usage.calls;
            all.errors += usage.errors;
            all.asked += tool.asked;
            all.replayed += tool.replayed;
            all.abandoned += tool.abandoned;
            if usage.calls + usage.denied > 0 {
                tools.push(usage);
            }
        }
        let time = |micros: i64| utc(micros.div_euclid(1_000_000), "%Y-%m-%dT%H:%M:%SZ");
        Self {
            source: UsageSource::AuditLog,
            times: tally.times.map(|(first, last)| (time(first), time(last))),
            step: tally.step,
            starts: steps.into_iter().map(|number| tally.step.start(number)).collect(),
            all,
            tools: rank::order(tools),
            denials: by_count(&tally.denials),
            gaps: tally.gaps(),
        }
    }

    /// The tools that changed within the period.
    pub(crate) fn shifted(&self) -> impl Iterator<Item = (&ToolUsage, &UsageShift)> {
        self.tools.iter().filter_map(|tool| Some((tool, tool.shift.as_ref()?)))
    }

    /// Says from when to when calls are counted.
    pub(crate) fn period(&self) -> String {
        match (&self.times, &self.source) {
            (Some((first, last)), _) => format!("{first} – {last}"),
            (None, UsageSource::AuditLog) => "The log has no call in this period.".to_owned(),
            (None, UsageSource::Metrics { .. }) => "since the start of the server".to_owned(),
        }
    }

    /// Writes a percentile; `absent` stands for one of no calls.
    pub(crate) fn time(&self, us: Option<u64>, absent: &str) -> String {
        match (us, &self.source) {
            (None, _) => absent.to_owned(),
            (Some(us), UsageSource::AuditLog) => duration(us),
            (Some(us), UsageSource::Metrics { .. }) => format!("≤{}", duration(us)),
        }
    }

    /// Says what is in the counts, and what is not.
    pub(crate) fn scope(&self) -> Vec<String> {
        let UsageSums { asked, replayed, abandoned, .. } = self.all;
        if let UsageSource::Metrics { now } = &self.source {
            return self.scope_of_metrics(now);
        }
        let mut scope = vec![
            "Counted: calls that the audit log records with their end. Percentiles are within 3.2 %."
                .to_owned(),
        ];
        let not_counted: Vec<String> = [
            (replayed, "answers repeated for an idempotency key"),
            (asked, "calls that asked their client something first"),
            (abandoned, "calls without a result (the client left, or the call did not run)"),
            (self.gaps.unended, "calls without an outcome (the process ended)"),
            (self.gaps.left_out, "records that the server could not write"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .chain(["tools declared `audit = \"off\"`".to_owned()])
        .collect();
        scope.push(format!("Not counted: {}.", not_counted.join("; ")));
        if self.gaps.removed > 0 {
            scope.push(format!(
                "The log begins at record {}: earlier ones were removed by retention, which it records.",
                self.gaps.removed
            ));
        }
        scope
    }

    fn scope_of_metrics(&self, now: &[(&'static str, u64)]) -> Vec<String> {
        let UsageSums { replayed, abandoned, .. } = self.all;
        let mut scope = vec![
            "Counted: calls since the server started, from its metrics. A percentile is the upper bound of a bucket of \
             durations, of which the last ends at 5 min."
                .to_owned(),
            "Calls that asked their client something count as succeeded. Calls that were denied by an answer of the tool \
             (such as wrong arguments) count as errors, too."
                .to_owned(),
        ];
        if replayed > 0 {
            scope.push(format!("Of the calls, {replayed} were answered with the result of an earlier one."));
        }
        if abandoned > 0 {
            scope.push(format!("Not counted: {abandoned} calls without a result (the client left)."));
        }
        let now: Vec<String> = now.iter().map(|(what, count)| format!("{count} {what}")).collect();
        if !now.is_empty() {
            scope.push(format!("Now: {}.", now.join(", ")));
        }
        scope.push(
            "Metrics have no history: `stats` without `--from` shows from the audit log when a tool changed."
                .to_owned(),
        );
        scope
    }

    /// Says what is wrong with the log, so that the counts may be too low.
    pub(crate) fn faults(&self) -> Vec<String> {
        let LogGaps { wrong_lines, unknown, missing, cut, .. } = self.gaps;
        [
            (wrong_lines, "lines are not records"),
            (cut, "records are missing at the beginning, and their removal is not recorded"),
            (missing, "records are missing between others"),
            (unknown, "records are of a kind that this version does not know"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect()
    }
}
