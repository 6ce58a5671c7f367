//! Records the server's metrics for the collector: the duration of each request, and the counters that `/metrics` shows.

use std::{sync::Arc, time::Duration};

use opentelemetry::{
    KeyValue,
    metrics::{Histogram as DurationHistogram, Meter},
};

use super::super::{
    McpMethod, RequestEnd, conventions as names,
    histogram::BOUNDS,
    metrics::{Metrics, ToolCounter},
};

/// The instruments that record each request. Counters are read when they are sent.
#[derive(Debug)]
pub(in crate::telemetry) struct Instruments {
    duration: DurationHistogram<f64>,
}

impl Instruments {
    pub(in crate::telemetry) fn new(
        meter: &Meter,
        metrics: &Arc<Metrics>,
        lost_spans: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Self {
        let tools = Arc::clone(metrics);
        meter
            .u64_observable_counter("candor.tool.events")
            .with_description("Panics, replays, retries, sandbox violations and confirmations of each tool")
            .with_callback(move |observer| {
                for tool in &tools.tools {
                    for (event, count) in
                        ToolCounter::ALL.iter().filter_map(|event| Some((event, tool.value(*event)?)))
                    {
                        let name = KeyValue::new(names::TOOL_NAME, tool.descriptor.name);
                        observer.observe(count, &[name, KeyValue::new("candor.event", event.word())]);
                    }
                }
            })
            .build();
        let denials = Arc::clone(metrics);
        meter
            .u64_observable_counter("candor.denials")
            .with_description("Refused requests by the stage that refused them")
            .with_callback(move |observer| {
                for (by, count) in denials.denials() {
                    observer.observe(count, &[KeyValue::new("candor.denied_by", by)]);
                }
            })
            .build();
        let calls = Arc::clone(metrics);
        meter
            .i64_observable_gauge("candor.calls_in_flight")
            .with_description("Calls that have not ended")
            .with_callback(move |observer| observer.observe(calls.calls_in_flight(), &[]))
            .build();
        meter
            .u64_observable_counter("candor.otlp.lost_spans")
            .with_description("Spans that wait for the collector, or that it did not take")
            .with_callback(move |observer| observer.observe(lost_spans(), &[]))
            .build();
        let duration = meter
            .f64_histogram(names::OPERATION_DURATION)
            .with_unit("s")
            .with_description("Duration of a request from its arrival to its answer")
            .with_boundaries(BOUNDS[..BOUNDS.len() - 1].to_vec())
            .build();
        Self { duration }
    }

    /// Records a request that has ended. All attributes are fixed texts of the program.
    pub(in crate::telemetry) fn observe(
        &self,
        method: McpMethod,
        tool: Option<&'static str>,
        end: RequestEnd,
        duration: Duration,
    ) {
        let mut attributes = [const { None }; 4];
        attributes[0] = Some(KeyValue::new(names::METHOD_NAME, method.as_str()));
        if method == McpMethod::ToolsCall {
            attributes[1] = Some(KeyValue::new(names::OPERATION_NAME, names::EXECUTE_TOOL));
        }
        attributes[2] = tool.map(|tool| KeyValue::new(names::TOOL_NAME, tool));
        // A code is the caller's mistake or an error of the server; only the latter has a type.
        let is_mistake = matches!(end, RequestEnd::Error(code) if !names::is_server_error(code));
        let name = if is_mistake { names::STATUS_CODE } else { names::ERROR_TYPE };
        attributes[3] = end.error_type().map(|error| KeyValue::new(name, error));
        let attributes: Vec<KeyValue> = attributes.into_iter().flatten().collect();
        self.duration.record(duration.as_secs_f64(), &attributes);
    }
}
