//! Defines the facts of a request that are known before it is answered.

use std::sync::Arc;

use crate::{
    record::{Recorder, TraceId},
    revision::Revision,
    spans::IncomingTrace,
    tool::caller::Caller,
};

use super::McpMethod;

/// The facts of a request at its beginning. None of them is a value that its client chose, except for the trace.
#[cfg_attr(not(feature = "telemetry"), expect(dead_code, reason = "only telemetry reads them"))]
pub(crate) struct RequestFacts<'a> {
    pub(crate) method: McpMethod,
    /// The index in the registry of the called tool; `None` if the request calls none, or one that does not exist.
    pub(crate) tool: Option<usize>,
    /// The transport's name in records: `stdio` or `http`.
    pub(crate) transport: &'static str,
    pub(crate) revision: Option<Revision>,
    /// The trace that the client says the request is part of.
    pub(crate) trace: Option<&'a TraceId>,
    /// The parts of the request that its span takes; `None` if no span is recorded.
    pub(crate) incoming: Option<Arc<IncomingTrace>>,
    /// The caller, and the log under whose key lines name it.
    pub(crate) caller: Option<(&'a Caller, &'a Recorder)>,
}

/// An event in the confirmation of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConfirmationEvent {
    /// The question was put.
    Asked,
    /// The user accepted.
    Given,
    /// The user declined or did not answer.
    Refused,
}

impl ConfirmationEvent {
    #[cfg(feature = "telemetry")]
    pub(super) const ALL: [Self; 3] = [Self::Asked, Self::Given, Self::Refused];

    #[cfg(feature = "telemetry")]
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Given => "given",
            Self::Refused => "refused",
        }
    }
}
