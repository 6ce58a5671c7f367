//! Tells whether a request was observed while it was answered: some are refused before they reach their method.

use std::cell::Cell;

tokio::task_local! {
    /// Whether the request that this task answers has been observed.
    static IS_OBSERVED: Cell<bool>;
}

/// Marks the request that this task answers as observed.
pub(super) fn mark() {
    // Outside of a watched request, nothing reads the mark.
    let _ = IS_OBSERVED.try_with(|is_observed| is_observed.set(true));
}

/// Does the work of a request. Returns its result, and whether the request was observed meanwhile. A closure makes the work, so
/// that its future is held once.
pub(crate) fn watched<W: Future>(work: impl FnOnce() -> W) -> impl Future<Output = (W::Output, bool)> {
    IS_OBSERVED.scope(Cell::new(false), async move {
        let result = work().await;
        (result, IS_OBSERVED.with(Cell::get))
    })
}
