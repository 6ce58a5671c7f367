//! Splits bytes of a log into lines.

/// The most bytes of a line; several times those of the longest record.
pub(super) const MAX_LOG_LINE_BYTES: usize = 512 * 1024;

/// Returns the lines of a block, without their newlines.
pub(super) fn lines(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = block;
    std::iter::from_fn(move || {
        let at = memchr::memchr(b'\n', rest)?;
        let line = &rest[..at];
        rest = &rest[at + 1..];
        Some(line)
    })
}
