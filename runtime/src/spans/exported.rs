//! Makes spans that go to the collector without the subscriber, where no code of the program could look at them.
//!
//! A span of the subscriber costs a call several times as much: it is kept in a registry, and each of its attributes is copied.

use std::sync::OnceLock;

use opentelemetry::{
    Context,
    trace::{SpanBuilder, TraceContextExt as _},
};
use opentelemetry_sdk::trace::SdkTracer;

/// The tracer that the subscriber of the process uses, too. Unset if the program has a subscriber of its own, which then gets
/// all spans.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Sends spans of the server to `tracer`, which the layer of the installed subscriber uses as well.
#[cfg(feature = "cli")]
pub(crate) fn export_to(tracer: SdkTracer) {
    // A process serves one command line.
    let _ = TRACER.set(tracer);
}

/// Whether spans are sent without the subscriber.
pub(super) fn has_tracer() -> bool {
    TRACER.get().is_some()
}

/// Starts a span below that of `parent`, and returns a context with it; `None` if all spans go through the subscriber. The
/// span ends with the last clone of the context, if it was not ended before.
pub(super) fn start(parent: &Context, builder: impl FnOnce() -> SpanBuilder) -> Option<Context> {
    let tracer = TRACER.get()?;
    Some(parent.with_span(builder().start_with_context(tracer, parent)))
}
