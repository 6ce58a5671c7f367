//! Follows one request from its beginning to its end, and then counts it and writes its line in the log.

#[cfg(all(feature = "otel", feature = "cli"))]
use std::sync::OnceLock;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

#[cfg(feature = "http")]
use super::metrics::SessionCount;
#[cfg(all(feature = "otel", feature = "cli"))]
use super::otlp::{Instruments, Otlp};
use super::{
    ConfirmationEvent, Ending, LiveValues, McpMethod, RequestEnd, RequestFacts, exposition,
    metrics::{Metrics, ToolCounter, ToolMetrics},
    span::RequestSpan,
    watched,
};
use crate::{
    record::{DeniedBy, TraceId},
    registry::Registry,
    replica::ReplicaName,
};

/// The telemetry of one server.
pub(crate) struct Telemetry {
    metrics: Arc<Metrics>,
    /// The name of this replica, if it has one.
    replica: Option<ReplicaName>,
    /// The metrics for a collector, if there is one.
    #[cfg(all(feature = "otel", feature = "cli"))]
    instruments: OnceLock<Instruments>,
}

impl Telemetry {
    pub(crate) fn new(registry: &Registry, replica: Option<&ReplicaName>) -> Self {
        Self {
            metrics: Arc::new(Metrics::new(registry)),
            replica: replica.cloned(),
            #[cfg(all(feature = "otel", feature = "cli"))]
            instruments: OnceLock::new(),
        }
    }

    /// Records the metrics for a collector as well, from now on.
    #[cfg(all(feature = "otel", feature = "cli"))]
    pub(crate) fn export(&self, otlp: &Otlp) {
        if let Some(meter) = otlp.meter() {
            self.instruments.get_or_init(|| Instruments::new(&meter, &self.metrics, otlp.lost_spans()));
        }
    }

    /// Begins to observe a request.
    pub(crate) fn begin<'a>(&'a self, facts: RequestFacts<'a>) -> Observation<'a> {
        watched::mark();
        if facts.method == McpMethod::ToolsCall {
            self.metrics.begin_call();
        }
        let span = RequestSpan::begin(&facts, self.name(facts.tool));
        Observation { telemetry: self, facts, start: Instant::now(), span, has_ended: false }
    }

    /// Counts a request that was refused before its method was known.
    #[cfg(feature = "http")]
    pub(crate) fn denied(&self, by: DeniedBy) {
        watched::mark();
        self.metrics.denied(by);
        tracing::debug!(target: "candor::http", denied_by = by.as_str(), "a request was refused");
    }

    /// Counts an HTTP session until the value is dropped.
    #[cfg(feature = "http")]
    pub(crate) fn session(&self) -> SessionCount {
        self.metrics.session()
    }

    /// The telemetry of the tool at `index` of the registry.
    pub(crate) fn tool(&self, index: usize) -> ToolTelemetry<'_> {
        ToolTelemetry(&self.metrics.tools[index])
    }

    /// Returns all metrics as text in the format `application/openmetrics-text` 1.0.
    pub(crate) fn text(&self, live: LiveValues) -> String {
        exposition::text(Arc::clone(&self.metrics), live)
    }

    fn name(&self, tool: Option<usize>) -> Option<&'static str> {
        tool.map(|tool| self.metrics.tools[tool].descriptor.name)
    }
}

/// The telemetry of one tool.
#[derive(Clone, Copy)]
pub(crate) struct ToolTelemetry<'a>(&'a ToolMetrics);

impl ToolTelemetry<'_> {
    /// Logs the message of a tool's error. It may repeat an argument, so the level is one that must be asked for.
    pub(crate) fn failed(self, message: &str) {
        tracing::debug!(target: "candor::call", tool = self.0.descriptor.name, error = message, "the tool failed");
    }

    /// Counts a handler that panicked.
    pub(crate) fn panicked(self) {
        self.0.count(ToolCounter::Panics);
    }

    /// Counts another run of a handler after a transient failure.
    pub(crate) fn retried(self) {
        self.0.count(ToolCounter::Retries);
    }

    /// Counts an error that the tool's sandbox may have caused.
    pub(crate) fn violated_sandbox(self) {
        self.0.count(ToolCounter::SandboxViolations);
    }

    pub(crate) fn confirmation(self, event: ConfirmationEvent) {
        self.0.count(ToolCounter::Confirmation(event));
    }
}

/// A request that has not ended. If it is dropped before, its end is [`RequestEnd::Abandoned`].
#[must_use = "a request that is dropped counts as abandoned"]
pub(crate) struct Observation<'a> {
    telemetry: &'a Telemetry,
    facts: RequestFacts<'a>,
    start: Instant,
    span: RequestSpan,
    has_ended: bool,
}

impl Observation<'_> {
    /// Runs the work of the request in its span.
    pub(crate) fn run<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        self.span.scope().run(work)
    }

    /// Ends the observation.
    pub(crate) fn end(mut self, ending: Ending) {
        self.finish(ending);
    }

    fn finish(&mut self, ending: Ending) {
        self.has_ended = true;
        let duration = self.start.elapsed();
        let (metrics, facts) = (&self.telemetry.metrics, &self.facts);
        metrics.observe(facts.method, facts.tool, ending.end, duration);
        #[cfg(all(feature = "otel", feature = "cli"))]
        if let Some(instruments) = self.telemetry.instruments.get() {
            let tool = facts.tool.zip(self.telemetry.name(facts.tool));
            instruments.observe(facts.method, tool, ending.end, duration);
        }
        if let Some(by) = ending.denied_by {
            metrics.denied(by);
        }
        if let (Some(tool), true) = (facts.tool, ending.is_replay) {
            metrics.tools[tool].count(ToolCounter::Replays);
        }
        if facts.method == McpMethod::ToolsCall {
            metrics.end_call();
        }
        self.span.end(ending);
        self.log(ending, duration);
    }

    /// Writes the line of the request. It holds nothing that the client chose, except for the id of its trace.
    fn log(&self, ending: Ending, duration: Duration) {
        let Ending { end, denied_by, is_replay } = ending;
        let facts = &self.facts;
        let latency_us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let (outcome, error_type) = (end.outcome(), end.error_type());
        let denied_by = denied_by.map(DeniedBy::as_str);
        let replica = self.telemetry.replica.as_ref().map(ReplicaName::as_str);
        if facts.method == McpMethod::ToolsCall {
            if tracing::enabled!(target: "candor::call", tracing::Level::INFO) {
                let caller = facts.caller.map(|(caller, recorder)| recorder.caller_mark(caller));
                tracing::info!(
                    target: "candor::call",
                    tool = self.telemetry.name(facts.tool),
                    caller,
                    outcome,
                    error_type,
                    denied_by,
                    replayed = is_replay.then_some(true),
                    latency_us,
                    trace_id = facts.trace.map(TraceId::as_str),
                    replica,
                    "call"
                );
            }
        } else {
            tracing::debug!(
                target: "candor::request",
                method = facts.method.as_str(),
                outcome,
                error_type,
                latency_us,
                replica,
                "request"
            );
        }
    }
}

impl Drop for Observation<'_> {
    fn drop(&mut self) {
        if !self.has_ended {
            self.finish(RequestEnd::Abandoned.into());
        }
    }
}
