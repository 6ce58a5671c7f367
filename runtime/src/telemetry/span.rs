//! Opens the span of a request at its beginning, and closes it at its end (OpenTelemetry, MCP conventions).

use tracing::{Span, field::Empty};

use super::{Ending, McpMethod, RequestEnd, RequestFacts, conventions as names};
use crate::{revision::Revision, spans};

/// The span of one request. Spans that are opened while it runs are its children.
pub(super) struct RequestSpan(Span);

impl RequestSpan {
    /// Opens the span, or takes that of an earlier round of the request. `tool` is the registered name of the called tool.
    pub(super) fn begin(facts: &RequestFacts<'_>, tool: Option<&'static str>) -> Self {
        if !spans::are_recorded() {
            return Self(Span::none());
        }
        let open = || open(facts, tool);
        Self(match &facts.incoming {
            Some(incoming) => incoming.span(open),
            None => open(),
        })
    }

    /// Records how the request ended.
    pub(super) fn end(&self, ending: Ending) {
        if self.0.is_disabled() {
            return;
        }
        let error_type = match ending.end {
            RequestEnd::Error(code) => {
                self.0.record(names::STATUS_CODE, tracing::field::display(code));
                // The mistakes of the caller are not errors of the server.
                names::is_server_error(code).then(|| ending.end.error_type()).flatten()
            }
            end => end.error_type(),
        };
        if let Some(error_type) = error_type {
            self.0.record(names::ERROR_TYPE, error_type);
            self.0.record("otel.status_code", "ERROR");
        }
        if let Some(by) = ending.denied_by {
            self.0.record("candor.denied_by", by.as_str());
        }
    }

    pub(super) fn tracing(&self) -> Span {
        self.0.clone()
    }
}

fn open(facts: &RequestFacts<'_>, tool: Option<&'static str>) -> Span {
    let method = facts.method.as_str();
    let name = tool.map(|tool| format!("{method} {tool}"));
    let is_call = facts.method == McpMethod::ToolsCall;
    let incoming = facts.incoming.as_deref();
    // The trace of a request is in its `_meta`: a span of the transport is not its parent.
    tracing::info_span!(
        target: spans::TARGET,
        parent: None,
        "request",
        otel.name = name.as_deref().unwrap_or(method),
        otel.kind = "server",
        otel.status_code = Empty,
        { names::METHOD_NAME } = method,
        { names::TOOL_NAME } = tool,
        { names::OPERATION_NAME } = is_call.then_some(names::EXECUTE_TOOL),
        { names::REQUEST_ID } = incoming.map(|incoming| incoming.id.as_str()),
        { names::SESSION_ID } = incoming.and_then(|incoming| incoming.session.as_deref()),
        { names::PROTOCOL_VERSION } = facts.revision.map(Revision::as_str),
        { names::TRANSPORT } = transport(facts.transport),
        { names::STATUS_CODE } = Empty,
        { names::ERROR_TYPE } = Empty,
        candor.denied_by = Empty,
    )
}

/// Returns the transport in the words of the conventions.
fn transport(name: &str) -> Option<&'static str> {
    match name {
        "stdio" => Some(names::PIPE),
        "http" => Some(names::TCP),
        _ => None,
    }
}
