//! Compiles the patterns of JSON Schema, which are regular expressions of ECMA-262.

use regex::{Regex, RegexBuilder};

/// The limit on a compiled pattern, in bytes.
const MAX_PATTERN_BYTES: usize = 1 << 20;

/// Compiles a pattern. It matches anywhere in a text, in time linear in the text's length.
pub(super) fn regex(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(&with_ascii_classes(pattern)).size_limit(MAX_PATTERN_BYTES).build()
}

/// Rewrites `\d` and `\w`, which mean ASCII in ECMA-262 and all of Unicode in `regex`.
fn with_ascii_classes(pattern: &str) -> String {
    let mut rust = String::with_capacity(pattern.len());
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        match (letter, if letter == '\\' { letters.next() } else { None }) {
            (_, Some('d')) => rust += "[0-9]",
            (_, Some('D')) => rust += "[^0-9]",
            (_, Some('w')) => rust += "[0-9A-Za-z_]",
            (_, Some('W')) => rust += "[^0-9A-Za-z_]",
            (_, Some(escaped)) => rust.extend(['\\', escaped]),
            (letter, None) => rust.push(letter),
        }
    }
    rust
}
