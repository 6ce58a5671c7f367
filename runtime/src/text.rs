//! Words of a caller's → words that are safe to repeat, and the nearest word that was meant.

/// The most characters of a caller's word that are repeated to them.
const LONGEST: usize = 64;

/// `word`, escaped and cut.
pub(crate) fn shown(word: &str) -> String {
    let mut shown: String = word.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if word.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}

/// The one of `words` that `word` most likely means.
pub(crate) fn nearest<'a>(word: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > LONGEST {
        return None;
    }
    words
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}
