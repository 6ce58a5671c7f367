//! Decides by level and target which events become lines.

use tracing::{Level, Metadata, level_filters::LevelFilter};
use tracing_subscriber::filter::Targets;

use super::super::target::crate_of;

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

    pub(super) fn allows(&self, metadata: &Metadata<'_>) -> bool {
        // Spans are for traces: a line has everything that it needs.
        !metadata.is_span()
            && (*metadata.level() <= Level::WARN || !repeats(metadata))
            && self.0.would_enable(metadata.target(), metadata.level())
    }

    /// Returns the least severe level of all targets.
    pub(super) fn max_level(&self) -> LevelFilter {
        let levels = self.0.iter().map(|(_, level)| level).chain(self.0.default_level());
        levels.max().unwrap_or(LevelFilter::OFF)
    }
}

/// Lets only the errors of [`REPEATING`] crates through, unless the filter names them: rmcp warns of each call that it answers
/// with an error, and its lines are written without their values.
fn errors_of_libraries(targets: Targets, level: LevelFilter) -> Targets {
    let is_named = |name: &str| targets.iter().any(|(target, _)| target.split("::").next() == Some(name));
    let unnamed: Vec<_> = REPEATING.into_iter().filter(|name| !is_named(name)).collect();
    targets.with_targets(unnamed.into_iter().map(|name| (name, level.min(LevelFilter::ERROR))))
}

/// Returns whether the event may repeat what a client sent.
pub(super) fn repeats(metadata: &Metadata<'_>) -> bool {
    REPEATING.contains(&crate_of(metadata))
}
