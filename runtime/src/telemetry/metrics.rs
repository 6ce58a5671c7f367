//! Holds the counters and histograms of one server: all of them are made when it starts, one set a tool.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{ConfirmationEvent, McpMethod, RequestEnd, ending::ERROR_TYPES, histogram::Histogram};
use crate::{
    record::DeniedBy,
    registry::Registry,
    tool::descriptor::{Descriptor, IdempotencyKey},
};

/// The counters and histograms of one server.
#[derive(Debug)]
pub(super) struct Metrics {
    /// In the registry's order.
    pub(super) tools: Vec<ToolMetrics>,
    /// Calls of tools that do not exist.
    unknown: Durations,
    /// In the order of [`McpMethod::ALL`].
    methods: Vec<Durations>,
    /// In the order of [`DeniedBy::ALL`].
    denials: [AtomicU64; DeniedBy::ALL.len()],
    calls_in_flight: Gauge,
    pub(super) sessions: Arc<Gauge>,
}

/// The counters and histograms of one tool.
#[derive(Debug)]
pub(super) struct ToolMetrics {
    pub(super) descriptor: &'static Descriptor,
    durations: Durations,
    counters: [AtomicU64; ToolCounter::ALL.len()],
}

/// An event that is counted for each tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ToolCounter {
    Panics,
    Replays,
    Retries,
    SandboxViolations,
    Confirmation(ConfirmationEvent),
}

impl ToolCounter {
    pub(super) const ALL: [Self; 7] = [
        Self::Panics,
        Self::Replays,
        Self::Retries,
        Self::SandboxViolations,
        Self::Confirmation(ConfirmationEvent::Asked),
        Self::Confirmation(ConfirmationEvent::Given),
        Self::Confirmation(ConfirmationEvent::Refused),
    ];

    /// Returns the index in [`ToolCounter::ALL`].
    fn index(self) -> usize {
        match self {
            Self::Panics => 0,
            Self::Replays => 1,
            Self::Retries => 2,
            Self::SandboxViolations => 3,
            Self::Confirmation(event) => 4 + event as usize,
        }
    }

    /// Returns the name of the event for a collector.
    #[cfg(all(feature = "otel", feature = "cli"))]
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Panics => "panic",
            Self::Replays => "replay",
            Self::Retries => "retry",
            Self::SandboxViolations => "sandbox_violation",
            Self::Confirmation(ConfirmationEvent::Asked) => "confirmation_asked",
            Self::Confirmation(ConfirmationEvent::Given) => "confirmation_given",
            Self::Confirmation(ConfirmationEvent::Refused) => "confirmation_refused",
        }
    }

    /// Whether the event can happen to a tool. Other tools have no such series, so that a text of many tools stays short.
    fn concerns(self, tool: &Descriptor) -> bool {
        match self {
            Self::Panics => true,
            Self::Replays => tool.idempotency_key != IdempotencyKey::None,
            Self::Retries => tool.retry > 0,
            Self::SandboxViolations => {
                tool.unsandboxed.is_none() && (tool.is_read_only() || tool.closed_world)
            }
            Self::Confirmation(_) => tool.confirm.asks(),
        }
    }
}

impl ToolMetrics {
    fn new(descriptor: &'static Descriptor) -> Self {
        Self { descriptor, durations: Durations::default(), counters: Default::default() }
    }

    pub(super) fn count(&self, counter: ToolCounter) {
        self.counters[counter.index()].fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the value of a counter; `None` if the event cannot happen to the tool.
    pub(super) fn value(&self, counter: ToolCounter) -> Option<u64> {
        let value = self.counters[counter.index()].load(Ordering::Relaxed);
        (value > 0 || counter.concerns(self.descriptor)).then_some(value)
    }
}

/// The durations of requests of one kind, by the type of their error. A histogram is made by the first request that ends
/// in this way: most tools never end in most of them.
#[derive(Debug, Default)]
struct Durations([OnceLock<Box<Histogram>>; ERROR_TYPES.len()]);

/// The labels of a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DurationLabels {
    pub(super) method: &'static str,
    pub(super) tool: Option<&'static str>,
    pub(super) error: Option<&'static str>,
}

impl Durations {
    fn observe(&self, end: RequestEnd, duration: Duration) {
        self.0[end.error_index()].get_or_init(Box::default).observe(duration);
    }

    fn histograms<'a>(
        &'a self,
        method: McpMethod,
        tool: Option<&'static str>,
    ) -> impl Iterator<Item = (DurationLabels, &'a Histogram)> + use<'a> {
        let labels = move |error: &'static str| DurationLabels {
            method: method.as_str(),
            tool,
            error: Some(error).filter(|error| !error.is_empty()),
        };
        let by_error = self.0.iter().zip(ERROR_TYPES);
        by_error.filter_map(move |(histogram, error)| Some((labels(error), &**histogram.get()?)))
    }
}

/// A number of things that there are now.
#[derive(Debug, Default)]
pub(super) struct Gauge(AtomicI64);

impl Gauge {
    pub(super) fn value(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One open HTTP session, until it is dropped.
#[cfg(feature = "http")]
#[derive(Default)]
pub(crate) struct SessionCount(Arc<Gauge>);

#[cfg(feature = "http")]
impl Drop for SessionCount {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Metrics {
    pub(super) fn new(registry: &Registry) -> Self {
        Self {
            tools: registry.tools().iter().map(|tool| ToolMetrics::new(tool.descriptor)).collect(),
            unknown: Durations::default(),
            methods: McpMethod::ALL.iter().map(|_| Durations::default()).collect(),
            denials: Default::default(),
            calls_in_flight: Gauge::default(),
            sessions: Arc::default(),
        }
    }

    /// Counts a call as in flight.
    pub(super) fn begin_call(&self) {
        self.calls_in_flight.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn end_call(&self) {
        self.calls_in_flight.0.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn calls_in_flight(&self) -> i64 {
        self.calls_in_flight.value()
    }

    #[cfg(feature = "http")]
    pub(super) fn session(&self) -> SessionCount {
        self.sessions.0.fetch_add(1, Ordering::Relaxed);
        SessionCount(Arc::clone(&self.sessions))
    }

    /// Counts a request that has ended.
    pub(super) fn observe(
        &self,
        method: McpMethod,
        tool: Option<usize>,
        end: RequestEnd,
        duration: Duration,
    ) {
        let durations = match (method, tool) {
            (McpMethod::ToolsCall, Some(tool)) => &self.tools[tool].durations,
            (McpMethod::ToolsCall, None) => &self.unknown,
            (method, _) => &self.methods[method as usize],
        };
        durations.observe(end, duration);
    }

    pub(super) fn denied(&self, by: DeniedBy) {
        self.denials[by as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// The number of denials by each stage.
    pub(super) fn denials(&self) -> impl Iterator<Item = (&'static str, u64)> {
        DeniedBy::ALL
            .iter()
            .zip(&self.denials)
            .map(|(by, count)| (by.as_str(), count.load(Ordering::Relaxed)))
    }

    /// Every histogram that has a value.
    pub(super) fn durations(&self) -> impl Iterator<Item = (DurationLabels, &Histogram)> {
        let call = McpMethod::ToolsCall;
        let of_tools = self.tools.iter();
        let of_tools =
            of_tools.flat_map(move |tool| tool.durations.histograms(call, Some(tool.descriptor.name)));
        let of_methods = McpMethod::ALL.iter().zip(&self.methods);
        let of_methods = of_methods.flat_map(|(method, durations)| durations.histograms(*method, None));
        of_tools.chain(self.unknown.histograms(call, None)).chain(of_methods)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_follow_the_lists() {
        assert!(McpMethod::ALL.iter().enumerate().all(|(index, method)| *method as usize == index));
        assert!(DeniedBy::ALL.iter().enumerate().all(|(index, by)| *by as usize == index));
        assert!(ToolCounter::ALL.iter().enumerate().all(|(index, counter)| counter.index() == index));
        assert!(ConfirmationEvent::ALL.iter().enumerate().all(|(index, event)| *event as usize == index));
    }
}
