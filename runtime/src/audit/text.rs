//! Keys and values → the JSON of a record: one line of printable ASCII, whatever was in them.

use std::{borrow::Cow, io::Write as _};

/// The most characters of somebody's word that a record holds.
const LONGEST: usize = 128;

/// The members of a JSON object, from its first on and without its braces.
#[derive(Clone, Debug, Default)]
pub(crate) struct Body(pub(super) Vec<u8>);

impl Body {
    /// A body of this kind.
    pub(crate) fn of(kind: &str) -> Self {
        Self::saying(|body| _ = body.text("kind", kind))
    }

    /// A body of which this is said.
    pub(crate) fn saying(say: impl FnOnce(&mut Self)) -> Self {
        let mut body = Self::new();
        say(&mut body);
        body
    }

    /// A body with room for what most records hold.
    pub(crate) fn new() -> Self {
        Self(Vec::with_capacity(768))
    }

    /// A member whose value is text.
    pub(crate) fn text(&mut self, key: &str, text: &str) -> &mut Self {
        self.key(key);
        string(&mut self.0, text);
        self
    }

    /// A member whose value is somebody's word, cut where it is long.
    pub(crate) fn word(&mut self, key: &str, word: &str) -> &mut Self {
        self.text(key, &cut(word))
    }

    /// A member whose value is a number.
    pub(crate) fn number(&mut self, key: &str, number: u64) -> &mut Self {
        self.key(key);
        write!(self.0, "{number}").expect("memory takes every byte");
        self
    }

    /// A member whose value is `true` or `false`.
    pub(crate) fn flag(&mut self, key: &str, flag: bool) -> &mut Self {
        self.json(key, if flag { b"true" } else { b"false" })
    }

    /// A member whose value is JSON already.
    pub(crate) fn json(&mut self, key: &str, json: &[u8]) -> &mut Self {
        self.key(key);
        self.0.extend_from_slice(json);
        self
    }

    /// A member whose value is an object of its own.
    pub(crate) fn object(&mut self, key: &str, fill: impl FnOnce(&mut Self)) -> &mut Self {
        self.key(key);
        self.0.push(b'{');
        fill(self);
        self.0.push(b'}');
        self
    }

    /// Members that were written before.
    pub(crate) fn members(&mut self, members: &Self) -> &mut Self {
        if !members.0.is_empty() {
            self.comma();
            self.0.extend_from_slice(&members.0);
        }
        self
    }

    fn key(&mut self, key: &str) {
        self.comma();
        string(&mut self.0, key);
        self.0.push(b':');
    }

    fn comma(&mut self) {
        // Behind a brace stands the first member of an object.
        if self.0.last().is_some_and(|&last| last != b'{') {
            self.0.push(b',');
        }
    }
}

/// Somebody's word, cut where it is long.
pub(crate) fn cut(word: &str) -> Cow<'_, str> {
    match word.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &word[..end]).into(),
        None => word.into(),
    }
}

/// `text` in quotes. What is not printable ASCII is escaped: it can neither end a line nor reach a terminal.
pub(super) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    // Most texts are plain, and all of them at once.
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
    use super::*;

    #[test]
    fn whatever_is_in_a_text_stays_one_line_of_printable_ascii_and_reads_back() {
        let text = "a\nb\r\0\u{1b}[2J\u{202e}\u{7f}\u{85}\u{2028}\"\\é🦀";
        let mut out = Vec::new();
        string(&mut out, text);
        assert!(out.iter().all(|byte| (b' '..=b'~').contains(byte)), "{out:?}");
        assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
    }

    #[test]
    fn a_long_word_is_cut() {
        let mut body = Body::of("x");
        body.word("sub", &"é".repeat(1_000));
        assert!(body.0.len() < 128 * 6 + 40);
    }
}
