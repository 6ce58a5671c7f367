//! Makes the spans of a call's parts, below the span of its request.

#[cfg(feature = "telemetry")]
use tracing::{Span, field::Empty, info_span};

#[cfg(feature = "telemetry")]
use super::{SpanScope, TARGET};

/// A part of a call that has a span which the program's own code may see.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CallPart {
    /// The decision whether the user has confirmed the call, with the question if there is one.
    Confirmation,
    /// The wait for the handler, with all of its attempts.
    Handler,
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
            CallPart::Confirmation => info_span!(target: TARGET, "confirmation"),
            CallPart::Handler => info_span!(target: TARGET, "handler"),
        };
        Self { span }
    }

    #[cfg(not(feature = "telemetry"))]
    pub(crate) fn open(_: CallPart) -> Self {
        Self {}
    }

    /// Opens the span of one run of a handler that may be retried, counted from 1, below the handler's span.
    #[cfg(feature = "telemetry")]
    pub(crate) fn attempt(&self, number: u32) -> Self {
        let span = info_span!(
            target: TARGET,
            parent: &self.span,
            "attempt",
            candor.attempt = number,
            otel.status_code = Empty,
        );
        Self { span }
    }

    #[cfg(not(feature = "telemetry"))]
    pub(crate) fn attempt(&self, _: u32) -> Self {
        Self {}
    }

    /// The span of a call before its handler has one.
    #[cfg(feature = "telemetry")]
    pub(crate) fn none() -> Self {
        Self { span: Span::none() }
    }

    #[cfg(not(feature = "telemetry"))]
    pub(crate) fn none() -> Self {
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
        SpanScope::Tracing(self.span.clone()).run(work)
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

/// Waits for a record to be on disk, in a span that no code of the program sees.
#[cfg(feature = "telemetry")]
pub(crate) fn audit_commit<F: Future>(written: F) -> impl Future<Output = F::Output> {
    const NAME: &str = "audit commit";
    let subscribed = || SpanScope::Tracing(info_span!(target: TARGET, NAME));
    #[cfg(not(feature = "otel"))]
    let scope = subscribed();
    #[cfg(feature = "otel")]
    let scope = {
        let current = opentelemetry::Context::current();
        let exported =
            super::exported::start(&current, || opentelemetry::trace::SpanBuilder::from_name(NAME));
        exported.map_or_else(subscribed, SpanScope::Exported)
    };
    scope.run(written)
}

#[cfg(not(feature = "telemetry"))]
pub(crate) fn audit_commit<F: Future>(written: F) -> F {
    written
}

/// Runs a future that its request may not wait for: spans that it opens are below the current one, which it does not keep open.
#[cfg(feature = "otel")]
pub(crate) fn detached<F: Future>(work: F) -> impl Future<Output = F::Output> {
    SpanScope::Exported(opentelemetry::Context::current()).run(work)
}

#[cfg(not(feature = "otel"))]
pub(crate) fn detached<F: Future>(work: F) -> F {
    work
}
