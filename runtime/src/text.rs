//! Makes a caller's text safe to repeat, and guesses the word that a caller meant.

/// The number of characters of a caller's word that are repeated to the caller.
const MAX_WORD_CHARS: usize = 64;

/// Escapes and cuts `word`.
pub(crate) fn shown(word: &str) -> String {
    let mut shown: String = word.chars().take(MAX_WORD_CHARS).flat_map(char::escape_debug).collect();
    if word.chars().nth(MAX_WORD_CHARS).is_some() {
        shown.push('…');
    }
    shown
}

/// Finds the one of `words` that `word` most likely means.
pub(crate) fn nearest<'a>(word: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > MAX_WORD_CHARS {
        return None;
    }
    words
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

/// Returns whether `c` is invisible or changes the direction of text (Unicode TR 36, TR 55): such characters can carry
/// instructions that a person does not see. The macro refuses the same set in literals.
pub(crate) fn is_hidden(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{00AD}'
        | '\u{034F}'
        | '\u{061C}'
        | '\u{115F}'
        | '\u{1160}'
        | '\u{17B4}'
        | '\u{17B5}'
        | '\u{180B}'..='\u{180F}'
        | '\u{200B}'..='\u{200F}'
        | '\u{2028}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}'
        | '\u{3164}'
        | '\u{FE00}'..='\u{FE0F}'
        | '\u{FEFF}'
        | '\u{FFA0}'
        | '\u{FFF0}'..='\u{FFFB}'
        | '\u{1BCA0}'..='\u{1BCA3}'
        | '\u{1D173}'..='\u{1D17A}'
        | '\u{E0000}'..='\u{E0FFF}' => true,
        c => c.is_control(),
    }
}

/// A number of bytes, in the largest unit that divides it.
pub(crate) fn size(bytes: usize) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.into_iter().find(|(power, _)| bytes > 0 && bytes.trailing_zeros() >= *power) {
        Some((power, unit)) => format!("{} {unit}", bytes >> power),
        None => format!("{bytes} bytes"),
    }
}

/// Whole seconds, rounded up, as in `Retry-After` (RFC 9110 §10.2.3).
pub(crate) fn whole_seconds(wait: std::time::Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0))
}
