//! Defines the program that a user writes: a name, a state, tools, and the settings of the server.

mod any;
#[cfg(feature = "cli")]
pub(crate) mod arguments;
mod build;
mod config;
mod outline;
mod recording;
mod replicas;
mod state;

use std::{error::Error, path::PathBuf, sync::Arc};

use futures::future::BoxFuture;

#[cfg(feature = "cli")]
pub(crate) use self::any::AnyServer;
#[cfg(feature = "cli")]
pub use self::arguments::NeedsStateWith;
pub use self::state::StopResult;
pub use crate::serve::Service;
use crate::{
    clock::Clock,
    idempotency::KeyKeeping,
    publication::Publication,
    revision::Revision,
    sandbox::Sandbox,
    schema::SchemaForm,
    scopes::Visibility,
    serve::{ReadinessCheck, ServerHandler, UserHandler},
    store::KeyStore,
    tool::{
        descriptor::{Descriptor, Rate},
        handler::{Entry, Tools},
        state::State,
    },
};
pub(crate) use config::Config;
pub use state::NoState;
use state::{HandlerWith, Source, StopWith};

/// The builder of a server.
///
/// ```
/// use candor::{Server, mcp_tool, tools};
///
/// /// Say hello.
/// #[mcp_tool(read_only, closed_world, public)]
/// fn hello(
///     /// Whom to greet.
///     name: &str,
/// ) -> String {
///     format!("Hello, {name}!")
/// }
///
/// let server = Server::new("greeter", "1.0.0").tools(tools![hello]);
/// # server.build().unwrap();
/// ```
///
/// [`Server::main`] makes it a program with a command line. [`Server::build`] embeds it in another program.
#[must_use = "a server does nothing until `main` or `build`"]
pub struct Server<C = ()> {
    pub(crate) config: Config,
    state: Source<C>,
    entries: Vec<Entry<C>>,
    on_stop: Vec<StopWith<C>>,
    /// Makes the user's own handler of the state.
    handler: Option<HandlerWith<C>>,
}

impl Server {
    /// Creates a server of this name and version, as `initialize` and `server/discover` return them.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            config: Config::new(name.into(), version.into()),
            state: Source::Ready(()),
            entries: Vec::new(),
            on_stop: Vec::new(),
            handler: None,
        }
    }

    /// Gives the tools a state that is made when the server starts to serve, and not for `manifest`, `docs` or `call`.
    ///
    /// At that time stdout is reserved for the protocol, so output of a database that opens cannot corrupt it. The
    /// server's own tokio runtime is entered, for drivers that need one. Threads and pools that start here are outside
    /// every sandbox.
    pub fn state_with<C: State, E: Into<Box<dyn Error + Send + Sync>>>(
        self,
        make: impl FnOnce() -> Result<C, E> + Send + 'static,
    ) -> Server<C> {
        self.with(Source::later(|()| make()))
    }

    /// As [`Server::state_with`], for a state that is made by a future. It runs on the server's own runtime, outside every
    /// sandbox.
    ///
    /// ```
    /// # use candor::{Server, State};
    /// #[derive(State)]
    /// struct App {
    ///     greeting: String,
    /// }
    ///
    /// let server = Server::new("greeter", "1.0.0").state_with_async(|| async {
    ///     let greeting = tokio::fs::read_to_string("greeting.txt").await;
    ///     Ok::<_, std::io::Error>(App { greeting: greeting.unwrap_or_else(|_| "Hello".to_owned()) })
    /// });
    /// # server.build().unwrap();
    /// ```
    pub fn state_with_async<
        C: State,
        E: Into<Box<dyn Error + Send + Sync>>,
        F: Future<Output = Result<C, E>> + Send + 'static,
    >(
        self,
        make: impl FnOnce() -> F + Send + 'static,
    ) -> Server<C> {
        self.with(Source::later_async(|()| make()))
    }
}

impl<N> Server<N> {
    /// Gives the tools their state. A server has one.
    // The condition is the method's, so that a second state is refused with the text of `NoState`; on one line, so that the
    // error quotes one.
    #[rustfmt::skip]
    pub fn state<C: State>(self, state: C) -> Server<C> where Self: NoState<N> {
        self.without_state().with(Source::Ready(state))
    }
}

impl<C> Server<C> {
    /// Sets a name for people.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.config.about.title = Some(title.into());
        self
    }

    /// Says how the server is presented in registries and stores (`manifest --format`).
    pub fn publication(mut self, publication: Publication) -> Self {
        self.config.publication = Some(publication);
        self
    }

    /// Sets a text that a model should read before it uses the tools.
    pub fn instructions(mut self, instructions: impl Into<String>) -> Self {
        self.config.about.instructions = Some(instructions.into());
        self
    }

    /// Lets tools send messages for a client's log ([`Call::log`](crate::Call::log)), and lets clients choose the level.
    /// The protocol deprecates it as of 2026-07-28; a tool's own log belongs on stderr.
    pub fn logging(mut self) -> Self {
        self.config.about.logging = true;
        self
    }

    /// Adds tools. May be called again: each module can add its own.
    pub fn tools(mut self, tools: Tools<C>) -> Self {
        self.entries.extend(tools.0);
        self
    }

    /// Answers a call without the needed scopes as if the tool did not exist, for servers whose tool names are
    /// confidential. By default, the answer names the missing scopes. Undoes [`Server::list_all`].
    pub fn conceal(mut self) -> Self {
        self.config.visibility = Visibility::Concealed;
        self
    }

    /// Lists every tool to every caller, with its scopes in `_meta` as `io.github.candor-mcp/scopes`, for hosts that ask for more
    /// scopes by reading the list. A call still needs them. By default, a list holds only the tools that its caller may
    /// call. Undoes [`Server::conceal`].
    pub fn list_all(mut self) -> Self {
        self.config.visibility = Visibility::Listed;
        self
    }

    /// Lists tools with the schemas that are enforced, in all of JSON Schema 2020-12 (SEP-2106), for clients that check
    /// arguments themselves. By default, a list has a form of each schema that all known clients and model APIs take: a
    /// plain object at the root, without bounds beyond 2^53, and with the rules between parameters in its description.
    /// Some APIs refuse every tool of a server because of one exact schema.
    pub fn exact_schemas(mut self) -> Self {
        self.config.schemas = SchemaForm::Exact;
        self
    }

    /// Lets the scope `broader` include `narrower` and all scopes that `narrower` includes.
    ///
    /// ```
    /// # use candor::Server;
    /// Server::new("prices", "1.0.0").scope_implies("write:prices", "read:prices");
    /// ```
    pub fn scope_implies(mut self, broader: impl Into<String>, narrower: impl Into<String>) -> Self {
        self.config.scopes.imply(broader.into(), narrower.into());
        self
    }

    /// Sets the scopes that basic use needs. A client without a token is told to ask for these, before it is known which
    /// tools it calls. They need not cover every tool: a call that needs more scopes says so.
    pub fn basic_scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.config.scopes.set_basic(scopes.into_iter().map(Into::into));
        self
    }

    /// Restricts the server to these revisions of the protocol.
    pub fn revisions(mut self, revisions: impl IntoIterator<Item = Revision>) -> Self {
        let mut revisions: Vec<Revision> = revisions.into_iter().collect();
        revisions.sort_unstable();
        revisions.dedup();
        self.config.revisions = revisions;
        self
    }

    /// Sets the rate for one caller and one tool, for tools that declare none.
    pub fn default_rate(mut self, rate: Rate) -> Self {
        self.config.bounds.default_rate = Some(rate);
        self
    }

    /// Sets the rate for one caller over all tools.
    pub fn rate_per_caller(mut self, rate: Rate) -> Self {
        self.config.bounds.rate_per_caller = Some(rate);
        self
    }

    /// Sets the rate for the whole server over all callers.
    pub fn rate_in_all(mut self, rate: Rate) -> Self {
        self.config.bounds.rate_in_all = Some(rate);
        self
    }

    /// Sets the number of concurrent calls of one tool, for tools that declare no `max_in_flight`.
    pub fn default_max_in_flight(mut self, calls: u32) -> Self {
        self.config.bounds.default_max_in_flight = Some(calls);
        self
    }

    /// Sets the number of concurrent calls of one caller over all tools; 1,000 by default. A call counts until its handler
    /// ends, also if its client has gone. Without authentication, all callers over HTTP are one.
    pub fn max_in_flight_per_caller(mut self, calls: u32) -> Self {
        self.config.bounds.max_in_flight_per_caller = Some(calls);
        self
    }

    /// Sets the number of concurrent calls of the whole server. Replicas that share a store count their own.
    pub fn max_in_flight(mut self, calls: u32) -> Self {
        self.config.bounds.max_in_flight = Some(calls);
        self
    }

    /// Sets the maximum size of a result in bytes of text, for tools that declare no `output`; 1 MiB by default. A larger
    /// result is an error. Images and other binary content count as base64.
    pub fn max_output(mut self, bytes: usize) -> Self {
        self.config.max_output = bytes;
        self
    }

    /// Limits the tokens that `tools/list` costs a model that sees every tool. A server beyond it is not
    /// [built](Server::build): every conversation pays for the list, whether it calls a tool or not.
    ///
    /// Tokens are estimated from the name, the description and the input schema of each tool, which is what hosts hand to a
    /// model. A model's own tokenizer differs by some percent. `doctor` prints the cost of each tool;
    /// [`assert_list_fits!`](macro@crate::testing::assert_list_fits) checks it in a test.
    pub fn list_budget(mut self, tokens: u64) -> Self {
        self.config.list_budget = Some(tokens);
        self
    }

    /// Sets the clock of rates, confirmations and tasks, for tests.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.config.bounds.clock = clock;
        self
    }

    /// Serves only the tools that are declared `read_only`. The others are neither listed nor called.
    pub fn read_only(mut self) -> Self {
        self.config.read_only = true;
        self
    }

    /// Skips the confirmation by the user before destructive calls, for example in a batch job or a test.
    pub fn yes_destructive(mut self) -> Self {
        self.config.skip_confirmation = true;
        self
    }

    /// Skips the confirmation by the user before calls of one tool. May be called again for others.
    pub fn yes(mut self, tool: impl Into<String>) -> Self {
        self.config.confirmed_tools.push(tool.into());
        self
    }

    /// Keeps callers' idempotency keys in a store, so that a write that is sent again does not run a second time.
    ///
    /// `serve` uses [`KeyStore::of_user`] by default, and `serve --keys DIR` uses another folder. A server that is
    /// [built](Server::build) has no default: with a tool that requires a key, and neither this nor
    /// [`Server::without_idempotency`], it does not start. A server whose tools take no key opens no store.
    pub fn idempotency(mut self, store: KeyStore) -> Self {
        self.config.keeping = KeyKeeping::In(store);
        self
    }

    /// Keeps no idempotency keys, whatever the tools declare, for example if the handlers do so themselves
    /// ([`Call::idempotency_key`](crate::Call::idempotency_key)). No tool then requires a key.
    pub fn without_idempotency(mut self) -> Self {
        self.config.keeping = KeyKeeping::Disabled;
        self
    }

    /// Lets callers send the idempotency key as an optional argument `idempotency_key` as well, for models that can fill
    /// in nothing but arguments. It is added to the published schema of each tool that takes a key; its handler never sees
    /// it.
    pub fn idempotency_argument(mut self) -> Self {
        self.config.key_argument = true;
        self
    }

    /// Keeps keys in memory unless a store is configured.
    #[cfg(feature = "testing")]
    pub(crate) fn or_keys_in_memory(self) -> Self {
        if matches!(self.config.keeping, KeyKeeping::Unset) {
            return self.idempotency(KeyStore::memory().accept_loss());
        }
        self
    }

    /// Sets whether the kernel must enforce `read_only` and `closed_world`; [`Sandbox::WhereAvailable`] by default.
    pub fn sandbox(mut self, sandbox: Sandbox) -> Self {
        self.config.sandbox.sandbox = sandbox;
        self
    }

    /// Lets `read_only` tools write in a folder, for data that may be lost, such as a cache. They can then also change the
    /// modes and times of all files: see [what the sandbox is and is not](crate::Sandbox).
    pub fn scratch(mut self, folder: impl Into<PathBuf>) -> Self {
        self.config.sandbox.scratch.push(folder.into());
        self
    }

    /// Lets `closed_world` tools connect to these TCP ports on any host, for example to the port of the server's own
    /// database. Such tools cannot listen on a socket then.
    pub fn closed_world_ports(mut self, ports: impl IntoIterator<Item = u16>) -> Self {
        self.config.sandbox.ports.extend(ports);
        self
    }

    /// Adds a condition that must hold before the server is ready for calls, for example that its database answers. It
    /// is checked at `/readyz` (HTTP). A check that takes longer than a second has failed.
    ///
    /// ```
    /// # use candor::Server;
    /// Server::new("prices", "1.0.0").ready_when("database", || async { true });
    /// ```
    pub fn ready_when<F: Future<Output = bool> + Send + 'static>(
        mut self,
        name: impl Into<String>,
        passes: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self {
        let passes = Arc::new(move || -> BoxFuture<'static, bool> { Box::pin(passes()) });
        self.config.checks.push(ReadinessCheck { name: name.into(), passes });
        self
    }

    /// Answers prompts, resources and all other requests that do not concern tools with an rmcp handler. Its tools are
    /// never called: tools must be declared.
    ///
    /// The handler runs outside every sandbox, and nothing that is declared for tools holds for it: it checks scopes,
    /// arguments and limits itself, and its requests are not recorded. It finds the caller in the extensions of the
    /// request's context, as `Arc<Caller>`, and the session as [`SessionName`](crate::SessionName). A subscription
    /// (`subscriptions/listen`) has neither. [`Server::handler_with`] gives the handler the state.
    pub fn handler(mut self, handler: impl ServerHandler) -> Self {
        self.config.user_handler = Some(UserHandler::new(handler));
        self
    }

    /// Returns the declarations of all tools.
    fn declared(&self) -> impl Iterator<Item = &'static Descriptor> {
        let stateless = self.config.stateless.iter().map(|(tool, _)| *tool);
        stateless.chain(self.entries.iter().map(|entry| entry.descriptor))
    }
}
