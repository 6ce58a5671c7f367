//! Runs a handler's work on the threads of its sandbox and returns its answer.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use tokio::task::{JoinError, JoinHandle};

use super::{SandboxId, SandboxRuntime, dispatch::Dispatcher};

/// The threads on which a handler runs.
#[derive(Clone, Copy)]
pub(crate) enum Executor<'a> {
    /// The current threads, which also run the service: they have no sandbox, or this one.
    Current(Option<SandboxId>),
    /// Sandboxed threads, reached from a service that has no sandbox.
    Sandboxed(&'a SandboxRuntime),
    /// Threads of this sandbox or of none, reached from a service in another sandbox.
    Dispatched(&'a Dispatcher, Option<SandboxId>),
    /// None: the threads could not be started.
    Unavailable,
}

impl Executor<'_> {
    /// Returns the sandbox of the threads, if they have one.
    pub(crate) fn sandbox_id(self) -> Option<SandboxId> {
        match self {
            Self::Current(sandbox_id) | Self::Dispatched(_, sandbox_id) => sandbox_id,
            Self::Sandboxed(sandboxed) => Some(sandboxed.sandbox_id),
            Self::Unavailable => None,
        }
    }

    /// Runs a future on a task of its own and returns its answer; `None` if it panicked. With `abort_on_drop`, the task
    /// ends as soon as its caller stops waiting.
    pub(crate) async fn run<T: Send + 'static>(
        self,
        work: impl Future<Output = T> + Send + 'static,
        abort_on_drop: bool,
    ) -> Option<T> {
        match self {
            Self::Current(_) => HandlerTask { handle: tokio::spawn(work), abort_on_drop }.await.ok(),
            Self::Sandboxed(sandboxed) => sandboxed.dispatcher.run(work, abort_on_drop).await,
            Self::Dispatched(dispatcher, _) => dispatcher.run(work, abort_on_drop).await,
            Self::Unavailable => None,
        }
    }

    /// Runs a function that blocks on a thread of its own, otherwise as [`Executor::run`] does.
    pub(crate) async fn block<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
        abort_on_drop: bool,
    ) -> Option<T> {
        let handle = match self {
            Self::Current(_) => tokio::task::spawn_blocking(work),
            Self::Sandboxed(sandboxed) => sandboxed.handle.spawn_blocking(work),
            // `spawn_blocking` may start a thread, which inherits the sandbox of the thread that calls it.
            Self::Dispatched(dispatcher, _) => return dispatcher.block(work, abort_on_drop).await,
            Self::Unavailable => return None,
        };
        HandlerTask { handle, abort_on_drop }.await.ok()
    }
}

/// A running handler. Dropping it stops the handler if `abort_on_drop` is set. A handler that must not be repeated runs to
/// its end instead, so that its effect is never left half done; only its answer is lost.
struct HandlerTask<T> {
    handle: JoinHandle<T>,
    abort_on_drop: bool,
}

impl<T> Future for HandlerTask<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.handle).poll(cx)
    }
}

impl<T> Drop for HandlerTask<T> {
    fn drop(&mut self) {
        if self.abort_on_drop {
            self.handle.abort();
        }
    }
}
