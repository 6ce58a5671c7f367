//! Opens the span of a request at its beginning, and closes it at its end (OpenTelemetry, MCP conventions).

use std::borrow::Cow;

#[cfg(feature = "otel")]
use opentelemetry::{
    Context, KeyValue,
    trace::{SpanBuilder, SpanKind, Status, TraceContextExt as _},
};
use tracing::{Span, field::Empty};

use super::{Ending, McpMethod, RequestEnd, RequestFacts, conventions as names};
use crate::{
    revision::Revision,
    spans::{self, IncomingTrace, SpanScope},
};

/// The most attributes of a span at its beginning, and one for its end.
#[cfg(feature = "otel")]
const USUAL_ATTRIBUTES: usize = 8;

/// The span of one request. Spans that are opened while it runs are its children.
pub(super) struct RequestSpan(SpanScope);

impl RequestSpan {
    /// Opens the span, or takes that of an earlier round of the request. `tool` is the registered name of the called tool.
    pub(super) fn begin(facts: &RequestFacts<'_>, tool: Option<&'static str>) -> Self {
        if !spans::are_recorded() {
            return Self(SpanScope::Tracing(Span::none()));
        }
        let Some(incoming) = facts.incoming.as_deref() else {
            return Self(SpanScope::Tracing(subscribed(facts, tool)));
        };
        Self(incoming.span(|| open(facts, incoming, tool)))
    }

    /// Records how the request ended.
    pub(super) fn end(&self, ending: Ending) {
        let (code, error_type) = match ending.end {
            // The mistakes of the caller are not errors of the server.
            RequestEnd::Error(code) if !names::is_server_error(code) => (Some(code), None),
            RequestEnd::Error(code) => (Some(code), ending.end.error_type()),
            end => (None, end.error_type()),
        };
        match &self.0 {
            SpanScope::Tracing(span) if span.is_disabled() => {}
            SpanScope::Tracing(span) => {
                if let Some(code) = code {
                    span.record(names::STATUS_CODE, tracing::field::display(code));
                }
                if let Some(error_type) = error_type {
                    span.record(names::ERROR_TYPE, error_type);
                    span.record("otel.status_code", "ERROR");
                }
                if let Some(by) = ending.denied_by {
                    span.record(names::DENIED_BY, by.as_str());
                }
            }
            #[cfg(feature = "otel")]
            SpanScope::Exported(context) => end_exported(context, ending, code, error_type),
        }
    }

    pub(super) fn scope(&self) -> SpanScope {
        self.0.clone()
    }
}

fn open(facts: &RequestFacts<'_>, incoming: &IncomingTrace, tool: Option<&'static str>) -> SpanScope {
    // The handler of a call has a span of its own, and its code does not see this one. Other methods may be answered by code of
    // the program, whose events and attributes need a span of the subscriber.
    #[cfg(feature = "otel")]
    if facts.method == McpMethod::ToolsCall
        && let Some(scope) = incoming.exported(|| exported(facts, incoming, tool))
    {
        return scope;
    }
    incoming.subscribed(subscribed(facts, tool))
}

fn name(method: &'static str, tool: Option<&'static str>) -> Cow<'static, str> {
    tool.map_or(Cow::Borrowed(method), |tool| Cow::Owned([method, " ", tool].concat()))
}

/// Opens the span in the subscriber.
fn subscribed(facts: &RequestFacts<'_>, tool: Option<&'static str>) -> Span {
    let method = facts.method.as_str();
    let is_call = facts.method == McpMethod::ToolsCall;
    let incoming = facts.incoming.as_deref();
    // The trace of a request is in its `_meta`: a span of the transport is not its parent.
    tracing::info_span!(
        target: spans::TARGET,
        parent: None,
        "request",
        otel.name = &*name(method, tool),
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
        { names::DENIED_BY } = Empty,
    )
}

/// Describes the same span of a call for the collector alone. Its attributes are texts of the program, which are not copied.
#[cfg(feature = "otel")]
fn exported(facts: &RequestFacts<'_>, incoming: &IncomingTrace, tool: Option<&'static str>) -> SpanBuilder {
    let method = facts.method.as_str();
    let mut attributes = Vec::with_capacity(USUAL_ATTRIBUTES);
    attributes.push(KeyValue::new(names::METHOD_NAME, method));
    attributes.extend(tool.map(|tool| KeyValue::new(names::TOOL_NAME, tool)));
    attributes.push(KeyValue::new(names::OPERATION_NAME, names::EXECUTE_TOOL));
    attributes.push(KeyValue::new(names::REQUEST_ID, incoming.id.clone()));
    attributes.extend(incoming.session.clone().map(|session| KeyValue::new(names::SESSION_ID, session)));
    let revision = facts.revision.map(Revision::as_str);
    attributes.extend(revision.map(|revision| KeyValue::new(names::PROTOCOL_VERSION, revision)));
    attributes.extend(transport(facts.transport).map(|name| KeyValue::new(names::TRANSPORT, name)));
    SpanBuilder {
        span_kind: Some(SpanKind::Server),
        attributes: Some(attributes),
        ..SpanBuilder::from_name(name(method, tool))
    }
}

#[cfg(feature = "otel")]
fn end_exported(context: &Context, ending: Ending, code: Option<i32>, error_type: Option<&'static str>) {
    let span = context.span();
    if let Some(code) = code {
        span.set_attribute(KeyValue::new(names::STATUS_CODE, code.to_string()));
    }
    if let Some(error_type) = error_type {
        span.set_attribute(KeyValue::new(names::ERROR_TYPE, error_type));
        span.set_status(Status::error(""));
    }
    if let Some(by) = ending.denied_by {
        span.set_attribute(KeyValue::new(names::DENIED_BY, by.as_str()));
    }
    // Further rounds may follow a question and a task. Otherwise, the end of the request ends the span.
    if !matches!(ending.end, RequestEnd::Asked | RequestEnd::Task) {
        span.end();
    }
}

/// Returns the transport in the words of the conventions.
fn transport(name: &str) -> Option<&'static str> {
    match name {
        "stdio" => Some(names::PIPE),
        "http" => Some(names::TCP),
        _ => None,
    }
}
