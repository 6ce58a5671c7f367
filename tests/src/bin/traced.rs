//! A server whose handlers open spans of their own, fail for a while, or must be confirmed. With `TRACED_OWN`, the program has a
//! layer of its own for OpenTelemetry, which writes each span to stderr.

use std::{
    process::ExitCode,
    sync::atomic::{AtomicU32, Ordering},
};

use candor::{Call, Server, ToolError, mcp_tool, tools};
use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{SdkTracerProvider, SpanData, SpanExporter},
};
use tracing::{Instrument as _, level_filters::LevelFilter};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::{layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// Open a span, and another one on a thread of the handler's own.
#[mcp_tool(read_only, closed_world, public)]
fn open_spans(call: &Call) -> &'static str {
    tracing::info_span!("look up").in_scope(|| tracing::info!("found"));
    let span = call.span().clone();
    let work = move || span.in_scope(|| tracing::info_span!("read ahead").in_scope(|| ()));
    std::thread::spawn(work).join().map_or("failed", |()| "ok")
}

/// Open a span across an await.
#[mcp_tool(read_only, closed_world, public)]
async fn open_span() -> &'static str {
    tokio::task::yield_now().instrument(tracing::info_span!("wait")).await;
    "ok"
}

/// Fail twice, then answer.
#[mcp_tool(read_only, closed_world, public, retry = 3)]
fn unsteady() -> Result<&'static str, ToolError> {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    if RUNS.fetch_add(1, Ordering::Relaxed) < 2 { Err(ToolError::transient("busy")) } else { Ok("ok") }
}

/// Fail.
#[mcp_tool(read_only, closed_world, public)]
fn fails() -> Result<&'static str, ToolError> {
    Err(ToolError::new("no"))
}

/// Store a value once.
#[mcp_tool(additive, closed_world, public, idempotency_key = "optional")]
fn keyed() -> &'static str {
    "ok"
}

/// Return the trace and the span that a request to another service continues.
#[mcp_tool(read_only, closed_world, public)]
async fn pass_on() -> String {
    let span = tracing::Span::current();
    span.set_attribute("traced.note", "passed on");
    let context = span.context();
    let span = context.span();
    format!("{} {}", span.span_context().trace_id(), span.span_context().span_id())
}

/// Say what a wipe removes.
#[mcp_tool(read_only, closed_world, public)]
fn plan() -> &'static str {
    tracing::info_span!("plan").in_scope(|| "everything")
}

/// Ask first.
#[mcp_tool(destructive, idempotent, closed_world, public, preview = plan)]
fn wipe() -> &'static str {
    "ok"
}

/// Return the baggage that the client sent.
#[mcp_tool(read_only, closed_world, public)]
fn baggage() -> String {
    use opentelemetry::baggage::BaggageExt as _;

    let context = opentelemetry::Context::current();
    context.baggage().get("user").map(ToString::to_string).unwrap_or_default()
}

/// Writes each span as a line: its name, its id, that of its parent, its trace, and its attributes.
#[derive(Debug)]
struct PrintedSpans;

impl SpanExporter for PrintedSpans {
    async fn export(&self, spans: Vec<SpanData>) -> OTelSdkResult {
        for span in spans {
            let (context, attributes) = (&span.span_context, &span.attributes);
            let (id, trace) = (context.span_id(), context.trace_id());
            let attributes: Vec<_> =
                attributes.iter().map(|pair| format!("{}={}", pair.key, pair.value)).collect();
            let (name, parent, attributes) = (&span.name, span.parent_span_id, attributes.join(" "));
            eprintln!("span {name}|{id}|{parent}|{trace}|{attributes}");
        }
        Ok(())
    }
}

fn main() -> ExitCode {
    if std::env::var_os("TRACED_OWN").is_some() {
        let provider = SdkTracerProvider::builder().with_simple_exporter(PrintedSpans).build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("own"));
        tracing_subscriber::registry().with(LevelFilter::INFO).with(layer).init();
    }
    Server::new("traced", "3.2.1")
        .tools(tools![open_spans, open_span, unsteady, fails, keyed, pass_on, wipe, baggage])
        .main()
}
