//! A handler's work → the threads that it is to run on, and its answer back.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use tokio::task::{JoinError, JoinHandle};

use super::{SandboxId, SandboxRuntime, dispatch::Dispatcher};

/// Where a handler runs.
#[derive(Clone, Copy)]
pub(crate) enum Executor<'a> {
    /// On the threads that its service runs on: they have no sandbox, or this one.
    Current(Option<SandboxId>),
    /// On sandboxed threads, while those of its service have no sandbox.
    Sandboxed(&'a SandboxRuntime),
    /// Behind a dispatcher, where the sandbox is this one or none; those of its service have another.
    Dispatched(&'a Dispatcher, Option<SandboxId>),
    /// Nowhere: the threads could not be made.
    Unavailable,
}

impl Executor<'_> {
    /// What threads there gave up, where they did.
    pub(crate) fn sandbox_id(self) -> Option<SandboxId> {
        match self {
            Self::Current(sandbox_id) | Self::Dispatched(_, sandbox_id) => sandbox_id,
            Self::Sandboxed(sandboxed) => Some(sandboxed.sandbox_id),
            Self::Unavailable => None,
        }
    }

    /// Runs a function that may wait, on a task of its own, and brings its answer; none where it panicked. Where it
    /// `stops`, it does so once nobody waits for the answer any more.
    pub(crate) async fn run<T: Send + 'static>(
        self,
        work: impl Future<Output = T> + Send + 'static,
        stops: bool,
    ) -> Option<T> {
        match self {
            Self::Current(_) => Work { handle: tokio::spawn(work), stops }.await.ok(),
            Self::Sandboxed(sandboxed) => sandboxed.dispatcher.run(work, stops).await,
            Self::Dispatched(dispatcher, _) => dispatcher.run(work, stops).await,
            Self::Unavailable => None,
        }
    }

    /// The same for a function that blocks, on a thread of its own.
    pub(crate) async fn block<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
        stops: bool,
    ) -> Option<T> {
        let handle = match self {
            Self::Current(_) => tokio::task::spawn_blocking(work),
            Self::Sandboxed(sandboxed) => sandboxed.handle.spawn_blocking(work),
            // Whoever asks for a blocking thread may be the one that starts it, and it inherits their sandbox.
            Self::Dispatched(dispatcher, _) => return dispatcher.block(work, stops).await,
            Self::Unavailable => return None,
        };
        Work { handle, stops }.await.ok()
    }
}

/// A handler at work. Whoever stops waiting for it stops it, unless it may not be repeated: then it runs to its end, so
/// that it is never left half done, and only loses its listener.
struct Work<T> {
    handle: JoinHandle<T>,
    stops: bool,
}

impl<T> Future for Work<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.handle).poll(cx)
    }
}

impl<T> Drop for Work<T> {
    fn drop(&mut self) {
        if self.stops {
            self.handle.abort();
        }
    }
}
