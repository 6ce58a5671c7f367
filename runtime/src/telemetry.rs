//! Observes every request for logs, metrics and spans: its method and tool, how long it took, and how it ended.
//!
//! [`Telemetry::begin`] opens an [`Observation`], which ends with [`Observation::end`] or when it is dropped. Without
//! feature `telemetry`, both do nothing.

#[cfg(feature = "telemetry")]
mod conventions;
mod ending;
#[cfg(feature = "telemetry")]
mod exposition;
mod facts;
#[cfg(feature = "telemetry")]
mod histogram;
#[cfg(all(feature = "cli", feature = "telemetry"))]
pub(crate) mod log;
mod mcp_method;
#[cfg(feature = "telemetry")]
mod metrics;
#[cfg(feature = "telemetry")]
mod observation;
#[cfg(not(feature = "telemetry"))]
mod off;
#[cfg(all(feature = "otel", feature = "cli"))]
mod otlp;
#[cfg(feature = "telemetry")]
mod span;
#[cfg(all(feature = "cli", feature = "telemetry"))]
mod target;
#[cfg(feature = "telemetry")]
mod watched;

#[cfg(all(feature = "http", not(feature = "telemetry")))]
pub(crate) use self::off::NoSessionCount as SessionCount;
#[cfg(not(feature = "telemetry"))]
pub(crate) use self::off::{
    NoObservation as Observation, NoTelemetry as Telemetry, NoToolTelemetry as ToolTelemetry,
    unwatched as watched,
};
#[cfg(all(feature = "otel", feature = "cli"))]
pub(crate) use self::otlp::{Otlp, base_address};
pub(crate) use self::{
    ending::{Ending, RequestEnd},
    facts::{ConfirmationEvent, RequestFacts},
    mcp_method::McpMethod,
};
#[cfg(all(feature = "http", feature = "telemetry"))]
pub(crate) use self::{exposition::CONTENT_TYPE, metrics::SessionCount};
#[cfg(feature = "telemetry")]
pub(crate) use self::{
    exposition::{DeprecatedCalls, LiveAudit, LiveValues},
    observation::{Observation, Telemetry, ToolTelemetry},
    watched::watched,
};
