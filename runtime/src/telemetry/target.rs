//! Reads the crate from the target of an event or a span.

use tracing::Metadata;

/// Returns the crate that made an event or a span. Each event asks for it, so that no search for `::` is made.
pub(super) fn crate_of<'a>(metadata: &Metadata<'a>) -> &'a str {
    let target = metadata.target();
    let end = target.bytes().position(|byte| byte == b':').unwrap_or(target.len());
    &target[..end]
}
