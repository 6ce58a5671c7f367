//! Records the server's metrics for the collector: the duration of each request, and the counters that `/metrics` shows.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use opentelemetry::{
    KeyValue,
    metrics::{BoundHistogram, Histogram as DurationHistogram, Meter},
};

use super::super::{
    McpMethod, RequestEnd, conventions as names,
    ending::ERROR_TYPES,
    histogram::BOUNDS,
    metrics::{Metrics, ToolCounter},
};

/// The instruments that record each request. Counters are read when they are sent.
#[derive(Debug)]
pub(in crate::telemetry) struct Instruments {
    duration: DurationHistogram<f64>,
    /// In the registry's order.
    tools: Vec<DurationSeries>,
    /// Calls of tools that do not exist.
    unknown: DurationSeries,
    /// In the order of [`McpMethod::ALL`].
    methods: Vec<DurationSeries>,
}

/// The durations of requests of one kind, by the type of their error. Bound to their attributes by the first request that ends
/// in this way: a look-up by attributes would cost each call more than all other metrics.
#[derive(Debug, Default)]
struct DurationSeries([OnceLock<BoundHistogram<f64>>; ERROR_TYPES.len()]);

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
        Self {
            duration,
            tools: metrics.tools.iter().map(|_| DurationSeries::default()).collect(),
            unknown: DurationSeries::default(),
            methods: McpMethod::ALL.iter().map(|_| DurationSeries::default()).collect(),
        }
    }

    /// Records a request that has ended. `tool` is the index and the name of the called tool.
    pub(in crate::telemetry) fn observe(
        &self,
        method: McpMethod,
        tool: Option<(usize, &'static str)>,
        end: RequestEnd,
        duration: Duration,
    ) {
        let (series, name) = match (method, tool) {
            (McpMethod::ToolsCall, Some((index, name))) => (&self.tools[index], Some(name)),
            (McpMethod::ToolsCall, None) => (&self.unknown, None),
            (method, _) => (&self.methods[method as usize], None),
        };
        let bind = || self.duration.bind(&attributes(method, name, end));
        series.0[end.error_index()].get_or_init(bind).record(duration.as_secs_f64());
    }
}

/// Describes the requests of one series. All attributes are fixed texts of the program.
fn attributes(method: McpMethod, tool: Option<&'static str>, end: RequestEnd) -> Vec<KeyValue> {
    let operation = (method == McpMethod::ToolsCall).then_some(names::EXECUTE_TOOL);
    // A code is the caller's mistake or an error of the server; only the latter has a type.
    let is_mistake = matches!(end, RequestEnd::Error(code) if !names::is_server_error(code));
    let end_name = if is_mistake { names::STATUS_CODE } else { names::ERROR_TYPE };
    let of = |name, value: Option<&'static str>| value.map(|value| KeyValue::new(name, value));
    let method = of(names::METHOD_NAME, Some(method.as_str()));
    let operation = of(names::OPERATION_NAME, operation);
    let attributes = [method, operation, of(names::TOOL_NAME, tool), of(end_name, end.error_type())];
    attributes.into_iter().flatten().collect()
}
