//! A handler's work → the threads that it is to run on, and its answer back.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use tokio::task::{JoinError, JoinHandle};

use super::{Mark, Sealed, dispatch::Door};

/// Where a handler runs.
#[derive(Clone, Copy)]
pub(crate) enum Place<'a> {
    /// On the threads that its service runs on: they have no seal, or this one.
    Here(Option<Mark>),
    /// On sealed threads, while those of its service have no seal.
    Sealed(&'a Sealed),
    /// Behind a door, where the seal is this one or none; those of its service have another.
    Behind(&'a Door, Option<Mark>),
    /// Nowhere: the threads could not be made.
    Broken,
}

impl Place<'_> {
    /// What threads there gave up, where they did.
    pub(crate) fn mark(self) -> Option<Mark> {
        match self {
            Self::Here(mark) | Self::Behind(_, mark) => mark,
            Self::Sealed(sealed) => Some(sealed.mark),
            Self::Broken => None,
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
            Self::Here(_) => Work { handle: tokio::spawn(work), stops }.await.ok(),
            Self::Sealed(sealed) => sealed.door.run(work, stops).await,
            Self::Behind(door, _) => door.run(work, stops).await,
            Self::Broken => None,
        }
    }

    /// The same for a function that blocks, on a thread of its own.
    pub(crate) async fn block<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
        stops: bool,
    ) -> Option<T> {
        let handle = match self {
            Self::Here(_) => tokio::task::spawn_blocking(work),
            Self::Sealed(sealed) => sealed.handle.spawn_blocking(work),
            // Whoever asks for a blocking thread may be the one that starts it, and it inherits their seal.
            Self::Behind(door, _) => return door.block(work, stops).await,
            Self::Broken => return None,
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
