//! Writes all metrics as text in the format `application/openmetrics-text` 1.0.

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text},
    metrics::MetricType,
    registry::{Registry as Collectors, Unit},
};

use super::{
    ConfirmationEvent,
    metrics::{DurationLabels, Metrics, ToolCounter},
};

/// The media type of the text.
#[cfg(feature = "http")]
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The label of a tool: `gen_ai.tool.name` (OpenTelemetry, MCP conventions) as Prometheus writes it.
const TOOL: &str = "gen_ai_tool_name";

/// Values that are read when the text is made.
#[derive(Clone, Debug, Default)]
pub(crate) struct LiveValues {
    /// The tasks that are kept.
    pub(crate) tasks: usize,
    /// The audit log, if the server keeps one.
    pub(crate) audit: Option<LiveAudit>,
    /// The calls of each deprecated tool, and by each alias of a tool.
    pub(crate) deprecated: Vec<DeprecatedCalls>,
}

/// The state of the audit log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LiveAudit {
    /// The records that wait to be written.
    pub(crate) queued: usize,
    /// The records that could not be written since the start.
    pub(crate) failures: u64,
}

/// The calls of a deprecated tool, or by an earlier name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeprecatedCalls {
    pub(crate) tool: &'static str,
    pub(crate) alias: Option<&'static str>,
    pub(crate) calls: u64,
}

/// Returns all metrics as text.
pub(super) fn text(metrics: Arc<Metrics>, live: LiveValues) -> String {
    let mut collectors = Collectors::default();
    collectors.register_collector(Box::new(Exposition { metrics, live }));
    let mut text = String::new();
    text::encode(&mut text, &collectors).expect("text grows as needed");
    text
}

/// The metrics of a server at one moment.
#[derive(Debug)]
struct Exposition {
    metrics: Arc<Metrics>,
    live: LiveValues,
}

impl Collector for Exposition {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = Families(encoder);
        self.durations(&mut families)?;
        self.counters_of_tools(&mut families)?;
        let Self { metrics, live } = self;
        let mut denials = families.counter("candor_denials", "Requests that were refused, by stage")?;
        for (by, count) in metrics.denials() {
            counter(&mut denials, &[("denied_by", by)], count)?;
        }
        let help = "Calls of deprecated tools, and by earlier names of tools";
        let mut deprecated = families.counter("candor_deprecated_calls", help)?;
        for DeprecatedCalls { tool, alias, calls } in &live.deprecated {
            match alias {
                Some(alias) => counter(&mut deprecated, &[(TOOL, tool), ("alias", alias)], *calls)?,
                None => counter(&mut deprecated, &[(TOOL, tool)], *calls)?,
            }
        }
        families.gauge(
            "candor_calls_in_flight",
            "Calls that are not answered yet",
            metrics.calls_in_flight(),
        )?;
        families.gauge("candor_sessions", "Open HTTP sessions", metrics.sessions.value())?;
        families.gauge(
            "candor_tasks",
            "Tasks that are kept, whether they run or have ended",
            number(live.tasks),
        )?;
        if let Some(audit) = live.audit {
            let help = "Records that could not be written to the audit log";
            let mut failures = families.counter("candor_audit_failures", help)?;
            failures.encode_counter::<NoLabelSet, _, u64>(&audit.failures, None)?;
            let help = "Records that wait to be written to the audit log";
            families.gauge("candor_audit_queue_records", help, number(audit.queued))?;
        }
        Ok(())
    }
}

impl Exposition {
    fn durations(&self, families: &mut Families<'_>) -> fmt::Result {
        let help = "Duration of requests, as the server measures it";
        let mut family = families.0.encode_descriptor(
            "mcp_server_operation_duration",
            help,
            Some(&Unit::Seconds),
            MetricType::Histogram,
        )?;
        for (labels, histogram) in self.metrics.durations() {
            let DurationLabels { method, tool, error } = labels;
            let labels: Vec<(&str, &str)> = [
                Some(("mcp_method_name", method)),
                tool.map(|tool| (TOOL, tool)),
                error.map(|error| ("error_type", error)),
            ]
            .into_iter()
            .flatten()
            .collect();
            let values = histogram.values();
            let mut histogram = family.encode_family(&labels)?;
            histogram.encode_histogram::<NoLabelSet>(values.sum, values.count(), &values.buckets, None)?;
        }
        Ok(())
    }

    fn counters_of_tools(&self, families: &mut Families<'_>) -> fmt::Result {
        for (name, help, kind) in [
            ("candor_panics", "Handlers that panicked", ToolCounter::Panics),
            (
                "candor_replays",
                "Calls that were answered with the result of an earlier one",
                ToolCounter::Replays,
            ),
            ("candor_retries", "Runs of handlers after transient failures", ToolCounter::Retries),
            (
                "candor_sandbox_violations",
                "Errors of sandboxed tools that the sandbox may have caused",
                ToolCounter::SandboxViolations,
            ),
        ] {
            let mut family = families.counter(name, help)?;
            for tool in &self.metrics.tools {
                if let Some(count) = tool.value(kind) {
                    counter(&mut family, &[(TOOL, tool.descriptor.name)], count)?;
                }
            }
        }
        let mut family = families.counter("candor_confirmations", "Confirmations of calls, by event")?;
        for tool in &self.metrics.tools {
            for event in ConfirmationEvent::ALL {
                if let Some(count) = tool.value(ToolCounter::Confirmation(event)) {
                    counter(&mut family, &[(TOOL, tool.descriptor.name), ("event", event.as_str())], count)?;
                }
            }
        }
        Ok(())
    }
}

/// The part of the text that has been written, which grows by one family of metrics at a time.
struct Families<'a>(DescriptorEncoder<'a>);

impl Families<'_> {
    fn counter<'s>(&'s mut self, name: &'s str, help: &str) -> Result<MetricEncoder<'s>, fmt::Error> {
        self.0.encode_descriptor(name, help, None, MetricType::Counter)
    }

    /// Writes a gauge without labels.
    fn gauge(&mut self, name: &str, help: &str, value: i64) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
    }
}

fn counter(family: &mut MetricEncoder<'_>, labels: &[(&str, &str)], count: u64) -> fmt::Result {
    family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&count, None)
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
