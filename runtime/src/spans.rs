//! Makes the spans inside a request, and reads the trace that a request belongs to.
//!
//! Without feature `telemetry`, nothing here does anything.

#[cfg(feature = "otel")]
mod exported;
mod incoming;
mod part;
#[cfg(feature = "telemetry")]
mod scope;
mod traceparent;

#[cfg(all(feature = "otel", feature = "cli"))]
pub(crate) use self::exported::export_to;
#[cfg(feature = "telemetry")]
pub(crate) use self::scope::SpanScope;
pub(crate) use self::{
    incoming::{IncomingTrace, TraceFields},
    part::{CallPart, PartSpan, audit_commit, detached},
    traceparent::Traceparent,
};

/// The target of all spans that the server makes. Filters name it.
#[cfg(feature = "telemetry")]
pub(crate) const TARGET: &str = "candor::span";

/// Returns whether the installed subscriber takes the server's spans.
#[cfg(feature = "telemetry")]
pub(crate) fn are_recorded() -> bool {
    #[cfg(feature = "otel")]
    if exported::has_tracer() {
        return true;
    }
    tracing::span_enabled!(target: TARGET, tracing::Level::INFO)
}
