//! Writes a summary as JSON.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{
    ordered::CollectOrdered as _,
    stats::{ErrorShift, LatencyShift, ToolUsage, UsagePoint, UsageReport, UsageShift, UsageSource},
};

/// Returns the summary as an object. Durations are in microseconds, and times in UTC.
pub(super) fn object(server: &str, report: &UsageReport) -> Value {
    let labels: Vec<String> = report.starts.iter().map(|start| report.step.label(*start)).collect();
    let (first, last) = report.times.clone().unzip();
    let (source, now) = match &report.source {
        UsageSource::AuditLog => ("audit_log", None),
        UsageSource::Metrics { now } => {
            ("metrics", Some(now.iter().copied().collect_ordered::<BTreeMap<_, _>>()))
        }
    };
    json!({
        "server": server,
        // Percentiles of metrics are upper bounds.
        "source": source,
        "now": now,
        "first": first,
        "last": last,
        "step": report.step.noun(),
        "calls": report.all.calls,
        "errors": report.all.errors,
        "denied": report.all.denied,
        "denied_by": counts(&report.denials),
        "not_counted": {
            "replayed": report.all.replayed,
            "asked": report.all.asked,
            "abandoned": report.all.abandoned,
            "unended": report.gaps.unended,
            "left_out": report.gaps.left_out,
        },
        "log": {
            "wrong_lines": report.gaps.wrong_lines,
            "missing_records": report.gaps.missing + report.gaps.cut,
            "unknown_records": report.gaps.unknown,
            "removed_records": report.gaps.removed,
        },
        "tools": report.tools.iter().map(|tool| tool_object(tool, &labels)).collect::<Vec<_>>(),
    })
}

fn tool_object(tool: &ToolUsage, labels: &[String]) -> Value {
    let trend = labels.iter().zip(&tool.trend).filter(|(_, point)| point.calls > 0);
    json!({
        "tool": tool.name,
        "calls": tool.calls,
        "errors": tool.errors,
        "errors_by_reason": counts(&tool.reasons),
        "denied": tool.denied,
        "p50_us": tool.p50,
        "p95_us": tool.p95,
        "p99_us": tool.p99,
        "max_us": tool.max,
        "change": tool.shift.as_ref().map(change),
        "trend": trend.map(|(label, point)| point_object(label, point)).collect::<Vec<_>>(),
    })
}

fn point_object(label: &str, point: &UsagePoint) -> Value {
    json!({
        "start": label,
        "calls": point.calls,
        "errors": point.errors,
        "p50_us": point.p50,
        "p95_us": point.p95,
        "p99_us": point.p99,
    })
}

fn change(shift: &UsageShift) -> Value {
    let latency = |shift: &LatencyShift| json!({ "since": shift.since, "p95_before_us": shift.before, "p95_after_us": shift.after });
    let side = |(errors, calls): (u64, u64)| json!({ "errors": errors, "calls": calls });
    let errors = |shift: &ErrorShift| json!({ "since": shift.since, "before": side(shift.before), "after": side(shift.after) });
    json!({
        "text": shift.text(),
        "latency": shift.latency.as_ref().map(latency),
        "errors": shift.errors.as_ref().map(errors),
    })
}

fn counts(counts: &[(String, u64)]) -> Map<String, Value> {
    counts.iter().map(|(reason, count)| (reason.clone(), (*count).into())).collect_ordered()
}
