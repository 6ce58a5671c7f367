//! Reads sizes such as `8MiB` on the command line.

use crate::message::Message;

/// Reads a number of bytes, with or without a unit.
pub(super) fn bytes(text: &str) -> Result<usize, Message> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: Option<usize> = match &text[digits.len()..] {
        "" => Some(1),
        "KiB" => Some(1 << 10),
        "MiB" => Some(1 << 20),
        "GiB" => Some(1 << 30),
        _ => None,
    };
    let bytes = unit.and_then(|unit| digits.trim_end().parse::<usize>().ok()?.checked_mul(unit));
    bytes.ok_or_else(|| Message::new("expected a number of bytes, or a size such as `512KiB` or `8MiB`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_and_without_a_unit() {
        for (text, size) in [
            ("0", 0),
            ("1000", 1000),
            ("8KiB", 8 << 10),
            ("8MiB", 8 << 20),
            ("2GiB", 2 << 30),
            ("8 MiB", 8 << 20),
        ] {
            assert_eq!(bytes(text), Ok(size), "{text}");
        }
        for text in ["", "MiB", "8MB", "8m", "-1", "1.5MiB", "99999999999999999999", "99999999999999GiB"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
