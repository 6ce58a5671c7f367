//! Makes the spans of a call's parts, below the span of its request.

#[cfg(feature = "telemetry")]
use tracing::{Instrument as _, Span, field::Empty, info_span};

/// A part of a call that has a span.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "telemetry"), expect(dead_code, reason = "spans need the feature `telemetry`"))]
pub(crate) enum CallPart {
    /// The decision whether the user has confirmed the call, with the question if there is one.
    Confirmation,
    /// The wait for the handler, with all of its attempts.
    Handler,
    /// One run of a handler that may be retried, counted from 1.
    Attempt(u32),
    /// The wait for a record to be on disk.
    AuditCommit,
}

/// The span of a part of a call, or none if nothing records it.
#[derive(Clone, Debug)]
pub(crate) struct PartSpan {
    #[cfg(feature = "telemetry")]
    span: Span,
}

#[cfg_attr(
    not(feature = "telemetry"),
    expect(clippy::unused_self, reason = "spans need the feature `telemetry`")
)]
impl PartSpan {
    /// Opens the span of `part` below the current span. It closes with its last clone.
    #[cfg(feature = "telemetry")]
    pub(crate) fn open(part: CallPart) -> Self {
        let span = match part {
            CallPart::Confirmation => info_span!(target: super::TARGET, "confirmation"),
            CallPart::Handler => info_span!(target: super::TARGET, "handler"),
            CallPart::Attempt(number) => info_span!(
                target: super::TARGET,
                "attempt",
                candor.attempt = number,
                otel.status_code = Empty,
            ),
            CallPart::AuditCommit => info_span!(target: super::TARGET, "audit commit"),
        };
        Self { span }
    }

    #[cfg(not(feature = "telemetry"))]
    pub(crate) fn open(_: CallPart) -> Self {
        Self {}
    }

    /// The span that the current code runs in, for code that goes on elsewhere.
    #[cfg(feature = "telemetry")]
    pub(crate) fn current() -> Self {
        Self { span: Span::current() }
    }

    #[cfg(not(feature = "telemetry"))]
    pub(crate) fn current() -> Self {
        Self {}
    }

    /// Runs a future in the span.
    #[cfg(feature = "telemetry")]
    pub(crate) fn run<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        work.instrument(self.span.clone())
    }

    #[cfg(not(feature = "telemetry"))]
    pub(crate) fn run<F: Future>(&self, work: F) -> F {
        work
    }

    /// Runs a function in the span.
    #[cfg(feature = "telemetry")]
    pub(crate) fn enter<T>(&self, work: impl FnOnce() -> T) -> T {
        self.span.in_scope(work)
    }

    #[cfg(not(feature = "telemetry"))]
    pub(crate) fn enter<T>(&self, work: impl FnOnce() -> T) -> T {
        work()
    }

    /// Marks the part as failed.
    pub(crate) fn fail(&self) {
        #[cfg(feature = "telemetry")]
        self.span.record("otel.status_code", "ERROR");
    }

    #[cfg(feature = "telemetry")]
    pub(crate) fn tracing(&self) -> &Span {
        &self.span
    }
}
