//! Counts the calls of a log line by line, in memory that depends on the tools and not on the calls.

use std::collections::{BTreeMap, HashMap};

use super::{
    entry::{CallEnd, LogEntry},
    histogram::DurationHistogram,
    step::{TimeStep, are_too_many},
};

/// The most tools that are told apart; the others are counted together.
const MAX_TOOLS: usize = 20_000;
/// The most reasons of one tool's errors, and of denials, that are told apart.
const MAX_REASONS: usize = 64;
/// The most calls in flight whose end is awaited.
const MAX_IN_FLIGHT_CALLS: usize = 100_000;
/// The name under which tools or reasons beyond a limit are counted.
const OTHERS: &str = "(others)";

/// The calls that are counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallWindow {
    /// The times at which the window begins and ends, in microseconds since 1970.
    pub(crate) since: Option<i64>,
    pub(crate) until: Option<i64>,
    /// The one tool that is counted.
    pub(crate) tool: Option<String>,
}

impl CallWindow {
    fn holds(&self, time: i64) -> bool {
        self.since.is_none_or(|since| time >= since) && self.until.is_none_or(|until| time < until)
    }
}

/// The calls of one or several logs.
#[derive(Debug)]
pub(crate) struct UsageTally {
    pub(super) window: CallWindow,
    pub(super) step: TimeStep,
    /// The first and the last step with a call or a denial.
    pub(super) steps: Option<(i64, i64)>,
    /// The times of the first and the last call or denial.
    pub(super) times: Option<(i64, i64)>,
    pub(super) tools: HashMap<String, ToolTally>,
    pub(super) denials: BTreeMap<String, u64>,
    gaps: LogGaps,
    positions: HashMap<usize, LogPosition>,
    /// The calls whose end was not read yet: the log, and whether the call is counted.
    in_flight: HashMap<(usize, Box<str>), bool>,
}

/// The numbers of the records of one log.
#[derive(Debug)]
struct LogPosition {
    first: u64,
    next: u64,
    /// The records that retention removed from the beginning, as the log says.
    removed: u64,
}

/// The parts of the log that are not in the counts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LogGaps {
    /// Lines that are not records.
    pub(crate) wrong_lines: u64,
    /// Records of a kind that this version does not know.
    pub(crate) unknown: u64,
    /// Records that are missing between two others.
    pub(crate) missing: u64,
    /// Records that are missing at the beginning, and whose removal is recorded.
    pub(crate) removed: u64,
    /// Records that are missing at the beginning, and whose removal is not recorded.
    pub(crate) cut: u64,
    /// Records that the server could not write, and counted.
    pub(crate) left_out: u64,
    /// Calls that began and have no outcome, since the process ended.
    pub(crate) unended: u64,
}

/// The calls of one tool.
#[derive(Debug, Default)]
pub(super) struct ToolTally {
    pub(super) steps: BTreeMap<i64, StepTally>,
    pub(super) reasons: BTreeMap<String, u64>,
    pub(super) denied: u64,
    /// Calls that asked their client something; the answer comes in another call.
    pub(super) asked: u64,
    /// Answers of earlier calls that an idempotency key repeated.
    pub(super) replayed: u64,
    /// Calls that ended without a result: the client left, or the call did not run after all.
    pub(super) abandoned: u64,
}

/// The calls of one tool in one step.
#[derive(Clone, Debug, Default)]
pub(super) struct StepTally {
    pub(super) errors: u64,
    /// The durations of all calls that ended with a result or an error.
    pub(super) durations: DurationHistogram,
}

impl StepTally {
    pub(super) fn calls(&self) -> u64 {
        self.durations.total()
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.errors += other.errors;
        self.durations.merge(&other.durations);
    }
}

impl UsageTally {
    pub(crate) fn new(window: CallWindow) -> Self {
        Self {
            window,
            step: TimeStep::MINUTE,
            steps: None,
            times: None,
            tools: HashMap::new(),
            denials: BTreeMap::new(),
            gaps: LogGaps::default(),
            positions: HashMap::new(),
            in_flight: HashMap::new(),
        }
    }

    /// Counts a line of the log with this number.
    pub(crate) fn line(&mut self, log: usize, line: &[u8]) {
        let entry = LogEntry::read(line).and_then(|entry| entry.time().map(|time| (entry, time)));
        let Some((entry, time)) = entry else {
            self.gaps.wrong_lines += 1;
            return;
        };
        self.follow(log, &entry);
        let is_counted = self.window.holds(time);
        let is_of_tool = self.window.tool.as_deref().is_none_or(|tool| tool == entry.tool);
        match &*entry.kind {
            "intent" => self.begin(log, &entry, is_counted && is_of_tool),
            "outcome" | "read" => {
                if !entry.call_id.is_empty() {
                    self.in_flight.remove(&(log, Box::from(&*entry.call_id)));
                }
                match entry.end() {
                    Some(end) if is_counted && is_of_tool => self.end(&entry, &end, time),
                    Some(_) => {}
                    None => self.gaps.wrong_lines += 1,
                }
            }
            "denied" if is_counted && is_of_tool => self.deny(&entry, time),
            "server" => self.server(log, &entry, time, is_counted),
            "asked" | "denied" => {}
            _ => self.gaps.unknown += u64::from(is_counted),
        }
    }

    /// Compares the number of a record with that of the one before it in its log.
    fn follow(&mut self, log: usize, entry: &LogEntry<'_>) {
        let seq = entry.seq;
        let position = self.positions.entry(log).or_insert(LogPosition { first: seq, next: seq, removed: 0 });
        self.gaps.missing += seq.saturating_sub(position.next);
        position.next = seq.saturating_add(1);
        // Retention removes from the beginning on, and each later segment says again what was removed.
        position.removed = position.removed.max(entry.removed_records().unwrap_or(0));
    }

    /// The parts of the logs that are not in the counts.
    pub(super) fn gaps(&self) -> LogGaps {
        let mut gaps = self.gaps;
        for LogPosition { first, removed, .. } in self.positions.values() {
            gaps.removed += first.min(removed);
            gaps.cut += first.saturating_sub(*removed);
        }
        gaps
    }

    fn begin(&mut self, log: usize, entry: &LogEntry<'_>, is_counted: bool) {
        if self.in_flight.len() < MAX_IN_FLIGHT_CALLS {
            self.in_flight.insert((log, Box::from(&*entry.call_id)), is_counted);
        }
    }

    fn end(&mut self, entry: &LogEntry<'_>, end: &CallEnd<'_>, time: i64) {
        let step = self.step_of(time);
        let tool = self.tool(&entry.tool);
        if entry.idempotency.replayed {
            tool.replayed += 1;
            return;
        }
        match end.status {
            "ok" | "error" => {}
            "asked" => {
                tool.asked += 1;
                return;
            }
            _ => {
                tool.abandoned += 1;
                return;
            }
        }
        let cell = tool.steps.entry(step).or_default();
        cell.durations.add(end.us);
        if end.status == "error" {
            cell.errors += 1;
            let reason = if end.reason.is_empty() { "(no reason)" } else { end.reason };
            count(&mut tool.reasons, reason, 1);
        }
    }

    fn deny(&mut self, entry: &LogEntry<'_>, time: i64) {
        self.step_of(time);
        count(&mut self.denials, &entry.decision.denied_by, 1);
        // The name of an unknown tool is its caller's, and not that of a tool.
        if entry.decision.denied_by != "unknown_tool" {
            self.tool(&entry.tool).denied += 1;
        }
    }

    fn server(&mut self, log: usize, entry: &LogEntry<'_>, time: i64, is_counted: bool) {
        match &*entry.event {
            // The process before has ended: the calls that it began have no outcome.
            "start" => self.in_flight.retain(|(of, _), is_counted| {
                self.gaps.unended += u64::from(*of == log && *is_counted);
                *of != log
            }),
            "left_out" if is_counted => self.gaps.left_out += entry.records,
            // These denials are of several tools.
            "denied_more" if is_counted && self.window.tool.is_none() => {
                self.step_of(time);
                for denials in &entry.denied {
                    count(&mut self.denials, &denials.denied_by, denials.denials);
                }
            }
            _ => {}
        }
    }

    fn tool(&mut self, name: &str) -> &mut ToolTally {
        // Looked up first: an entry would copy the name for each call.
        let name = if self.tools.contains_key(name) || self.tools.len() < MAX_TOOLS { name } else { OTHERS };
        if !self.tools.contains_key(name) {
            self.tools.insert(name.to_owned(), ToolTally::default());
        }
        self.tools.get_mut(name).expect("it was inserted")
    }

    /// Returns the step of a time, and makes the steps longer if they become too many.
    fn step_of(&mut self, time: i64) -> i64 {
        let (start, end) = self.times.unwrap_or((time, time));
        self.times = Some((start.min(time), end.max(time)));
        let seconds = time.div_euclid(1_000_000);
        loop {
            let step = self.step.number(seconds);
            let (first, last) = self.steps.unwrap_or((step, step));
            let (first, last) = (first.min(step), last.max(step));
            if !are_too_many(first, last) {
                self.steps = Some((first, last));
                return step;
            }
            self.lengthen();
        }
    }

    fn lengthen(&mut self) {
        let (step, longer) = (self.step, self.step.longer());
        let number = |of: i64| longer.number(step.start(of));
        for tool in self.tools.values_mut() {
            let mut steps: BTreeMap<i64, StepTally> = BTreeMap::new();
            for (at, cell) in std::mem::take(&mut tool.steps) {
                steps.entry(number(at)).or_default().merge(&cell);
            }
            tool.steps = steps;
        }
        self.steps = self.steps.map(|(first, last)| (number(first), number(last)));
        self.step = longer;
    }
}

fn count(reasons: &mut BTreeMap<String, u64>, reason: &str, more: u64) {
    if let Some(count) = reasons.get_mut(reason) {
        *count += more;
        return;
    }
    let reason = if reasons.len() < MAX_REASONS { reason } else { OTHERS };
    *reasons.entry(reason.to_owned()).or_default() += more;
}
