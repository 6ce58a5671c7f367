//! Gives a server its state: a value, or a function that makes it when the server starts.

use std::{any::Any, error::Error, sync::Arc};

use futures::{FutureExt as _, future::BoxFuture};

use super::Server;
use crate::{
    lifecycle::{AnyState, StateRuntime, StopHook},
    message::Message,
    serve::{ServerHandler, UserHandler},
    start_error::StartError,
    tool::{error::ToolError, state::State},
};

/// The values of a server's own arguments.
pub(crate) type ArgumentValues = Box<dyn Any + Send>;

/// The state of a server, or what makes it.
pub(super) enum Source<C> {
    Ready(C),
    /// Made only when the server serves: printing a manifest opens no database.
    Later(Box<MakeState<C>>),
    Async(Box<MakeStateAsync<C>>),
}

type MakeState<C> = dyn FnOnce(ArgumentValues) -> Result<C, Message> + Send;
type MakeStateAsync<C> = dyn FnOnce(ArgumentValues) -> BoxFuture<'static, Result<C, Message>> + Send;
/// The function that runs at the end of a server with the state `C`.
pub(super) type StopWith<C> = Box<dyn FnOnce(Arc<C>) -> BoxFuture<'static, Result<(), Message>> + Send>;

/// The function that makes the user's own handler of the state `C`.
pub(super) type HandlerWith<C> = Box<dyn FnOnce(Arc<C>) -> UserHandler + Send>;

impl<C: Send + 'static> Source<C> {
    /// Makes the state. Returns the runtime with it that it was made on, if that is the server's own.
    pub(super) fn make(self, values: ArgumentValues) -> Result<(C, Option<StateRuntime>), StartError> {
        let (state, runtime) = match self {
            Self::Ready(state) => return Ok((state, None)),
            Self::Later(make) => {
                let runtime = StateRuntime::unless_entered()?;
                let entered = runtime.as_ref().map(StateRuntime::enter);
                let state = make(values);
                drop(entered);
                (state, runtime)
            }
            Self::Async(make) => {
                let runtime = StateRuntime::unless_multi_threaded()?;
                let made = async { make(values).await.map(|state| -> AnyState { Box::new(state) }) };
                let state = StateRuntime::wait(runtime.as_ref(), made.boxed());
                (state.map(|state| *state.downcast().expect("it was made as this type")), runtime)
            }
        };
        Ok((state.map_err(StartError::State)?, runtime))
    }

    /// The state that `make` makes of a server's own arguments.
    pub(super) fn later<A: 'static, E: Into<Box<dyn Error + Send + Sync>>>(
        make: impl FnOnce(A) -> Result<C, E> + Send + 'static,
    ) -> Self {
        Self::Later(Box::new(|values| make(typed(values)).map_err(failure)))
    }

    /// The state that `make` makes of a server's own arguments, as a future.
    pub(super) fn later_async<
        A: 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
        F: Future<Output = Result<C, E>> + Send + 'static,
    >(
        make: impl FnOnce(A) -> F + Send + 'static,
    ) -> Self {
        Self::Async(Box::new(|values| make(typed(values)).map(|made| made.map_err(failure)).boxed()))
    }
}

/// Returns the values as the type that the server's builder names.
fn typed<A: 'static>(values: ArgumentValues) -> A {
    *values.downcast().expect("`Server::args` gives the arguments and the state one type")
}

fn failure(error: impl Into<Box<dyn Error + Send + Sync>>) -> Message {
    // With the text of its causes.
    Message::new(ToolError::from_error(&*error.into()).message().to_owned())
}

/// A server that was given no state, so that it can be given one.
// Without a label, and about the server in place of the state, so that rustc's error has twelve lines.
#[diagnostic::on_unimplemented(
    message = "the server already has the state `{C}`",
    note = "a server has one state: make both types fields of one struct with `#[derive(State)]`"
)]
pub trait NoState<C>: Sized {
    /// Returns the server.
    fn without_state(self) -> Server<()>;
}

#[diagnostic::do_not_recommend]
impl NoState<()> for Server<()> {
    fn without_state(self) -> Server<()> {
        self
    }
}

impl<B: Send + Sync + 'static> Server<B> {
    /// Replaces the state of a server. Tools that were added before need none.
    pub(super) fn with<C>(self, state: Source<C>) -> Server<C>
    where
        B: Default,
    {
        let Self { mut config, entries, .. } = self;
        let bound = config.bind(entries, &Arc::new(B::default()));
        config.stateless.extend(bound);
        Server { config, state, entries: Vec::new(), on_stop: Vec::new(), handler: None }
    }
}

impl<C: State> Server<C> {
    /// Runs a future with the state when the server stops: after the last answer, within the time for calls in flight
    /// (`--drain-timeout`). Its failure is printed on stderr. May be called again.
    ///
    /// `serve` runs it. A program that embeds the server runs it with [`Service::stop`](crate::Service::stop).
    ///
    /// ```
    /// # use candor::{Server, State};
    /// #[derive(State)]
    /// struct App {
    ///     cache: std::sync::Mutex<Vec<String>>,
    /// }
    ///
    /// let app = App { cache: Default::default() };
    /// let server = Server::new("cache", "1.0.0").state(app).on_stop(|app| async move {
    ///     let lines = app.cache.lock().unwrap().join("\n");
    ///     tokio::fs::write("cache.txt", lines).await
    /// });
    /// # server.build().unwrap();
    /// ```
    pub fn on_stop<R: StopResult + 'static, F: Future<Output = R> + Send + 'static>(
        mut self,
        stop: impl FnOnce(Arc<C>) -> F + Send + 'static,
    ) -> Self {
        self.on_stop.push(Box::new(|state| stop(state).map(StopResult::into_result).boxed()));
        self
    }
}

impl<C: State> Server<C> {
    /// As [`Server::handler`], with a handler that is made of the state.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use candor::{Server, State, rmcp::ServerHandler};
    ///
    /// #[derive(State)]
    /// struct App {
    ///     notes: Vec<String>,
    /// }
    ///
    /// /// Serves each note as a resource.
    /// struct Notes(Arc<App>);
    ///
    /// impl ServerHandler for Notes {}
    ///
    /// let server = Server::new("notes", "1.0.0").state(App { notes: Vec::new() }).handler_with(Notes);
    /// # server.build().unwrap();
    /// ```
    pub fn handler_with<H: ServerHandler>(mut self, make: impl FnOnce(Arc<C>) -> H + Send + 'static) -> Self {
        self.handler = Some(Box::new(|state| UserHandler::new(make(state))));
        self
    }
}

/// Binds what runs at the end of a server to its state.
pub(super) fn bind_hooks<C: Send + Sync + 'static>(hooks: Vec<StopWith<C>>, state: &Arc<C>) -> Vec<StopHook> {
    let bind = |hook: StopWith<C>| -> StopHook {
        let state = Arc::clone(state);
        Box::new(move || hook(state))
    };
    hooks.into_iter().map(bind).collect()
}

/// The output of a future for [`Server::on_stop`]: nothing, or a result whose error is an error or a text.
pub trait StopResult: sealed::Sealed {
    #[doc(hidden)]
    fn into_result(self) -> Result<(), Message>;
}

impl StopResult for () {
    fn into_result(self) -> Result<(), Message> {
        Ok(())
    }
}

impl<E: Into<Box<dyn Error + Send + Sync>>> StopResult for Result<(), E> {
    fn into_result(self) -> Result<(), Message> {
        self.map_err(failure)
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for () {}
    impl<E> Sealed for Result<(), E> {}
}
