//! Writes the members of a record as JSON: one line of printable ASCII, whatever the values contain.

use std::{borrow::Cow, io::Write as _};

/// The most characters of a caller's text that a record holds.
const MAX_CALLER_TEXT_CHARS: usize = 128;

/// Writes the members of a JSON object, without its braces.
#[derive(Clone, Debug, Default)]
pub(crate) struct RecordWriter(Vec<u8>);

impl RecordWriter {
    /// A record of this kind.
    pub(crate) fn of(kind: &str) -> Self {
        Self::with(|record| _ = record.text("kind", kind))
    }

    /// A record that `write` writes.
    pub(crate) fn with(write: impl FnOnce(&mut Self)) -> Self {
        let mut record = Self::new();
        write(&mut record);
        record
    }

    /// An empty record with the capacity that most records need.
    pub(crate) fn new() -> Self {
        Self(Vec::with_capacity(768))
    }

    /// Adds a member whose value is text.
    pub(crate) fn text(&mut self, key: &str, text: &str) -> &mut Self {
        self.key(key);
        string(&mut self.0, text);
        self
    }

    /// Adds a member whose value is a caller's text, cut if it is long.
    pub(crate) fn caller_text(&mut self, key: &str, text: &str) -> &mut Self {
        self.text(key, &cut(text))
    }

    /// Adds a member whose value is a number.
    pub(crate) fn number(&mut self, key: &str, number: u64) -> &mut Self {
        self.key(key);
        write!(self.0, "{number}").expect("memory takes every byte");
        self
    }

    /// Adds a member whose value is `true` or `false`.
    pub(crate) fn flag(&mut self, key: &str, flag: bool) -> &mut Self {
        self.json(key, if flag { b"true" } else { b"false" })
    }

    /// Adds a member whose value is already JSON.
    pub(crate) fn json(&mut self, key: &str, json: &[u8]) -> &mut Self {
        self.key(key);
        self.0.extend_from_slice(json);
        self
    }

    /// Adds a member whose value is an object.
    pub(crate) fn object(&mut self, key: &str, fill: impl FnOnce(&mut Self)) -> &mut Self {
        self.key(key);
        self.0.push(b'{');
        fill(self);
        self.0.push(b'}');
        self
    }

    /// Adds a member whose value is a list of objects, of which these are the members.
    pub(super) fn objects(&mut self, key: &str, objects: impl IntoIterator<Item = Self>) -> &mut Self {
        self.key(key);
        self.0.push(b'[');
        for (at, object) in objects.into_iter().enumerate() {
            self.0.extend_from_slice(if at > 0 { b",{" } else { b"{" });
            self.0.extend_from_slice(&object.0);
            self.0.push(b'}');
        }
        self.0.push(b']');
        self
    }

    /// Adds members that were written before.
    pub(crate) fn members(&mut self, members: &Self) -> &mut Self {
        if !members.0.is_empty() {
            self.comma();
            self.0.extend_from_slice(&members.0);
        }
        self
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn key(&mut self, key: &str) {
        self.comma();
        string(&mut self.0, key);
        self.0.push(b':');
    }

    fn comma(&mut self) {
        // The first member of an object follows its brace.
        if self.0.last().is_some_and(|&last| last != b'{') {
            self.0.push(b',');
        }
    }
}

/// Returns a caller's text, cut if it is long.
pub(crate) fn cut(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(MAX_CALLER_TEXT_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

/// Writes `text` in quotes. Everything but printable ASCII is escaped, so it can neither end a line nor control a terminal.
pub(super) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    // Most texts are plain and are copied at once.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\') {
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
        return;
    }
    for c in text.chars() {
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            ' '..='~' => out.push(c as u8),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}").expect("memory takes every byte");
                }
            }
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use crate::audit::write::record::*;

    #[test]
    fn record_text_is_one_line_of_printable_ascii_and_reads_back() {
        let text = "a\nb\r\0\u{1b}[2J\u{202e}\u{7f}\u{85}\u{2028}\"\\é🦀";
        let mut out = Vec::new();
        string(&mut out, text);
        assert!(out.iter().all(|byte| (b' '..=b'~').contains(byte)), "{out:?}");
        assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
    }

    #[test]
    fn long_caller_text_is_cut() {
        let mut record = RecordWriter::of("x");
        record.caller_text("sub", &"é".repeat(1_000));
        assert!(record.bytes().len() < 128 * 6 + 40);
    }
}
