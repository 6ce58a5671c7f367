//! Fails a test whose sandboxed tools leave threads behind.

use std::{sync::Arc, thread};

use crate::sandbox::ThreadWatch;

/// Panics when it is dropped, if a thread that a sandboxed tool of the server started still runs.
pub(super) struct ThreadCheck(Arc<ThreadWatch>);

impl ThreadCheck {
    pub(super) fn new(watch: Arc<ThreadWatch>) -> Self {
        Self(watch)
    }
}

impl Drop for ThreadCheck {
    fn drop(&mut self) {
        // A second panic would abort the test and hide the reason of the first.
        if thread::panicking() {
            return;
        }
        if let Some(left) = self.0.certain().first() {
            panic!("{}", left.message().note("a test allows it with `ClientBuilder::may_leave_threads`"));
        }
    }
}
