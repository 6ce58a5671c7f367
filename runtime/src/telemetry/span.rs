//! Opens the span of a request at its beginning, and closes it at its end.

use tracing::{Span, field::Empty};

use super::{Ending, RequestFacts};
use crate::revision::Revision;

/// The span of one request. Spans that are opened while it runs are its children.
pub(super) struct RequestSpan(Span);

impl RequestSpan {
    /// Opens the span. `tool` is the registered name of the called tool.
    pub(super) fn begin(facts: &RequestFacts<'_>, tool: Option<&'static str>) -> Self {
        Self(tracing::info_span!(
            target: "candor::span",
            "request",
            method = facts.method.as_str(),
            tool,
            transport = facts.transport,
            protocol = facts.revision.map(Revision::as_str),
            error.type = Empty,
        ))
    }

    /// Records how the request ended.
    pub(super) fn end(&self, ending: Ending) {
        if let Some(error) = ending.end.error_type() {
            self.0.record("error.type", error);
        }
    }

    pub(super) fn tracing(&self) -> Span {
        self.0.clone()
    }
}
