//! Holds the runtime that the state of a server was made on, and what runs when the server stops.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, resume_unwind},
    sync::{Mutex, PoisonError, mpsc},
};

use futures::{FutureExt as _, future::BoxFuture};
use tokio::{
    runtime::{Builder, EnterGuard, Handle, Runtime, RuntimeFlavor},
    task::block_in_place,
};

use crate::{message::Message, start_error::StartError, start_runtime::start_runtime};

/// The function that a server runs when it stops ([`Server::on_stop`](crate::Server::on_stop)).
pub(crate) type StopHook = Box<dyn FnOnce() -> BoxFuture<'static, Result<(), Message>> + Send>;

/// The runtime of a server's state, and what runs at the server's end.
#[derive(Default)]
pub(crate) struct Lifecycle {
    hooks: Mutex<Vec<StopHook>>,
    runtime: Option<StateRuntime>,
}

impl Lifecycle {
    pub(crate) fn new(hooks: Vec<StopHook>, runtime: Option<StateRuntime>) -> Self {
        Self { hooks: Mutex::new(hooks), runtime }
    }

    /// Runs what [`Server::on_stop`](crate::Server::on_stop) was given, once and in that order. Returns the failures.
    pub(crate) async fn stop(&self) -> Vec<Message> {
        let hooks = std::mem::take(&mut *self.hooks.lock().unwrap_or_else(PoisonError::into_inner));
        let handle = self.runtime.as_ref().map_or_else(Handle::current, StateRuntime::handle);
        let mut failures = Vec::new();
        for hook in hooks {
            // On a task of its own, so that a panic stops neither the next one nor the server's end.
            let ended = handle.spawn(async move { hook().await }.boxed()).await;
            match ended.unwrap_or_else(|_| Err(Message::new("it panicked"))) {
                Ok(()) => {}
                Err(error) => failures.push(Message::new(format!("`on_stop` failed: {error}"))),
            }
        }
        failures
    }
}

/// A state of any type: what waits for it is not compiled again for each.
pub(crate) type AnyState = Box<dyn Any + Send>;

/// A runtime that the server starts for its state, if the state is made outside any other runtime.
pub(crate) struct StateRuntime(Option<Runtime>);

impl StateRuntime {
    fn start() -> Result<Self, StartError> {
        let mut builder = Builder::new_multi_thread();
        let runtime = start_runtime(builder.worker_threads(2).thread_name("state"));
        runtime.map(|runtime| Self(Some(runtime))).map_err(|error| {
            StartError::State(Message::failure("the threads of its runtime cannot be started", &error))
        })
    }

    /// Starts a runtime if the current thread has not entered one.
    pub(crate) fn unless_entered() -> Result<Option<Self>, StartError> {
        if Handle::try_current().is_ok() { Ok(None) } else { Self::start().map(Some) }
    }

    /// Starts a runtime if the current thread has entered none, or one that makes no progress while this thread waits.
    pub(crate) fn unless_multi_threaded() -> Result<Option<Self>, StartError> {
        match Handle::try_current() {
            Ok(handle) if handle.runtime_flavor() == RuntimeFlavor::MultiThread => Ok(None),
            _ => Self::start().map(Some),
        }
    }

    fn handle(&self) -> Handle {
        self.0.as_ref().expect("it is taken when it is dropped").handle().clone()
    }

    pub(crate) fn enter(&self) -> EnterGuard<'_> {
        self.0.as_ref().expect("it is taken when it is dropped").enter()
    }

    /// Makes a state on `runtime`, or on the current one, and waits for it without blocking other tasks.
    pub(crate) fn wait(
        runtime: Option<&Self>,
        make: BoxFuture<'static, Result<AnyState, Message>>,
    ) -> Result<AnyState, Message> {
        let (sender, receiver) = mpsc::channel();
        let handle = runtime.map_or_else(Handle::current, Self::handle);
        let work = async move {
            let made = AssertUnwindSafe(make).catch_unwind().await;
            let _ = sender.send(made);
        };
        handle.spawn(work.boxed());
        let receive = || receiver.recv();
        let received = if runtime.is_some() { receive() } else { block_in_place(receive) };
        match received.expect("a runtime runs its tasks while it is waited for") {
            Ok(made) => made,
            Err(panic) => resume_unwind(panic),
        }
    }
}

impl Drop for StateRuntime {
    fn drop(&mut self) {
        // Waiting for threads is not allowed inside another runtime.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
