//! The program a user writes: a name, a state, tools, and what to do with them.

mod build;

use std::{fmt::Display, path::PathBuf, sync::Arc};

use futures::future::BoxFuture;

pub use crate::serve::Service;
use crate::{
    audit::AuditLog,
    clock::Clock,
    limits::Bounds,
    record::Recording,
    revision::Revision,
    sandbox::{Sandbox, SandboxConfig},
    scopes::{Scopes, Visibility},
    serve::{ReadinessCheck, ServerHandler, UserHandler},
    tool::{
        descriptor::{Descriptor, Rate},
        handler::{Entry, Handler, Tools},
        state::State,
    },
};
pub(crate) use build::Outline;

/// A server in the making.
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
/// [`Server::main`] makes it a program with a command line; [`Server::build`] embeds it in another.
#[must_use = "a server does nothing until `main` or `build`"]
pub struct Server<C = ()> {
    pub(crate) about: About,
    state: Source<C>,
    entries: Vec<Entry<C>>,
    /// Tools that were added before the state: they need none.
    stateless: Vec<(&'static Descriptor, Handler)>,
    visibility: Visibility,
    revisions: Vec<Revision>,
    user_handler: Option<UserHandler>,
    sandbox: SandboxConfig,
    bounds: Bounds,
    scopes: Scopes,
    read_only: bool,
    skip_confirmation: bool,
    checks: Vec<ReadinessCheck>,
    pub(crate) recording: Recording,
}

/// What a server says of itself.
#[derive(Clone, Debug)]
pub(crate) struct About {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) title: Option<String>,
    pub(crate) instructions: Option<String>,
    /// Tools may send messages for a client's log.
    pub(crate) logging: bool,
}

enum Source<C> {
    Ready(C),
    /// Made only when the server serves: printing a manifest opens no database.
    Later(Box<dyn FnOnce() -> Result<C, String> + Send>),
}

impl Server {
    /// A server of this name and version, as `initialize` and `server/discover` give them.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        let about = About {
            name: name.into(),
            version: version.into(),
            title: None,
            instructions: None,
            logging: false,
        };
        Self {
            about,
            state: Source::Ready(()),
            entries: Vec::new(),
            stateless: Vec::new(),
            visibility: Visibility::default(),
            revisions: Revision::ALL.to_vec(),
            user_handler: None,
            sandbox: SandboxConfig::default(),
            bounds: Bounds::default(),
            scopes: Scopes::default(),
            read_only: false,
            skip_confirmation: false,
            checks: Vec::new(),
            recording: Recording::Unset,
        }
    }

    /// Gives the tools their state.
    pub fn state<C: State>(self, state: C) -> Server<C> {
        self.with(Source::Ready(state))
    }

    /// Gives the tools a state that is made when the server starts to serve, and not for `manifest`, `docs` or `call`.
    ///
    /// By then stdout is the protocol's alone, so that nothing a database prints while it opens can spoil it.
    pub fn state_with<C: State, E: Display>(
        self,
        make: impl FnOnce() -> Result<C, E> + Send + 'static,
    ) -> Server<C> {
        self.with(Source::Later(Box::new(|| make().map_err(|error| error.to_string()))))
    }

    fn with<C: State>(self, state: Source<C>) -> Server<C> {
        let unit = Arc::new(());
        let bound = self.entries.into_iter().map(|entry| (entry.descriptor, Handler::bind(entry.run, &unit)));
        Server {
            about: self.about,
            state,
            entries: Vec::new(),
            stateless: self.stateless.into_iter().chain(bound).collect(),
            visibility: self.visibility,
            revisions: self.revisions,
            user_handler: self.user_handler,
            sandbox: self.sandbox,
            bounds: self.bounds,
            scopes: self.scopes,
            read_only: self.read_only,
            skip_confirmation: self.skip_confirmation,
            checks: self.checks,
            recording: self.recording,
        }
    }
}

impl<C> Server<C> {
    /// A name for people.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.about.title = Some(title.into());
        self
    }

    /// What a model should know before it uses the tools.
    pub fn instructions(mut self, instructions: impl Into<String>) -> Self {
        self.about.instructions = Some(instructions.into());
        self
    }

    /// Lets tools send messages for a client's log ([`Call::log`](crate::Call::log)), and clients say from which level
    /// on. The protocol has deprecated it with 2026-07-28; a tool's own log belongs on stderr.
    pub fn logging(mut self) -> Self {
        self.about.logging = true;
        self
    }

    /// Adds tools. May be called again: each module can bring its own.
    pub fn tools(mut self, tools: Tools<C>) -> Self {
        self.entries.extend(tools.0);
        self
    }

    /// Makes a tool that a caller has no scope for look like one that does not exist, for servers whose tool names
    /// are themselves private. Without it, a caller is told which scopes are missing. It takes [`Server::list_all`] back.
    pub fn conceal(mut self) -> Self {
        self.visibility = Visibility::Concealed;
        self
    }

    /// Lists every tool to every caller, its scopes in `_meta` as `io.github.candor-mcp/scopes`, for hosts that ask for
    /// more scope by what the list says. A call still needs them. Without it, a list holds what its caller may call. It
    /// takes [`Server::conceal`] back.
    pub fn list_all(mut self) -> Self {
        self.visibility = Visibility::Listed;
        self
    }

    /// Lets a caller who holds the scope `broader` do what `narrower` allows, and what that allows in turn.
    ///
    /// ```
    /// # use candor::Server;
    /// Server::new("prices", "1.0.0").scope_implies("write:prices", "read:prices");
    /// ```
    pub fn scope_implies(mut self, broader: impl Into<String>, narrower: impl Into<String>) -> Self {
        self.scopes.imply(broader.into(), narrower.into());
        self
    }

    /// The scopes that basic use needs: what a client without a token is told to ask for, before it is known which
    /// tools it calls. Not the whole catalogue: each call that needs more says so.
    pub fn basic_scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes.set_basic(scopes.into_iter().map(Into::into));
        self
    }

    /// Narrows the revisions of the protocol that this server speaks.
    pub fn revisions(mut self, revisions: impl IntoIterator<Item = Revision>) -> Self {
        self.revisions = revisions.into_iter().collect();
        self.revisions.sort_unstable();
        self.revisions.dedup();
        self
    }

    /// The rate of each tool that declares none, for each caller.
    pub fn default_rate(mut self, rate: Rate) -> Self {
        self.bounds.default_rate = Some(rate);
        self
    }

    /// The rate of each caller, over all tools.
    pub fn rate_per_caller(mut self, rate: Rate) -> Self {
        self.bounds.rate_per_caller = Some(rate);
        self
    }

    /// The rate of the whole server, over all callers.
    pub fn rate_in_all(mut self, rate: Rate) -> Self {
        self.bounds.rate_in_all = Some(rate);
        self
    }

    /// The calls at once of each tool that declares no `max_in_flight`.
    pub fn default_max_in_flight(mut self, calls: u32) -> Self {
        self.bounds.default_max_in_flight = Some(calls);
        self
    }

    /// The calls at once of the whole server.
    pub fn max_in_flight(mut self, calls: u32) -> Self {
        self.bounds.max_in_flight = Some(calls);
        self
    }

    /// Where rates and confirmations take their time from; for tests.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.bounds.clock = clock;
        self
    }

    /// Serves only the tools that are declared `read_only`: the others are in no list and answer no call.
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// Asks nobody before a destructive call. For those who mean it: a batch job, a test.
    pub fn yes_destructive(mut self) -> Self {
        self.skip_confirmation = true;
        self
    }

    /// Records calls in an audit log: what cannot be recorded, and is declared `required`, does not run.
    ///
    /// `serve` keeps [`AuditLog::of_user`] without being told, and `serve --audit DIR` another. A server that is
    /// [built](Server::build) has to be told: with a `required` tool, and neither this nor [`Server::unaudited`], it
    /// does not start.
    pub fn audit(mut self, log: AuditLog) -> Self {
        self.recording = Recording::To(log);
        self
    }

    /// Records nothing, whatever the tools declare. For those who mean it: a test, or a server whose host records.
    pub fn unaudited(mut self) -> Self {
        self.recording = Recording::Disabled;
        self
    }

    /// Records nothing where nobody said where to.
    pub(crate) fn or_unaudited(self) -> Self {
        if matches!(self.recording, Recording::Unset) { self.unaudited() } else { self }
    }

    /// How far the kernel is to enforce `read_only` and `closed_world`; [`Sandbox::WhereAvailable`] by default.
    pub fn sandbox(mut self, sandbox: Sandbox) -> Self {
        self.sandbox.sandbox = sandbox;
        self
    }

    /// A folder in which `read_only` tools may write all the same: for what is thrown away, such as a cache.
    pub fn scratch(mut self, folder: impl Into<PathBuf>) -> Self {
        self.sandbox.scratch.push(folder.into());
        self
    }

    /// TCP ports that `closed_world` tools may connect to, on any host: those of the server's own database, say.
    pub fn closed_world_ports(mut self, ports: impl IntoIterator<Item = u16>) -> Self {
        self.sandbox.ports.extend(ports);
        self
    }

    /// Something that has to hold before the server is ready for calls, asked for at `/readyz` (HTTP): that its
    /// database answers, say. What takes longer than a second does not hold.
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
        let passes = Box::new(move || -> BoxFuture<'static, bool> { Box::pin(passes()) });
        self.checks.push(ReadinessCheck { name: name.into(), passes });
        self
    }

    /// Answers prompts, resources and everything else that is no tool with an rmcp handler. Its tools are never asked:
    /// tools stay declared. A method that the handler leaves to rmcp without advertising it in `get_info` is
    /// answered as unknown.
    pub fn handler(mut self, handler: impl ServerHandler) -> Self {
        self.user_handler = Some(UserHandler::new(handler));
        self
    }
}
