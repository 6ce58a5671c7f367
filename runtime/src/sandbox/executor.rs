//! Runs a handler's work on the threads of its sandbox and returns its answer.

use futures::FutureExt as _;
use tokio::task::JoinHandle;
use tokio_util::task::AbortOnDropHandle;

use super::{HandlerRuntime, SandboxId};

/// The threads on which a handler runs. They are never those of the service.
#[derive(Clone, Copy)]
pub(crate) enum Executor<'a> {
    /// Threads in the handler's sandbox, or without one.
    Threads(&'a HandlerRuntime),
    /// The current runtime, whose clock a test has paused: other threads would not share that clock.
    Paused,
    /// None: the threads could not be started.
    Unavailable,
}

impl Executor<'_> {
    /// Returns the sandbox of the threads, if they have one.
    pub(crate) fn sandbox_id(self) -> Option<SandboxId> {
        match self {
            Self::Threads(threads) => threads.sandbox_id,
            Self::Paused | Self::Unavailable => None,
        }
    }

    /// Runs a future on a task of its own and returns its answer; `None` if it panicked. With `abort_on_drop`, the task
    /// ends as soon as its caller stops waiting. A handler that must not be repeated runs to its end instead, so that its
    /// effect is never left half done; only its answer is lost.
    pub(crate) async fn run<T: Send + 'static>(
        self,
        work: impl Future<Output = T> + Send + 'static,
        abort_on_drop: bool,
    ) -> Option<T> {
        match self {
            Self::Threads(threads) => threads.dispatcher.run(work, abort_on_drop).await,
            Self::Paused => join(tokio::spawn(work.boxed()), abort_on_drop).await,
            Self::Unavailable => None,
        }
    }

    /// Runs a function that blocks on a thread of its own, otherwise as [`Executor::run`] does.
    pub(crate) async fn block<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
        abort_on_drop: bool,
    ) -> Option<T> {
        match self {
            Self::Threads(threads) => threads.blocking.run(work, abort_on_drop).await,
            Self::Paused => {
                let work: Box<dyn FnOnce() -> T + Send> = Box::new(work);
                join(tokio::task::spawn_blocking(work), abort_on_drop).await
            }
            Self::Unavailable => None,
        }
    }
}

async fn join<T>(handle: JoinHandle<T>, abort_on_drop: bool) -> Option<T> {
    if abort_on_drop { AbortOnDropHandle::new(handle).await.ok() } else { handle.await.ok() }
}
