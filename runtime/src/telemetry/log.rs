//! Writes the events of the process as lines on stderr, for a program that has no subscriber of its own.
//!
//! Lines are queued and never waited for: a pipe that is not read delays no call.

use std::{fmt, io};

use tracing::{Event, Level, Metadata, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer as _, Registry as Spans,
    filter::{FilterFn, Targets, filter_fn},
    fmt::{
        FmtContext, FormatEvent, FormatFields, Layer,
        format::{self, DefaultFields, JsonFields, Writer},
    },
    layer::SubscriberExt as _,
    registry::LookupSpan,
};

use crate::stderr;

/// The form of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineForm {
    /// One JSON object a line.
    Json,
    /// A line for people.
    Text,
}

/// Crates whose lines repeat what clients send: their lines below `warn` are never written, and of the others only the place
/// in their code.
const REPEATING: [&str; 4] = ["rmcp", "hyper", "hyper_util", "axum"];

/// The least severe lines that are written, by target.
#[derive(Clone, Debug)]
pub(crate) struct LineFilter(Targets);

impl LineFilter {
    /// Lets lines of this level and above through.
    pub(crate) fn of_level(level: LevelFilter) -> Self {
        Self(errors_of_libraries(Targets::new().with_default(level), level))
    }

    /// Reads the directives of `RUST_LOG`: `level`, or `target=level`, separated by commas.
    pub(crate) fn parse(directives: &str) -> Option<Self> {
        let targets: Targets = directives.parse().ok()?;
        let level = targets.default_level().unwrap_or(LevelFilter::OFF);
        Some(Self(errors_of_libraries(targets, level)))
    }

    /// Whether the lines hold texts of handlers, which may repeat arguments.
    pub(crate) fn exposes_texts(&self) -> bool {
        self.0.would_enable("candor::call", &Level::DEBUG)
    }

    fn allows(&self, metadata: &Metadata<'_>) -> bool {
        // Spans are for traces: a line has everything that it needs.
        !metadata.is_span()
            && (*metadata.level() <= Level::WARN || !repeats(metadata))
            && self.0.would_enable(metadata.target(), metadata.level())
    }

    fn into_filter(self) -> FilterFn<impl Fn(&Metadata<'_>) -> bool> {
        let most = self.0.iter().map(|(_, level)| level).chain(self.0.default_level()).max();
        filter_fn(move |metadata| self.allows(metadata)).with_max_level_hint(most.unwrap_or(LevelFilter::OFF))
    }
}

/// Lets only the errors of [`REPEATING`] crates through, unless the filter names them: rmcp warns of each call that it answers
/// with an error, and its lines are written without their values.
fn errors_of_libraries(targets: Targets, level: LevelFilter) -> Targets {
    let is_named = |name: &str| targets.iter().any(|(target, _)| target.split("::").next() == Some(name));
    let unnamed: Vec<_> = REPEATING.into_iter().filter(|name| !is_named(name)).collect();
    targets.with_targets(unnamed.into_iter().map(|name| (name, level.min(LevelFilter::ERROR))))
}

fn repeats(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target().split("::").next().unwrap_or_default();
    REPEATING.contains(&target)
}

/// A layer that takes the spans of the process.
pub(crate) type SpanLayer = Box<dyn tracing_subscriber::Layer<Spans> + Send + Sync>;

/// Installs the log of this process, beside a layer for spans if there is one. Returns whether it was: a program may have a
/// subscriber of its own, which then gets the events instead.
pub(crate) fn install(form: LineForm, filter: LineFilter, spans: Option<SpanLayer>) -> bool {
    let lines = Layer::default().with_writer(|| StderrLine);
    let installed = match form {
        LineForm::Json => {
            let format = format::format().json().flatten_event(true);
            let format =
                WithoutValues { format: format.with_current_span(false).with_span_list(false), form };
            let lines = lines.fmt_fields(JsonFields::new()).event_format(format);
            tracing::subscriber::set_global_default(
                Spans::default().with(spans).with(lines.with_filter(filter.into_filter())),
            )
        }
        LineForm::Text => {
            let format = WithoutValues { format: format::format().with_ansi(false), form };
            let lines = lines.with_ansi(false).fmt_fields(DefaultFields::new()).event_format(format);
            tracing::subscriber::set_global_default(
                Spans::default().with(spans).with(lines.with_filter(filter.into_filter())),
            )
        }
    };
    installed.is_ok()
}

/// A format that leaves out the values of crates which repeat what clients send.
struct WithoutValues<F> {
    format: F,
    form: LineForm,
}

impl<S, N, F> FormatEvent<S, N> for WithoutValues<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        if !repeats(metadata) {
            return self.format.format_event(context, writer, event);
        }
        let (level, target, line) =
            (metadata.level(), metadata.target(), metadata.line().unwrap_or_default());
        // All three are constants of the crate.
        match self.form {
            LineForm::Json => {
                let message = "a library reports a problem";
                let line = serde_json::json!({
                    "level": level.as_str(), "message": message, "target": target, "line": line,
                });
                writeln!(writer, "{line}")
            }
            LineForm::Text => {
                writeln!(writer, "{level} {target}: a library reports a problem at line {line}")
            }
        }
    }
}

/// Takes one line, in one write.
struct StderrLine;

impl io::Write for StderrLine {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        stderr::write(String::from_utf8_lossy(line).into_owned());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
