//! Reads what the span of a request takes from the request: its id, its session, and the trace that it belongs to.

use std::sync::Arc;
#[cfg(feature = "telemetry")]
use std::sync::OnceLock;

#[cfg(feature = "otel")]
use opentelemetry::{
    Context,
    propagation::{Extractor, TextMapPropagator as _},
    trace::{
        Link, SpanBuilder, SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId as OtelTraceId,
        TraceState,
    },
};
#[cfg(feature = "otel")]
use opentelemetry_sdk::propagation::BaggagePropagator;

#[cfg(feature = "telemetry")]
use super::SpanScope;

/// The longest id of a request in a span, in bytes; the client chooses the id.
#[cfg(feature = "telemetry")]
const MAX_ID_BYTES: usize = 128;

/// The source of a request's trace: looks a field up by its name.
#[cfg_attr(not(feature = "otel"), expect(dead_code, reason = "only exported spans have a parent"))]
pub(crate) struct TraceFields<'a> {
    /// A text in the request's `_meta`: `traceparent`, `tracestate` or `baggage` (SEP-414).
    pub(crate) meta: &'a dyn Fn(&'static str) -> Option<&'a str>,
    /// A header of the HTTP request.
    pub(crate) header: &'a dyn Fn(&'static str) -> Option<&'a str>,
}

/// The parts of one request that its span takes, and the span, which all rounds of the request share.
#[derive(Debug)]
pub(crate) struct IncomingTrace {
    /// The id of the JSON-RPC request.
    #[cfg(feature = "telemetry")]
    pub(crate) id: String,
    /// A name for the session that does not give access to it. `None` in revisions without sessions.
    #[cfg(feature = "telemetry")]
    pub(crate) session: Option<String>,
    /// The span of the client, with its baggage.
    #[cfg(feature = "otel")]
    parent: Context,
    /// The span that sent the HTTP request, which may carry several requests of the protocol.
    #[cfg(feature = "otel")]
    link: Option<SpanContext>,
    #[cfg(feature = "telemetry")]
    span: OnceLock<SpanScope>,
}

impl IncomingTrace {
    /// Reads a request; `None` if the server's spans are not recorded. A malformed field counts as missing.
    #[cfg_attr(not(feature = "otel"), expect(unused_variables, reason = "only exported spans have a parent"))]
    pub(crate) fn read(
        id: impl FnOnce() -> String,
        session: impl FnOnce() -> Option<String>,
        fields: &TraceFields<'_>,
    ) -> Option<Arc<Self>> {
        #[cfg(feature = "telemetry")]
        if super::are_recorded() {
            let mut id = id();
            if let Some((end, _)) = id.char_indices().find(|(at, c)| at + c.len_utf8() > MAX_ID_BYTES) {
                id.truncate(end);
            }
            return Some(Arc::new(Self {
                id,
                session: session(),
                #[cfg(feature = "otel")]
                parent: parent(fields),
                #[cfg(feature = "otel")]
                link: remote_span((fields.header)("traceparent"), (fields.header)("tracestate")),
                span: OnceLock::new(),
            }));
        }
        None
    }

    /// Returns the span of the request. The first round makes it with `open`.
    #[cfg(feature = "telemetry")]
    pub(crate) fn span(&self, open: impl FnOnce() -> SpanScope) -> SpanScope {
        self.span.get_or_init(open).clone()
    }

    /// Starts the span as one that only the collector gets; `None` if all spans go through the subscriber.
    #[cfg(feature = "otel")]
    pub(crate) fn exported(&self, builder: impl FnOnce() -> SpanBuilder) -> Option<SpanScope> {
        super::exported::start(&self.parent, || {
            let ambient = Context::map_current(|context| context.span().span_context().clone());
            let links = self.link.iter().cloned().chain(Some(ambient).filter(SpanContext::is_valid));
            let links: Vec<Link> = links.map(Link::with_context).collect();
            SpanBuilder { links: (!links.is_empty()).then_some(links), ..builder() }
        })
        .map(SpanScope::Exported)
    }

    /// Gives a new span of the subscriber its parent and its links.
    #[cfg(feature = "telemetry")]
    #[cfg_attr(not(feature = "otel"), expect(clippy::unused_self, reason = "parents and links need `otel`"))]
    pub(crate) fn subscribed(&self, span: tracing::Span) -> SpanScope {
        #[cfg(feature = "otel")]
        {
            use tracing_opentelemetry::OpenTelemetrySpanExt as _;

            // Without a layer for OpenTelemetry, the span has neither.
            let _ = span.set_parent(self.parent.clone());
            if let Some(link) = &self.link {
                span.add_link(link.clone());
            }
            // A program that embeds the server may have a span for the HTTP request.
            let ambient = tracing::Span::current().context().span().span_context().clone();
            span.add_link(ambient);
        }
        SpanScope::Tracing(span)
    }
}

/// Returns the context that the client sent in `_meta`.
#[cfg(feature = "otel")]
fn parent(fields: &TraceFields<'_>) -> Context {
    let remote = remote_span((fields.meta)("traceparent"), (fields.meta)("tracestate"));
    let context = remote.map_or_else(Context::new, |remote| Context::new().with_remote_span_context(remote));
    match (fields.meta)("baggage") {
        Some(baggage) => BaggagePropagator::new().extract_with_context(&context, &Baggage(baggage)),
        None => context,
    }
}

/// Reads the span behind a `traceparent`. A malformed `tracestate` is dropped, as W3C Trace Context asks.
#[cfg(feature = "otel")]
fn remote_span(traceparent: Option<&str>, tracestate: Option<&str>) -> Option<SpanContext> {
    let parts = super::Traceparent::parse(traceparent?)?;
    let state = tracestate.and_then(|state| state.parse::<TraceState>().ok()).unwrap_or_default();
    let flags = TraceFlags::new(u8::from_str_radix(parts.flags, 16).ok()?) & TraceFlags::SAMPLED;
    let trace = OtelTraceId::from_hex(parts.trace).ok()?;
    let span = SpanId::from_hex(parts.parent).ok()?;
    Some(SpanContext::new(trace, span, flags, true, state))
}

/// The one field that carries baggage.
#[cfg(feature = "otel")]
struct Baggage<'a>(&'a str);

#[cfg(feature = "otel")]
impl Extractor for Baggage<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == "baggage").then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec!["baggage"]
    }
}
