//! Runs code in a span of the subscriber, or in one that only the collector gets.

use std::{
    pin::Pin,
    task::{Context as TaskContext, Poll},
};

#[cfg(feature = "otel")]
use opentelemetry::Context;
use tracing::Span;

/// A span that code can run in. Spans that this code opens are its children.
#[derive(Clone, Debug)]
pub(crate) enum SpanScope {
    /// A span of the subscriber; a disabled one if nothing records it.
    Tracing(Span),
    /// A span that the subscriber does not have. The subscriber's layer for OpenTelemetry makes its spans below that of the
    /// current context.
    #[cfg(feature = "otel")]
    Exported(Context),
}

impl SpanScope {
    /// Runs a function in the span.
    pub(super) fn enter<T>(&self, work: impl FnOnce() -> T) -> T {
        match self {
            Self::Tracing(span) => span.in_scope(work),
            #[cfg(feature = "otel")]
            Self::Exported(context) => {
                let _attached = context.clone().attach();
                work()
            }
        }
    }

    /// Runs a future in the span, and drops it there.
    pub(crate) fn run<F>(self, work: F) -> InScope<F> {
        InScope { scope: self, work: Some(work) }
    }
}

pin_project_lite::pin_project! {
    /// A future that runs in a span. Its end and its drop are one entry of the span, which each costs a call.
    pub(crate) struct InScope<F> {
        scope: SpanScope,
        // None after its end.
        #[pin]
        work: Option<F>,
    }

    impl<F> PinnedDrop for InScope<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if this.work.is_some() {
                this.scope.enter(|| this.work.set(None));
            }
        }
    }
}

impl<F: Future> Future for InScope<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        this.scope.enter(|| {
            let work = this.work.as_mut().as_pin_mut();
            let polled = work.expect("a future is not polled after its end").poll(task);
            if polled.is_ready() {
                this.work.set(None);
            }
            polled
        })
    }
}
