//! Answers the protocol's requests inside another program's HTTP server, as an axum router or a tower service.

use std::{
    convert::Infallible,
    error::Error,
    fmt,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    response::Response,
    routing::any_service,
};
use futures::FutureExt as _;
use http::Request;
use tokio_util::task::AbortOnDropHandle;

use super::{
    config::HttpLimits,
    drain::ShutdownTimeouts,
    gate::{self, HttpGate},
    health::Health,
    health_router,
    host::{host, origin},
    metadata_router,
    public_url::{PublicUrl, public_url},
};
use crate::{
    access::Access,
    message::Message,
    serve::{service::Service, shutdown::Shutdown},
};

/// How a server is reached over HTTP inside another program: its callers, its names and its limits.
///
/// ```
/// use std::time::Duration;
/// use candor::{HttpOptions, access::Access};
///
/// let options = HttpOptions::new(Access::everyone("read:prices"))
///     .allow_host("prices.example.com")?
///     .max_body(64 * 1024);
/// # drop(options);
/// # Ok::<_, candor::Message>(())
/// ```
#[must_use = "options do nothing until a service is made with them"]
#[derive(Debug)]
pub struct HttpOptions {
    pub(super) access: Access,
    pub(super) public_url: Option<String>,
    pub(super) hosts: Vec<String>,
    pub(super) origins: Vec<String>,
    pub(super) limits: HttpLimits,
}

impl From<Access> for HttpOptions {
    fn from(access: Access) -> Self {
        Self::new(access)
    }
}

impl HttpOptions {
    /// Creates options that let these callers in, under the names of loopback, with the limits of `serve`.
    pub fn new(access: Access) -> Self {
        Self {
            access,
            public_url: None,
            hosts: Vec::new(),
            origins: Vec::new(),
            limits: HttpLimits::default(),
        }
    }

    /// Accepts a public name of the server in the header `Host`, optionally with a port. All names but those of loopback are
    /// refused otherwise.
    ///
    /// # Errors
    ///
    /// This is not a host name.
    pub fn allow_host(mut self, name: &str) -> Result<Self, Message> {
        self.hosts.push(host(name)?);
        Ok(self)
    }

    /// Accepts the pages of an origin, for example `https://app.example.com`.
    ///
    /// # Errors
    ///
    /// This is not an origin.
    pub fn allow_origin(mut self, name: &str) -> Result<Self, Message> {
        self.origins.push(origin(name)?);
        Ok(self)
    }

    /// Sets the address of the protocol as clients write it, and accepts its host. With it, callers without a token are told
    /// where to get one ([`HttpService::metadata_router`]).
    ///
    /// # Errors
    ///
    /// This is not an `http` or `https` address without a query.
    pub fn public_url(mut self, url: &str) -> Result<Self, Message> {
        let PublicUrl { text, host } = public_url(url)?;
        self.public_url = Some(text);
        self.hosts.push(host);
        Ok(self)
    }

    /// Sets the maximum size of a request's body in bytes; 4 MiB by default.
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.limits.body_bytes = bytes;
        self
    }

    /// Sets the time that the body of a request may take; 30 s by default.
    pub fn body_timeout(mut self, timeout: Duration) -> Self {
        self.limits.body_timeout = timeout;
        self
    }

    /// Sets the maximum number of sessions (revisions before 2026-07-28); 1,000 by default.
    pub fn max_sessions(mut self, sessions: usize) -> Self {
        self.limits.sessions = sessions.max(1);
        self
    }

    /// Sets the time after which a call that still runs sends signs of life; 15 s by default.
    pub fn keep_alive(mut self, time: Duration) -> Self {
        self.limits.keep_alive = time;
        self
    }
}

/// A server that answers HTTP requests inside another program. Clones share it.
///
/// It is a [`tower::Service`](tower_service::Service) for any path. It checks `Host`, `Origin`, tokens, scopes, limits and
/// sessions, and records calls, as `serve --http` does. The program that embeds it has its own listener, and so must itself
///
/// - limit connections, the time that the head of a request may take, and clients that do not read,
/// - answer health checks, for example with [`HttpService::health_router`],
/// - end in this order: [`HttpService::drain`], [`Service::stop`], [`Service::stop_audit`].
///
/// ```
/// use candor::{Server, access::Access, mcp_tool, tools};
///
/// /// Say hello.
/// #[mcp_tool(read_only, closed_world, public)]
/// fn hello() -> &'static str {
///     "hello"
/// }
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let service = Server::new("greeter", "1.0.0").tools(tools![hello]).build().unwrap();
/// let mcp = service.http(Access::everyone(""));
/// let app: axum::Router = axum::Router::new()
///     .route("/", axum::routing::get(|| async { "home" }))
///     .merge(mcp.health_router())
///     .nest("/mcp", mcp.router());
/// # });
/// ```
#[derive(Clone)]
pub struct HttpService {
    gate: Arc<HttpGate>,
    /// The task that ends idle sessions. It starts with the first request, since only then there is a runtime for sure.
    expiry: Arc<OnceLock<AbortOnDropHandle<()>>>,
}

impl Service {
    /// Answers HTTP requests inside another program; see [`HttpService`]. Each result has its own sessions.
    pub fn http(&self, options: impl Into<HttpOptions>) -> HttpService {
        self.shared.start_threads();
        let gate = self.clone().gate(None, options.into());
        HttpService { gate: Arc::new(gate), expiry: Arc::default() }
    }

    /// Returns an axum router for these callers, to be nested at the path of the protocol: `.nest("/mcp", …)`. For more, use
    /// [`Service::http`].
    pub fn router(&self, options: impl Into<HttpOptions>) -> Router {
        self.http(options).router()
    }
}

impl HttpService {
    /// Returns a router with the protocol at `/`, to be nested at another path.
    pub fn router(&self) -> Router {
        Router::new().route("/", any_service(self.clone()))
    }

    /// Returns a router with `/livez` and `/readyz`, to be merged at the root.
    pub fn health_router(&self) -> Router {
        let stopping = self.gate.drain.stopping.clone();
        health_router(Arc::new(Health::new(Arc::clone(&self.gate.shared), stopping)))
    }

    /// Returns a router with the metadata of the resource (RFC 9728), to be merged at the root. It is empty without
    /// [`HttpOptions::public_url`], or if no authorization server issues the tokens.
    pub fn metadata_router(&self) -> Router {
        metadata_router(Router::new(), &self.gate).with_state(Arc::clone(&self.gate))
    }

    /// Returns the callers that are let in, to [reload](Access::reload) their keys or to read [warnings](Access::warnings).
    pub fn access(&self) -> &Access {
        &self.gate.access
    }

    /// Drains the server: `/readyz` turns at once, new requests are refused after `delay`, and calls in flight then have
    /// `timeout` to be answered.
    ///
    /// # Errors
    ///
    /// Some calls were not answered in time.
    pub async fn drain(&self, delay: Duration, timeout: Duration) -> Result<(), Message> {
        match self.gate.drain.run(ShutdownTimeouts { delay, drain: timeout }, || {}).await {
            Shutdown::Complete => Ok(()),
            Shutdown::TimedOut => Err(Message::new("the server stopped before every call was answered")),
        }
    }
}

impl fmt::Debug for HttpService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpService").field("server", &self.gate.shared.about.name).finish_non_exhaustive()
    }
}

impl<B> tower_service::Service<Request<B>> for HttpService
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.expiry.get_or_init(|| {
            self.gate.shared.enter_runtime();
            let sessions = Arc::clone(&self.gate.sessions);
            AbortOnDropHandle::new(tokio::spawn(sessions.expire_idle().boxed()))
        });
        let gate = Arc::clone(&self.gate);
        let request = request.map(Body::new);
        Box::pin(async move { Ok(gate::mcp(axum::extract::State(gate), request).await) })
    }
}
