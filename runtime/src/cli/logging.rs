//! Reads the flags of the log, and installs it.

use std::io::{self, IsTerminal as _};

use clap::{Args, ValueEnum};
use tracing::level_filters::LevelFilter;

use crate::{
    message::Message,
    stderr,
    telemetry::log::{self, LineFilter, LineForm, SpanLayer},
};

/// The standard variable of filters (`level`, or `target=level`, separated by commas).
const FILTER_VARIABLE: &str = "RUST_LOG";

#[derive(Args, Debug)]
#[group(skip)]
pub(super) struct Logging {
    /// The form of the lines on stderr: one line a call, and what the program logs itself [default: `text` if stderr is a
    /// terminal, otherwise `json`]
    #[arg(long, value_enum, value_name = "FORM")]
    log_format: Option<LogForm>,
    /// The least severe lines on stderr; overrides `RUST_LOG` [default: `info`, with `--quiet` `warn`]
    ///
    /// From `debug` on, lines hold the error messages and progress texts of tools, which may repeat arguments. No level shows
    /// arguments, tokens or idempotency keys themselves.
    #[arg(long, value_enum, value_name = "LEVEL")]
    log_level: Option<LogLevel>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogForm {
    Json,
    Text,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogLevel {
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Off => Self::OFF,
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Trace => Self::TRACE,
        }
    }
}

impl Logging {
    /// Installs the log and a layer for spans, unless the program has a subscriber of its own. Returns whether it did.
    pub(super) fn install(&self, is_quiet: bool, spans: Option<SpanLayer>) -> bool {
        let sends_spans = spans.is_some();
        let filter = self.filter(is_quiet);
        let exposes_texts = filter.exposes_texts();
        let by_default = if io::stderr().is_terminal() { LogForm::Text } else { LogForm::Json };
        let form = match self.log_format.unwrap_or(by_default) {
            LogForm::Json => LineForm::Json,
            LogForm::Text => LineForm::Text,
        };
        let is_installed = log::install(form, filter, spans);
        if !is_installed {
            if sends_spans {
                let message = Message::new("no spans are sent")
                    .note("the program has installed a subscriber of its own")
                    .help("add a layer of `tracing-opentelemetry` to that subscriber");
                stderr::line(format_args!("warning: {message}"));
            }
            if self.log_format.is_some() || self.log_level.is_some() {
                let message = Message::new("`--log-format` and `--log-level` have no effect")
                    .note("the program has installed a subscriber of its own, which gets all lines")
                    .help("configure that subscriber, or let the program install none");
                stderr::line(format_args!("warning: {message}"));
            }
        } else if exposes_texts {
            let message = Message::new(
                "the log holds error messages and progress texts of tools, which may repeat arguments",
            )
            .help("use `--log-level info` wherever others can read the log");
            stderr::line(format_args!("warning: {message}"));
        }
        is_installed
    }

    fn filter(&self, is_quiet: bool) -> LineFilter {
        if let Some(level) = self.log_level {
            return LineFilter::of_level(level.into());
        }
        let default = LineFilter::of_level(if is_quiet { LevelFilter::WARN } else { LevelFilter::INFO });
        match std::env::var(FILTER_VARIABLE) {
            Ok(directives) if !directives.is_empty() => LineFilter::parse(&directives).unwrap_or_else(|| {
                let message = Message::new("`RUST_LOG` is not a list of `level` or `target=level`")
                    .help("write it as in `RUST_LOG=info,my_crate=debug`");
                stderr::line(format_args!("warning: {message}"));
                default
            }),
            _ => default,
        }
    }
}
