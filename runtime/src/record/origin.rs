//! Describes how a call reached the server: its transport, the client's claimed name, and the trace it belongs to.

use std::sync::Arc;

use crate::spans::{IncomingTrace, Traceparent};

/// The way a call reached the server.
#[derive(Default)]
pub(crate) struct Origin {
    pub(crate) transport: &'static str,
    /// The client's name and version, as the client claims them.
    pub(crate) client: Option<String>,
    pub(crate) trace: Option<TraceId>,
    /// The parts of the request that its span takes; `None` if no span is recorded.
    pub(crate) incoming: Option<Arc<IncomingTrace>>,
}

/// The id of the trace that a call is part of (W3C Trace Context, `traceparent`).
#[derive(Clone)]
pub(crate) struct TraceId(String);

impl TraceId {
    /// Reads the id out of a `traceparent` value; `None` if the value is malformed.
    pub(crate) fn parse(traceparent: &str) -> Option<Self> {
        Traceparent::parse(traceparent).map(|parts| Self(parts.trace.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}
