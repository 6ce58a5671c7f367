//! Service servers → connections. The only room that knows rmcp.

#[cfg(feature = "http")]
pub(crate) mod http;
pub(crate) mod mcp;
mod stdio;

use std::{collections::BTreeSet, io, pin::pin, sync::Arc, time::Duration};

use futures::future::BoxFuture;
pub(crate) use rmcp::ServerHandler;
use rmcp::{
    ServiceExt as _,
    model::{Implementation, ProtocolVersion, RequestMetaObject},
};
use serde_json::{Map, Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    about::About,
    pipeline::{Core, Origin, Trace, access},
    revision::Revision,
    sandbox::UnsandboxedHandle,
    scopes::Scopes,
    text,
    tool::call::Caller,
};
pub(crate) use mcp::delegate::UserHandler;
use mcp::{
    convert::{self, Lists},
    delegate::SERVER_INFO,
    handler::{self, McpHandler, Sender},
};
pub(crate) use stdio::descriptors::Stdio;
use stdio::transport::{LineTransport, ShutdownSignals};

/// How serving came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shutdown {
    /// Every call had its answer.
    Complete,
    /// The time was up before.
    TimedOut,
}

/// How long calls in flight may take once their server is to stop.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// The error code of a request that a stopping server does not begin.
const SHUTTING_DOWN: i32 = -31503;

/// A server with everything made, ready for connections. Cloning shares it.
#[derive(Clone)]
pub struct Service {
    shared: Arc<Shared>,
    /// What was granted, as it was said; `caller` holds what it carries as well.
    granted: BTreeSet<String>,
    caller: Arc<Caller>,
}

/// What all connections of a server share.
pub(crate) struct Shared {
    about: About,
    core: Core,
    lists: Lists,
    revisions: Vec<ProtocolVersion>,
    user_handler: Option<UserHandler>,
    scopes: Arc<Scopes>,
    /// `serverInfo` for the `_meta` of every modern result (SHOULD in 2026-07-28).
    server_info: Value,
    /// Calls that run, whether or not anybody still waits for them.
    at_work: TaskTracker,
    #[cfg_attr(not(feature = "http"), expect(dead_code, reason = "readiness is asked for over HTTP"))]
    checks: Vec<Check>,
}

/// One of the server's own signs of being ready.
#[cfg_attr(not(feature = "http"), expect(dead_code, reason = "readiness is asked for over HTTP"))]
pub(crate) struct Check {
    pub(crate) name: String,
    pub(crate) passes: Box<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>,
}

impl Shared {
    /// How a call came. Who the client is, is asked where it is recorded.
    fn origin(
        &self,
        transport: &'static str,
        meta: &RequestMetaObject,
        client: impl FnOnce() -> Option<Implementation>,
    ) -> Origin {
        let recorded = self.core.audit.is_some();
        let client = recorded.then(client).flatten();
        let traceparent = meta.get("traceparent").and_then(Value::as_str);
        Origin {
            transport,
            client: client.map(|client| format!("{}/{}", client.name, client.version)),
            trace: traceparent.and_then(Trace::of),
        }
    }

    /// Whether any tool is answered with a task, under a revision that has them.
    fn has_tasks(&self) -> bool {
        let tools = self.core.registry.tools();
        let modern = self.revisions.iter().any(|revision| !revision.has_initialize());
        modern && tools.iter().any(|tool| tool.descriptor.task.is_some())
    }

    /// The `_meta` that every result of this revision starts with.
    fn meta(&self, revision: Revision) -> Map<String, Value> {
        let mut meta = Map::new();
        if !revision.is_legacy() {
            meta.insert(SERVER_INFO.to_owned(), self.server_info.clone());
        }
        meta
    }
}

impl Service {
    pub(crate) fn new(
        about: About,
        core: Core,
        revisions: Vec<Revision>,
        user_handler: Option<UserHandler>,
        scopes: Scopes,
        checks: Vec<Check>,
    ) -> Self {
        let lists = Lists::new(&core.registry, core.visibility);
        let revisions = revisions.into_iter().map(convert::version).collect();
        let server_info = json!(handler::implementation(&about));
        let scopes = Arc::new(scopes);
        let at_work = TaskTracker::new();
        let shared =
            Shared { about, core, lists, revisions, user_handler, scopes, server_info, at_work, checks };
        Self {
            shared: Arc::new(shared),
            granted: BTreeSet::new(),
            caller: Arc::new(Caller::local::<&str>([])),
        }
    }

    /// Grants scopes, parted by spaces, to whoever is at the other end. Nothing is granted by default.
    pub fn grant(mut self, scopes: &str) -> Self {
        self.granted.extend(scopes.split_whitespace().map(str::to_owned));
        self.caller = Arc::new(Caller::local(self.shared.scopes.held(self.granted.iter().cloned())));
        self
    }

    /// Serves one client over a pair of byte streams, a message a line, until the client closes its end.
    ///
    /// # Errors
    ///
    /// The connection broke before a client had said anything.
    pub async fn serve<R, W>(self, read: R, write: W) -> io::Result<()>
    where
        R: AsyncRead + Send + Unpin + 'static,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        self.serve_until(read, write, CancellationToken::new(), PATIENCE).await.map(drop)
    }

    /// The same, until `stop`: then calls in flight may take as long as `patience`.
    pub(crate) async fn serve_until<R, W>(
        self,
        read: R,
        write: W,
        stop: CancellationToken,
        patience: Duration,
    ) -> io::Result<Shutdown>
    where
        R: AsyncRead + Send + Unpin + 'static,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        self.connection(read, write, None, stop, patience).await
    }

    /// The same; on sandboxed threads, with those that are not. Behind a pointer: each place that serves would else hold a
    /// copy of rmcp's service.
    fn connection<R, W>(
        self,
        read: R,
        write: W,
        unsandboxed: Option<UnsandboxedHandle>,
        stop: CancellationToken,
        patience: Duration,
    ) -> BoxFuture<'static, io::Result<Shutdown>>
    where
        R: AsyncRead + Send + Unpin + 'static,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let (gone, cut) = (CancellationToken::new(), CancellationToken::new());
        let ending = ShutdownSignals { stop: stop.clone(), patience, gone: gone.clone(), cut: cut.clone() };
        let lines = LineTransport::new(read, write, self.shared.revisions.clone(), ending);
        let handler = McpHandler::new(self.shared, Sender::Connection(self.caller), gone.clone())
            .on_sandboxed_threads(unsandboxed);
        let task_rounds = handler.task_rounds.clone();
        Box::pin(async move {
            match handler.serve(lines).await {
                Ok(running) => {
                    let mut until = None;
                    let mut waiting = pin!(running.waiting());
                    let ended = loop {
                        tokio::select! {
                            ended = &mut waiting => break ended,
                            // rmcp would wait for some seconds more.
                            () = cut.cancelled() => return Ok(Shutdown::TimedOut),
                            () = either(&stop, &gone), if until.is_none() => until = Some(Instant::now() + patience),
                        }
                    };
                    ended.map(drop).map_err(io::Error::other)?;
                    // What has_task its request is waited for as calls are.
                    task_rounds.close();
                    let until = until.unwrap_or_else(|| Instant::now() + patience);
                    if tokio::time::timeout_at(until, task_rounds.wait()).await.is_err() {
                        cut.cancel();
                    }
                }
                // A client that connects, says nothing and leaves has done nothing wrong.
                Err(rmcp::service::ServerInitializeError::ConnectionClosed(_)) => {}
                Err(error) => return Err(io::Error::other(error)),
            }
            Ok(if cut.is_cancelled() { Shutdown::TimedOut } else { Shutdown::Complete })
        })
    }

    /// Serves one client over this process's stdin and stdout, until the client closes its end.
    ///
    /// Takes both for the protocol alone: from here on, what the process or its children print goes to stderr, and
    /// what they read is empty.
    ///
    /// # Errors
    ///
    /// The descriptors cannot be taken, or the connection broke before a client had said anything.
    pub async fn serve_stdio(self) -> io::Result<()> {
        self.serve_wire(Stdio::take()?, CancellationToken::new(), PATIENCE).await.map(drop)
    }

    /// The server's name and version.
    #[cfg(feature = "cli")]
    pub(crate) fn name(&self) -> (&str, &str) {
        (&self.shared.about.name, &self.shared.about.version)
    }

    /// How many tools there are, in reach or not.
    pub fn tools(&self) -> usize {
        self.shared.core.registry.tools().len()
    }

    /// The tools that what was granted does not reach, each with the scopes that are missing.
    pub fn hidden(&self) -> Vec<(&'static str, Vec<&'static str>)> {
        let tools = self.shared.core.registry.tools().iter();
        tools
            .map(|tool| {
                (tool.descriptor.name, access::missing(tool.descriptor, &self.caller).collect::<Vec<_>>())
            })
            .filter(|(_, missing)| !missing.is_empty())
            .collect()
    }

    /// Where calls are recorded, and whether the record is signed, in a line for a person.
    pub fn audit(&self) -> String {
        let Some(recorder) = &self.shared.core.audit else { return "audit: no call is recorded".to_owned() };
        let place = &recorder.log.place;
        let signed = if place.signed { "signed" } else { "not signed (`audit key new` makes a key)" };
        format!("audit: {}, {signed}", place.folder.display())
    }

    /// Whether calls can be recorded: no audit log at all is no hindrance, one on a full or broken disk is.
    pub fn audit_is_ready(&self) -> bool {
        self.shared.core.audit.as_ref().is_none_or(|recorder| recorder.log.is_ready())
    }

    /// Has the audit log opened is_next_round, as SIGHUP does: a log whose disk failed comes back, if it is what it was; one
    /// that was replaced or shortened is refused from then on.
    pub fn reopen_audit(&self) {
        if let Some(recorder) = &self.shared.core.audit {
            recorder.log.reopen();
        }
    }

    /// The same for whoever listens for as long as the process lives: it holds nothing of the server, whose state is to
    /// be closed in good order before that.
    #[cfg(feature = "cli")]
    pub(crate) fn audit_reopener(&self) -> impl Fn() + Send + 'static + use<> {
        let shared = Arc::downgrade(&self.shared);
        move || {
            if let Some(recorder) = shared.upgrade().as_ref().and_then(|shared| shared.core.audit.as_ref()) {
                recorder.log.reopen();
            }
        }
    }

    /// Records the end in the audit log, and waits for it; calls that come later are refused where a record is required.
    pub fn stop_audit(&self) {
        if let Some(recorder) = &self.shared.core.audit {
            recorder.log.stop();
        }
    }

    /// Ends the sandboxed threads; for that it waits so long, where they are busy.
    #[cfg(feature = "cli")]
    pub(crate) fn stop_threads(&self, patience: Duration) {
        self.shared.core.sandboxes.stop(patience);
    }

    /// What the kernel of this machine enforces of what the tools declare, in a line for a person.
    pub fn sandboxes(&self) -> String {
        let core = &self.shared.core;
        core.sandboxes.support().line(core.registry.tools().iter().map(|tool| tool.descriptor))
    }

    /// What was granted and no tool needs, each with the scope that was perhaps meant.
    pub fn idle_grants(&self) -> Vec<(&str, Option<&'static str>)> {
        let idle = self.granted.iter().map(String::as_str).filter(|scope| self.is_idle(scope));
        idle.map(|scope| (scope, text::nearest(scope, self.needed()))).collect()
    }

    /// What [`Server::scope_implies`] says of scopes that no tool needs: the broader, the narrower, and the scope that
    /// was perhaps meant by the narrower.
    ///
    /// [`Server::scope_implies`]: crate::Server::scope_implies
    pub fn idle_implications(&self) -> Vec<(&str, &str, Option<&'static str>)> {
        let idle = self.shared.scopes.implications().filter(|(_, narrower)| self.is_idle(narrower));
        idle.map(|(broader, narrower)| (broader, narrower, text::nearest(narrower, self.needed()))).collect()
    }

    /// Whether no tool needs `scope`, nor anything that it carries.
    fn is_idle(&self, scope: &str) -> bool {
        self.shared.scopes.is_idle(scope, self.needed())
    }

    fn needed(&self) -> impl Iterator<Item = &'static str> {
        self.shared.core.registry.tools().iter().flat_map(|tool| tool.descriptor.scopes).copied()
    }

    /// What the server says of its scopes.
    #[cfg(feature = "http")]
    pub(crate) fn scopes(&self) -> &Arc<Scopes> {
        &self.shared.scopes
    }
}

async fn either(one: &CancellationToken, other: &CancellationToken) {
    tokio::select! {
        () = one.cancelled() => {}
        () = other.cancelled() => {}
    }
}
