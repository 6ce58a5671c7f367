//! Writes the events of the process as lines on stderr, for a program that has no subscriber of its own.
//!
//! Lines are queued and never waited for: a pipe that is not read delays no call.

mod filter;
mod format;

use std::cell::Cell;

use tracing::{
    Event, Metadata, Subscriber,
    level_filters::LevelFilter,
    span::{Attributes, Id, Record},
    subscriber::{Interest, set_global_default},
};
#[cfg(feature = "otel")]
use tracing_subscriber::{
    Layer, Registry,
    layer::{Context, SubscriberExt as _},
};

pub(crate) use self::{filter::LineFilter, format::LineForm};
#[cfg(feature = "otel")]
pub(crate) use super::otlp::SpanLayer;
#[cfg(feature = "otel")]
use super::otlp::is_exported;
use crate::stderr;

/// The memory that a thread keeps for its next line.
const KEPT_LINE_BYTES: usize = 4 * 1024;

/// A layer that takes the spans of the process. Without feature `otel`, no value exists.
#[cfg(not(feature = "otel"))]
pub(crate) enum NoSpanLayer {}

#[cfg(not(feature = "otel"))]
pub(crate) use self::NoSpanLayer as SpanLayer;

/// Installs the log of this process, beside a layer for spans if there is one. Returns whether it was: a program may have a
/// subscriber of its own, which then gets the events instead.
pub(crate) fn install(form: LineForm, filter: LineFilter, spans: Option<SpanLayer>) -> bool {
    let lines = Lines { form, filter };
    match spans {
        // Without spans, a registry of them would only cost time.
        None => set_global_default(lines).is_ok(),
        #[cfg(feature = "otel")]
        Some(spans) => {
            set_global_default(Registry::default().with(spans).with(LinesBesideSpans(lines))).is_ok()
        }
        #[cfg(not(feature = "otel"))]
        Some(never) => match never {},
    }
}

/// The lines of the process.
struct Lines {
    form: LineForm,
    filter: LineFilter,
}

impl Lines {
    fn write(&self, event: &Event<'_>) {
        // A value that logs while it is formatted, or a thread that ends, gets a buffer of its own.
        let mut line = LINE.try_with(Cell::take).unwrap_or_default();
        self.form.format(&mut line, event);
        stderr::write(&line);
        line.clear();
        line.shrink_to(KEPT_LINE_BYTES);
        let _ = LINE.try_with(|buffer| buffer.set(line));
    }
}

thread_local! {
    /// The memory of this thread's lines.
    static LINE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Takes events alone: no span is enabled.
impl Subscriber for Lines {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.filter.allows(metadata) { Interest::always() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.filter.max_level())
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.filter.allows(metadata)
    }

    fn event(&self, event: &Event<'_>) {
        self.write(event);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        // A program that makes a span which is not enabled gets one that does nothing.
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Takes events for lines, and leaves to the layers below it those that are exported. Filters of single layers would look at
/// each span and each event twice.
#[cfg(feature = "otel")]
struct LinesBesideSpans(Lines);

#[cfg(feature = "otel")]
impl LinesBesideSpans {
    fn takes(&self, metadata: &Metadata<'_>) -> bool {
        is_exported(metadata) || self.0.filter.allows(metadata)
    }
}

#[cfg(feature = "otel")]
impl<S: Subscriber> Layer<S> for LinesBesideSpans {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.takes(metadata) { Interest::always() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.0.filter.max_level().max(LevelFilter::INFO))
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.takes(metadata)
    }

    /// Writes the line of an event, and tells whether the event is exported, too.
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        if self.0.filter.allows(event.metadata()) {
            self.0.write(event);
        }
        is_exported(event.metadata())
    }
}
