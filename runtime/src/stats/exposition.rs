//! Sums up the metrics of a running server: text in the format `OpenMetrics` 1.0, with the names of the OpenTelemetry
//! conventions for MCP.

mod sample;

use std::collections::BTreeMap;

use super::{
    rank,
    report::{UsageReport, UsageSource, UsageSums},
    tool_usage::{ToolUsage, by_count},
    units::as_u64,
};
use sample::Sample;

/// The names of the metrics and labels, as Prometheus writes those of the conventions.
const SCRAPED_HISTOGRAM: &str = "mcp_server_operation_duration_seconds";
const METHOD_LABEL: &str = "mcp_method_name";
const CALLED_METHOD: &str = "tools/call";
const TOOL_LABEL: &str = "gen_ai_tool_name";
const ERROR_LABEL: &str = "error_type";
/// The type of the error of a request whose client did not wait for the answer.
const ABANDONED_ERROR: &str = "cancelled";
/// The most calls of one series.
const MAX_SERIES_CALLS: u64 = 1 << 40;
/// The last line of a whole text.
const LAST_LINE: &str = "# EOF";
/// The values of this moment that are shown, each with its name for people.
const SHOWN_NOW: [(&str, &str); 5] = [
    ("candor_calls_in_flight", "calls in flight"),
    ("candor_sessions", "HTTP sessions"),
    ("candor_tasks", "tasks"),
    ("candor_audit_queue_records", "records that wait for the audit log"),
    ("candor_audit_failures_total", "records that the audit log did not take"),
];

/// The reason why a text is not the metrics of an MCP server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotMetrics {
    /// A line, counted from 1, is not `OpenMetrics`.
    Line(usize),
    /// The text does not end with `# EOF`.
    Cut,
    /// The metrics are those of another program.
    OfAnotherProgram,
}

/// The series of one tool.
#[derive(Debug, Default)]
struct ScrapedTool {
    /// The calls that took at most so many microseconds.
    buckets: BTreeMap<u64, u64>,
    calls: u64,
    denied: u64,
    reasons: BTreeMap<String, u64>,
}

/// The series of a text that are counted.
#[derive(Debug, Default)]
struct Scrape {
    tools: BTreeMap<String, ScrapedTool>,
    denials: BTreeMap<String, u64>,
    now: BTreeMap<&'static str, u64>,
    abandoned: u64,
    replayed: u64,
    is_of_mcp: bool,
}

/// Sums up the metrics of a server, or of one tool.
pub(crate) fn scraped(text: &str, tool: Option<&str>) -> Result<UsageReport, NotMetrics> {
    let mut scrape = Scrape::default();
    let (mut number, mut last) = (0, "");
    for line in text.lines() {
        (number, last) = (number + 1, line);
        scrape.line(line, tool).ok_or(NotMetrics::Line(number))?;
    }
    match (last == LAST_LINE, scrape.is_of_mcp) {
        (false, _) => Err(NotMetrics::Cut),
        (true, false) => Err(NotMetrics::OfAnotherProgram),
        (true, true) => Ok(scrape.report()),
    }
}

impl Scrape {
    fn line(&mut self, line: &str, tool: Option<&str>) -> Option<()> {
        if let Some(comment) = line.strip_prefix('#') {
            // A server that was not called yet declares the histogram, and has no series of it.
            self.is_of_mcp |= comment.split(' ').nth(2) == Some(SCRAPED_HISTOGRAM);
            return comment.starts_with(' ').then_some(());
        }
        let sample = Sample::read(line)?;
        let is_counted = tool.is_none() || sample.label(TOOL_LABEL) == tool;
        if let Some(part) = sample.name.strip_prefix(SCRAPED_HISTOGRAM) {
            self.is_of_mcp = true;
            if is_counted && sample.label(METHOD_LABEL) == Some(CALLED_METHOD) {
                self.duration(part, &sample);
            }
            return Some(());
        }
        let count = count(sample.value);
        match sample.name {
            "candor_denials_total" if tool.is_none() && count > 0 => {
                *self.denials.entry(sample.label("denied_by")?.to_owned()).or_default() += count;
            }
            "candor_replays_total" if is_counted => self.replayed += count,
            name => {
                self.now.extend(
                    SHOWN_NOW.iter().filter(|(metric, _)| *metric == name).map(|(_, what)| (*what, count)),
                );
            }
        }
        Some(())
    }

    /// Counts a series of the histogram: `_bucket`, `_count` or `_sum`.
    fn duration(&mut self, part: &str, sample: &Sample<'_>) {
        let (count, error) = (count(sample.value), sample.label(ERROR_LABEL));
        // A call of a tool that does not exist is a denial.
        let Some(tool) = sample.label(TOOL_LABEL) else { return };
        if !self.tools.contains_key(tool) {
            self.tools.insert(tool.to_owned(), ScrapedTool::default());
        }
        let tool = self.tools.get_mut(tool).expect("it was inserted");
        let has_run = error.is_none_or(|error| error != ABANDONED_ERROR && !is_denial(error));
        match (part, sample.label("le")) {
            ("_bucket", Some(bound)) if has_run => {
                let seconds: f64 = bound.parse().unwrap_or(f64::INFINITY);
                *tool.buckets.entry(as_u64(seconds * 1e6)).or_default() += count;
            }
            ("_count", _) => match error {
                Some(ABANDONED_ERROR) => self.abandoned += count,
                Some(error) if is_denial(error) => tool.denied += count,
                error => {
                    tool.calls += count;
                    if let Some(error) = error {
                        *tool.reasons.entry(error.to_owned()).or_default() += count;
                    }
                }
            },
            _ => {}
        }
    }

    fn report(self) -> UsageReport {
        let mut all = UsageSums {
            denied: self.denials.values().sum(),
            replayed: self.replayed,
            abandoned: self.abandoned,
            ..UsageSums::default()
        };
        let mut tools = Vec::with_capacity(self.tools.len());
        for (name, tool) in self.tools {
            let usage = tool.usage(name);
            all.calls += usage.calls;
            all.errors += usage.errors;
            if usage.calls + usage.denied > 0 {
                tools.push(usage);
            }
        }
        let now = SHOWN_NOW.iter().filter_map(|(_, what)| Some((*what, *self.now.get(what)?)));
        UsageReport {
            source: UsageSource::Metrics { now: now.collect() },
            all,
            tools: rank::order(tools),
            denials: by_count(&self.denials),
            ..UsageReport::default()
        }
    }
}

impl ScrapedTool {
    fn usage(self, name: String) -> ToolUsage {
        let percentile = |percent| self.percentile(percent);
        ToolUsage {
            name,
            calls: self.calls,
            errors: self.reasons.values().sum(),
            denied: self.denied,
            p50: percentile(50),
            p95: percentile(95),
            p99: percentile(99),
            max: None,
            reasons: by_count(&self.reasons),
            trend: Vec::new(),
            shift: None,
        }
    }

    /// Returns the upper bound of the bucket that holds the percentile; of the bucket without one, its lower bound.
    fn percentile(&self, percent: u64) -> Option<u64> {
        let rank = (u128::from(self.calls) * u128::from(percent)).div_ceil(100).max(1);
        let (bound, _) = self.buckets.iter().find(|(_, calls)| u128::from(**calls) >= rank)?;
        let finite = || self.buckets.keys().rev().find(|bound| **bound < u64::MAX);
        if *bound < u64::MAX { Some(*bound) } else { finite().copied() }
    }
}

/// Reads a number of calls. One that no server reaches is cut, so that sums of any text fit.
fn count(value: f64) -> u64 {
    as_u64(value).min(MAX_SERIES_CALLS)
}

/// Whether a JSON-RPC error says that the tool did not run. The others are an internal error, and a question that was not
/// answered in time.
fn is_denial(error: &str) -> bool {
    error.starts_with('-') && !["-32603", "-31408"].contains(&error)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"# HELP mcp_server_operation_duration_seconds Duration of requests.
# TYPE mcp_server_operation_duration_seconds histogram
# UNIT mcp_server_operation_duration_seconds seconds
mcp_server_operation_duration_seconds_sum{mcp_method_name="tools/call",gen_ai_tool_name="slow"} 9.5
mcp_server_operation_duration_seconds_count{mcp_method_name="tools/call",gen_ai_tool_name="slow"} 95
mcp_server_operation_duration_seconds_bucket{le="0.01",mcp_method_name="tools/call",gen_ai_tool_name="slow"} 50
mcp_server_operation_duration_seconds_bucket{le="0.5",mcp_method_name="tools/call",gen_ai_tool_name="slow"} 90
mcp_server_operation_duration_seconds_bucket{le="+Inf",mcp_method_name="tools/call",gen_ai_tool_name="slow"} 95
mcp_server_operation_duration_seconds_count{mcp_method_name="tools/call",gen_ai_tool_name="slow",error_type="tool_error"} 5
mcp_server_operation_duration_seconds_bucket{le="0.01",mcp_method_name="tools/call",gen_ai_tool_name="slow",error_type="tool_error"} 0
mcp_server_operation_duration_seconds_bucket{le="0.5",mcp_method_name="tools/call",gen_ai_tool_name="slow",error_type="tool_error"} 5
mcp_server_operation_duration_seconds_bucket{le="+Inf",mcp_method_name="tools/call",gen_ai_tool_name="slow",error_type="tool_error"} 5
mcp_server_operation_duration_seconds_count{mcp_method_name="tools/call",gen_ai_tool_name="slow",error_type="-31403"} 7
mcp_server_operation_duration_seconds_count{mcp_method_name="tools/call",gen_ai_tool_name="slow",error_type="cancelled"} 2
mcp_server_operation_duration_seconds_count{mcp_method_name="tools/call",error_type="-32602"} 3
mcp_server_operation_duration_seconds_count{mcp_method_name="tools/list"} 40
mcp_server_operation_duration_seconds_count{mcp_method_name="tools/call",gen_ai_tool_name="other"} 1 1732633200.5 # {trace_id="a"} 0.2
candor_denials_total{denied_by="scope"} 7
candor_denials_total{denied_by="unknown_tool"} 3
candor_calls_in_flight 4
unknown{label="a \"quoted\\ \n} text, with=signs"} 1e3
# EOF
"#;

    #[test]
    fn calls_errors_denials_and_percentiles_are_those_of_the_series() {
        let report = scraped(TEXT, None).unwrap();
        let UsageSums { calls, errors, denied, abandoned, .. } = report.all;
        assert_eq!((calls, errors, denied, abandoned), (101, 5, 10, 2));
        let [slow, other] = &report.tools[..] else { panic!("{:?}", report.tools) };
        assert_eq!((&*slow.name, slow.calls, slow.errors, slow.denied), ("slow", 100, 5, 7));
        // The 50th of a hundred took 10 ms at most; the 99th is in the bucket that has no bound.
        assert_eq!((slow.p50, slow.p95, slow.p99), (Some(10_000), Some(500_000), Some(500_000)));
        assert_eq!((&*other.name, other.calls, other.p50), ("other", 1, None));
        assert_eq!(report.denials, [("scope".to_owned(), 7), ("unknown_tool".to_owned(), 3)]);
        assert!(report.scope().iter().any(|sentence| sentence.contains("4 calls in flight")));
        let one = scraped(TEXT, Some("other")).unwrap();
        assert_eq!((one.all.calls, one.tools.len(), one.denials.len()), (1, 1, 0));
    }

    #[test]
    fn texts_that_are_not_metrics_of_a_server_are_told_apart() {
        let reason = |text: &str| scraped(text, None).unwrap_err();
        assert_eq!(reason("<!doctype html>\n<html>"), NotMetrics::Line(1));
        assert_eq!(reason("{\"error\": 1}"), NotMetrics::Line(1));
        assert_eq!(reason(""), NotMetrics::Cut);
        let (tenth, _) = TEXT.match_indices('\n').nth(8).unwrap();
        assert_eq!(reason(&TEXT[..tenth + 60]), NotMetrics::Line(10));
        assert_eq!(reason(TEXT.strip_suffix("# EOF\n").unwrap()), NotMetrics::Cut);
        assert_eq!(reason("up 1\n# EOF\n"), NotMetrics::OfAnotherProgram);
        for wrong in ["a{b=\"c} 1", "a{b=c} 1", "a b", "a", "a{b=\"c\"}1", "{} 1", "a{b=\"\\q\"} 1"] {
            assert_eq!(reason(wrong), NotMetrics::Line(1), "{wrong}");
        }
    }

    #[test]
    fn values_out_of_range_are_counted_as_none_or_all() {
        let series = |value: &str| {
            let name = "mcp_server_operation_duration_seconds_count{mcp_method_name=\"tools/call\",gen_ai_tool_name=\"a\"}";
            scraped(&format!("{name} {value}\n# EOF\n"), None).unwrap().all.calls
        };
        assert_eq!([series("NaN"), series("-3"), series("+Inf"), series("2.0")], [0, 0, MAX_SERIES_CALLS, 2]);
    }
}
