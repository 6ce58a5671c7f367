//! Shows a caller's text on one line, so that nothing in it is invisible and no client renders it as markup.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::text;

/// The length of a digest that is shown, in bytes.
const DIGEST_BYTES: usize = 8;

/// Shows a text in at most `max` characters: a Markdown code span of the text in quotes.
///
/// A character that a screen would hide, or a client could render, is shown as a mark: `⟨newline⟩`, `⟨U+200B⟩`. Blanks that
/// follow each other are counted: `⟨␣×120⟩`. Of a longer text, the span shows the start and the end, with the length and
/// a digest of the whole.
pub(super) fn text_span(text: &str, max: usize) -> String {
    span(text, Quotes { quote: "\"" }, max)
}

/// Shows a number, a path or another word in the same way, without quotes.
pub(super) fn word_span(word: &str, max: usize) -> String {
    span(word, Quotes { quote: "" }, max)
}

/// The quotes of a span.
#[derive(Clone, Copy)]
struct Quotes {
    quote: &'static str,
}

fn span(text: &str, quotes: Quotes, max: usize) -> String {
    let quote = quotes.quote;
    let (whole, end) = quotes.start(text, max);
    if end == text.len() {
        return format!("`{quote}{whole}{quote}`");
    }
    let end_max = max / 3;
    let (start, at) = quotes.start(text, max - end_max);
    let end = quotes.end(&text[at..], end_max);
    let (count, digest) = (text.chars().count(), digest(text.as_bytes()));
    format!("`{quote}{start}` … `{end}{quote}` ({count} characters, SHA-256 {digest})")
}

/// Returns the start of the SHA-256 of `bytes`, in hexadecimal.
pub(super) fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter().take(DIGEST_BYTES).fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

impl Quotes {
    /// Shows as much of the start of `text` as fits in `max` characters. Returns it with the index behind it.
    fn start(self, text: &str, max: usize) -> (String, usize) {
        let (mut shown, mut width, mut at) = (String::new(), 0, 0);
        while let Some(c) = text[at..].chars().next() {
            let end = at + run(c, text[at..].chars()) * c.len_utf8();
            let piece = self.piece(c, &text[at..end], &text[end..]);
            width += piece.chars().count();
            if width > max {
                break;
            }
            shown += &piece;
            at = end;
        }
        (shown, at)
    }

    /// Shows as much of the end of `text` as fits in `max` characters.
    fn end(self, text: &str, max: usize) -> String {
        let (mut pieces, mut width, mut end) = (Vec::new(), 0, text.len());
        while let Some(c) = text[..end].chars().next_back() {
            let at = end - run(c, text[..end].chars().rev()) * c.len_utf8();
            let piece = self.piece(c, &text[at..end], &text[end..]);
            width += piece.chars().count();
            if width > max {
                break;
            }
            pieces.push(piece);
            end = at;
        }
        pieces.into_iter().rev().collect()
    }

    /// Shows `piece`, which holds only the character `c`, before `following`.
    fn piece(self, c: char, piece: &str, following: &str) -> String {
        let count = piece.len() / c.len_utf8();
        let name = match c {
            ' ' if count == 1 => return c.to_string(),
            ' ' => "␣".to_owned(),
            '"' | '\\' if !self.quote.is_empty() => return format!("\\{c}"),
            '\n' => "newline".to_owned(),
            '\t' => "tab".to_owned(),
            '`' => "backtick".to_owned(),
            // The brackets of a mark must not occur in a text.
            '⟨' | '⟩' => code_point(c),
            c if is_blank(c) || opens_markup(c, following) => code_point(c),
            c => return c.to_string(),
        };
        if count == 1 { format!("⟨{name}⟩") } else { format!("⟨{name}×{count}⟩") }
    }
}

/// The number of characters at the start of `chars` that are shown as one mark.
fn run(c: char, chars: impl Iterator<Item = char>) -> usize {
    if c == ' ' || is_blank(c) { chars.take_while(|other| *other == c).count() } else { 1 }
}

/// Whether a screen shows `c` as nothing, as a blank or as a break.
fn is_blank(c: char) -> bool {
    // Two letters that have no ink: the Braille pattern without dots and the musical symbol of an empty head.
    let has_no_ink = matches!(c, '\u{2800}' | '\u{1D159}');
    c != ' ' && (has_no_ink || c.is_whitespace() || text::is_hidden(c) || !is_printable(c))
}

/// Whether Unicode assigns `c` to something visible. A combining mark is visible above the letter before it.
fn is_printable(c: char) -> bool {
    matches!(c, '"' | '\'' | '\\') || format!("a{c}").escape_debug().nth(2).is_none()
}

fn code_point(c: char) -> String {
    format!("U+{:04X}", u32::from(c))
}

/// Whether `c` begins a tag or a character reference of HTML, which a client renders that does not know code spans.
fn opens_markup(c: char, following: &str) -> bool {
    match c {
        '<' => following.starts_with(|next: char| next.is_ascii_alphabetic() || "/!?".contains(next)),
        '&' => {
            let name = following.find(|c: char| !c.is_ascii_alphanumeric() && c != '#');
            name.is_some_and(|end| end > 0 && following[end..].starts_with(';'))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        text_span(text, 300)
    }

    #[test]
    fn blanks_and_hidden_characters_are_shown_and_counted() {
        for (text, expected) in [
            ("two words", "two words"),
            ("ls        x", "ls⟨␣×8⟩x"),
            ("a\u{A0}b\u{3164}\u{3164}c\u{2800}d", "a⟨U+00A0⟩b⟨U+3164×2⟩c⟨U+2800⟩d"),
            ("a\n\n\tb\r", "a⟨newline×2⟩⟨tab⟩b⟨U+000D⟩"),
            ("\u{202E}x\u{200B}y\u{E0041}\u{1D173}", "⟨U+202E⟩x⟨U+200B⟩y⟨U+E0041⟩⟨U+1D173⟩"),
            ("\u{3000}\u{2003}\u{FFA0}\u{1D159}", "⟨U+3000⟩⟨U+2003⟩⟨U+FFA0⟩⟨U+1D159⟩"),
            ("e\u{301} Ä 日本 ไทย 'q'", "e\u{301} Ä 日本 ไทย 'q'"),
            ("say \"x\" \\", "say \\\"x\\\" \\\\"),
            // A mark cannot be written by the caller.
            ("⟨␣×2⟩", "⟨U+27E8⟩␣×2⟨U+27E9⟩"),
        ] {
            assert_eq!(shown(text), format!("`\"{expected}\"`"), "{text:?}");
        }
    }

    #[test]
    fn markup_stays_inside_its_code_span() {
        for (text, expected) in [
            ("**b** [x](https://a) # h", "**b** [x](https://a) # h"),
            ("`` ` ``` x", "⟨backtick⟩⟨backtick⟩ ⟨backtick⟩ ⟨backtick⟩⟨backtick⟩⟨backtick⟩ x"),
            ("<img src=x> </p><!-- 1 < 2", "⟨U+003C⟩img src=x> ⟨U+003C⟩/p>⟨U+003C⟩!-- 1 < 2"),
            ("&lt;b&gt; &#x3c; a && b; c?x&y=1", "⟨U+0026⟩lt;b⟨U+0026⟩gt; ⟨U+0026⟩#x3c; a && b; c?x&y=1"),
        ] {
            let shown = shown(text);
            assert_eq!(shown, format!("`\"{expected}\"`"), "{text:?}");
            assert_eq!(shown.matches('`').count(), 2, "{shown}");
        }
    }

    #[test]
    fn long_text_shows_start_end_length_and_digest() {
        let text = format!("{}{}", "a".repeat(400), "z".repeat(300));
        let digest = digest(text.as_bytes());
        let expected =
            format!("`\"{}` … `{}\"` (700 characters, SHA-256 {digest})", "a".repeat(200), "z".repeat(100));
        assert_eq!(shown(&text), expected);
        assert_eq!(shown(&"x".repeat(300)), format!("`\"{}\"`", "x".repeat(300)));
        // The known digest of `abc` (FIPS 180-2), cut.
        assert_eq!(super::digest(b"abc"), "ba7816bf8f01cfea");
    }

    #[test]
    fn no_text_is_shown_twice_when_it_is_cut() {
        // A blank run that fits in neither part is counted in the length alone.
        let text = format!("{}{}", "a".repeat(295), "\u{3164}b".repeat(3));
        assert!(shown(&text).starts_with(&format!("`\"{}` … `", "a".repeat(200))), "{}", shown(&text));
        assert!(shown(&text).contains("⟨U+3164⟩b⟨U+3164⟩b⟨U+3164⟩b\"` (301 characters"), "{}", shown(&text));
    }
}
