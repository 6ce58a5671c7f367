//! Formats an event as one line, in the forms of `tracing-subscriber` and with its names.

use std::{error::Error, fmt, io::Write as _};

use jiff::{Timestamp, fmt::temporal::DateTimePrinter};
use serde::Serialize;
use tracing::{
    Event, Level, Metadata,
    field::{Field, Visit},
};

use super::filter::repeats;

/// The form of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineForm {
    /// One JSON object a line.
    Json,
    /// A line for people.
    Text,
}

/// The message in place of one that may repeat what a client sent.
const WITHHELD: &str = "a library reports a problem";

impl LineForm {
    /// Appends the line of `event` to `line`, without the values of crates that repeat what clients send.
    pub(super) fn format(self, line: &mut Vec<u8>, event: &Event<'_>) {
        let metadata = event.metadata();
        match (self, repeats(metadata)) {
            (Self::Json, false) => json(line, event),
            (Self::Json, true) => json_place(line, metadata),
            (Self::Text, false) => text(line, event),
            (Self::Text, true) => text_place(line, metadata),
        }
        line.push(b'\n');
    }
}

fn json(line: &mut Vec<u8>, event: &Event<'_>) {
    let metadata = event.metadata();
    line.extend_from_slice(b"{\"timestamp\":\"");
    push_now(line);
    line.push(b'"');
    let mut entries = JsonEntries(line);
    entries.add("level", metadata.level().as_str());
    event.record(&mut entries);
    entries.add("target", metadata.target());
    line.push(b'}');
}

/// Writes the place in the code alone: level, target and line are constants of the library.
fn json_place(line: &mut Vec<u8>, metadata: &Metadata<'_>) {
    line.extend_from_slice(b"{\"level\":");
    push_json(line, metadata.level().as_str());
    let mut entries = JsonEntries(line);
    entries.add("line", metadata.line().unwrap_or_default());
    entries.add("message", WITHHELD);
    entries.add("target", metadata.target());
    line.push(b'}');
}

/// Appends entries to an object that has one already.
struct JsonEntries<'a>(&'a mut Vec<u8>);

impl JsonEntries<'_> {
    fn add(&mut self, name: &str, value: impl Serialize) {
        self.begin(name);
        push_json(self.0, value);
    }

    fn begin(&mut self, name: &str) {
        self.0.push(b',');
        push_json(self.0, name);
        self.0.push(b':');
    }
}

impl Visit for JsonEntries<'_> {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field.name(), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field.name(), value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.begin(field.name());
        let start = self.0.len();
        push(self.0, format_args!("\"{value:?}"));
        if needs_escapes(&self.0[start + 1..]) {
            let plain = String::from_utf8_lossy(&self.0[start + 1..]).into_owned();
            self.0.truncate(start);
            return push_json(self.0, plain);
        }
        self.0.push(b'"');
    }
}

fn text(line: &mut Vec<u8>, event: &Event<'_>) {
    let metadata = event.metadata();
    let (start, level, target) = (line.len(), padded(*metadata.level()), metadata.target());
    push_now(line);
    push(line, format_args!(" {level} {target}:"));
    event.record(&mut TextFields(line));
    escape_controls(line, start);
}

/// As [`json_place`].
fn text_place(line: &mut Vec<u8>, metadata: &Metadata<'_>) {
    let (level, target, at) = (metadata.level(), metadata.target(), metadata.line().unwrap_or_default());
    push(line, format_args!("{level} {target}: {WITHHELD} at line {at}"));
}

/// Returns the level in the width of the longest one.
fn padded(level: Level) -> &'static str {
    match level {
        Level::TRACE => "TRACE",
        Level::DEBUG => "DEBUG",
        Level::INFO => " INFO",
        Level::WARN => " WARN",
        Level::ERROR => "ERROR",
    }
}

/// Appends fields to a line for people.
struct TextFields<'a>(&'a mut Vec<u8>);

impl Visit for TextFields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => push(self.0, format_args!(" {value}")),
            _ => self.record_debug(field, &value),
        }
    }

    fn record_error(&mut self, field: &Field, error: &(dyn Error + 'static)) {
        self.record_debug(field, &format_args!("{error}"));
        let mut source = error.source();
        if source.is_some() {
            let name = field.name();
            push(self.0, format_args!(" {name}.sources=["));
            while let Some(error) = source {
                source = error.source();
                let comma = if source.is_some() { ", " } else { "]" };
                push(self.0, format_args!("{error}{comma}"));
            }
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => push(self.0, format_args!(" {value:?}")),
            name => push(self.0, format_args!(" {}={value:?}", name.trim_start_matches("r#"))),
        }
    }
}

/// Escapes the characters from `start` on that control a terminal: a value may hold a text of another program.
fn escape_controls(line: &mut Vec<u8>, start: usize) {
    let is_control = |c: char| matches!(c, '\u{7}' | '\u{8}' | '\u{c}' | '\u{1b}' | '\u{7f}'..='\u{9f}');
    // Nearly every line is plain ASCII.
    let may_be_control = |byte: &u8| matches!(byte, 0..0x20 | 0x7f..);
    if !line[start..].iter().any(may_be_control) {
        return;
    }
    let text = String::from_utf8_lossy(&line[start..]).into_owned();
    line.truncate(start);
    for c in text.chars() {
        match c {
            '\u{80}'..='\u{9f}' => push(line, format_args!("{}", c.escape_unicode())),
            c if is_control(c) => push(line, format_args!("\\x{:02x}", u32::from(c))),
            c => push(line, c),
        }
    }
}

/// Appends the time in microseconds, as RFC 3339.
fn push_now(line: &mut Vec<u8>) {
    const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(6));
    // A buffer takes everything.
    let _ = PRINTER.print_timestamp(&Timestamp::now(), line);
}

fn push(line: &mut Vec<u8>, text: impl fmt::Display) {
    // A value whose `Display` fails ends there; the rest of its line is written.
    let _ = write!(line, "{text}");
}

/// Whether JSON escapes a byte of this text.
fn needs_escapes(text: &[u8]) -> bool {
    // Without an early end, the compiler compares many bytes at once.
    text.iter().fold(false, |found, byte| found | matches!(byte, 0..0x20 | b'"' | b'\\'))
}

/// Appends `value` as JSON.
fn push_json(line: &mut Vec<u8>, value: impl Serialize) {
    // A buffer takes everything.
    let _ = serde_json::to_writer(line, &value);
}
