//! Writes text of declarations as HTML that shows it and cannot run it.

use std::fmt::Write as _;

use serde_json::Value;

use crate::text::is_hidden;

/// The longest description that is shown at once, in bytes; the rest of a longer one opens on demand.
const MAX_OPEN_BYTES: usize = 2_000;

/// Escapes text for an element or an attribute. Characters that are invisible or turn the direction of text are named.
pub(crate) fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            // They join an emoji, and turn nothing.
            '\u{200D}' | '\u{FE0F}' => html.push(character),
            _ if is_hidden(character) => _ = write!(html, "[U+{:04X}]", u32::from(character)),
            _ => html.push(character),
        }
    }
    html
}

/// Writes JSON for a `<code>` element. Invisible characters become escapes, so a copy has the same value.
pub(super) fn code(json: &str) -> String {
    let mut visible = String::with_capacity(json.len());
    for character in json.chars() {
        if is_hidden(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(visible, "\\u{unit:04x}");
            }
        } else {
            visible.push(character);
        }
    }
    // Quotes stand for themselves outside attributes: most of a schema is quotes.
    visible.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Writes a schema as indented JSON.
pub(super) fn schema(schema: &Value) -> String {
    code(&serde_json::to_string_pretty(schema).unwrap_or_default())
}

/// Writes one line of text with its `code` between backticks.
pub(super) fn line(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    let mut parts = text.split('`').peekable();
    let mut is_code = false;
    while let Some(part) = parts.next() {
        let is_closed = parts.peek().is_some();
        let _ = match (is_code, is_closed) {
            (true, true) => write!(html, "<code>{}</code>", escaped(part)),
            (true, false) => write!(html, "`{}", escaped(part)),
            (false, _) => write!(html, "{}", escaped(part)),
        };
        is_code = !is_code;
    }
    html
}

/// Writes paragraphs. Tables and code blocks of Markdown keep their columns; other Markdown is shown as written.
pub(super) fn prose(text: &str) -> String {
    if text.len() <= MAX_OPEN_BYTES {
        return paragraphs(text);
    }
    let cut =
        text.char_indices().map(|(at, _)| at).take_while(|at| *at <= MAX_OPEN_BYTES).last().unwrap_or(0);
    let cut = text[..cut].rfind("\n\n").unwrap_or(cut);
    let (start, rest) = text.split_at(cut);
    format!(
        "{}<details class=\"more\"><summary>Show the other {} characters</summary>{}</details>",
        paragraphs(start),
        rest.chars().count(),
        paragraphs(rest),
    )
}

fn paragraphs(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
        let paragraph = paragraph.trim_matches('\n');
        let is_block = paragraph.lines().all(|line| line.starts_with('|')) || paragraph.starts_with("```");
        let _ = if is_block {
            writeln!(html, "<pre dir=\"auto\"><code>{}</code></pre>", escaped(paragraph))
        } else {
            writeln!(html, "<p dir=\"auto\">{}</p>", line(paragraph))
        };
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_leave_its_element() {
        let hostile = "</script><img src=x onerror=alert(1)> & \"quoted\" \u{202E}";
        let shown = "&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt; &amp; &quot;quoted&quot; [U+202E]";
        assert_eq!(escaped(hostile), shown);
        assert_eq!(line("a `b<c` d` e"), "a <code>b&lt;c</code> d` e");
        assert_eq!(code("\"\u{202E}<\u{E0041}\""), "\"\\u202e&lt;\\udb40\\udc41\"");
    }

    #[test]
    fn long_text_is_cut_between_paragraphs_or_characters() {
        let cut = |text: &str| prose(text).split("<details").next().map(str::len);
        assert_eq!(cut(&format!("{}\n\n{}", "a".repeat(900), "b".repeat(2_000))), Some(900 + 19));
        assert!(prose(&"é".repeat(50_000)).contains("Show the other 49000 characters"));
        assert!(!prose(&"a".repeat(MAX_OPEN_BYTES)).contains("<details"));
    }
}
