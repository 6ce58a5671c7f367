//! Wraps a body with a guard that is dropped when the body is sent, or its reader is gone.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http_body::{Body, Frame, SizeHint};

pin_project_lite::pin_project! {
    pub(super) struct GuardedBody<B, T> {
        #[pin]
        body: B,
        _guard: T,
    }
}

impl<B, T> GuardedBody<B, T> {
    /// Drops `guard` with the body.
    pub(super) fn new(body: B, guard: T) -> Self {
        Self { body, _guard: guard }
    }
}

impl<B: Body, T> Body for GuardedBody<B, T> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
