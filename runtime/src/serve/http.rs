//! Serves the protocol over streamable HTTP, with health and metadata endpoints beside it.

mod admission;
mod auth;
mod body;
mod body_guard;
mod config;
mod connections;
mod cors;
mod drain;
mod embed;
mod error;
mod event_log;
mod fast_path;
mod gate;
mod header_names;
mod headers;
mod health;
mod host;
mod keep_alive;
mod listen;
mod metadata;
#[cfg(feature = "telemetry")]
mod metrics;
mod peek;
mod public_url;
mod refusal;
mod session_guard;
mod session_table;
mod sessions;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    routing::{any, get},
};
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::TcpListener;
use tokio_util::{
    sync::CancellationToken,
    task::{AbortOnDropHandle, TaskTracker},
};

pub use self::embed::{HttpOptions, HttpService};
pub(crate) use self::{
    config::{HttpConfig, HttpLimits},
    drain::ShutdownTimeouts,
    host::{host, origin},
    public_url::{PublicUrl, public_url},
};
use self::{
    drain::Drain, gate::HttpGate, health::Health, host::Hosts, metadata::ResourceMetadata, sessions::Sessions,
};
use super::{
    mcp::{callers::CallerSource, handler::McpHandler},
    service::Service,
    shared::Shared,
    shutdown::Shutdown,
};
use crate::{access::Access, descriptors};

/// The path of the protocol.
const MCP_PATH: &str = "/mcp";

/// The connections to a separate health address.
const MAX_HEALTH_CONNECTIONS: usize = 64;

/// A server that holds its port, and does not answer yet.
pub(crate) struct Listening {
    listener: TcpListener,
    /// The separate address for health checks, and its number of connections.
    health: Option<(TcpListener, usize)>,
    gate: Arc<HttpGate>,
}

impl Access {
    /// Applies the server's implied scopes ([`Server::scope_implies`]): a caller who holds the broader scope also holds
    /// the narrower ones.
    ///
    /// [`Server::scope_implies`]: crate::Server::scope_implies
    pub fn for_server(self, service: &Service) -> Self {
        self.with_scopes(service.scopes())
    }
}

impl Service {
    /// Binds the port, so that its number is known before the first request.
    pub(crate) async fn listen(self, config: HttpConfig) -> io::Result<Listening> {
        // Before free descriptors are counted: these threads take some.
        self.shared.start_threads();
        self.shared.enter_runtime();
        let listener = TcpListener::bind(config.address).await?;
        let address = listener.local_addr()?;
        let health = bind(config.health).await?;
        let HttpConfig { access, resource: public_url, hosts, origins, limits, .. } = config;
        let (limits, health_connections) = connection_limits(limits, health.is_some());
        let options = HttpOptions { access, public_url, hosts, origins, limits };
        let health = health.map(|listener| (listener, health_connections));
        Ok(Listening { listener, health, gate: Arc::new(self.gate(Some(address), options)) })
    }

    /// Puts the checks of every request before the protocol. Without an `address`, the server has no name of its own.
    fn gate(self, address: Option<SocketAddr>, options: HttpOptions) -> HttpGate {
        let HttpOptions { access, public_url, hosts, origins, limits } = options;
        let access = Arc::new(access.for_server(&self));
        let sessions =
            Arc::new(Sessions::new(Arc::clone(&self.shared.core), limits.sessions, self.longest_timeout()));
        let hosts = Hosts::new(address, &hosts, &origins);
        // Only an authorization server gives a client something to look for in the metadata.
        let resource = public_url.filter(|_| !access.issuers().is_empty());
        let metadata = resource.map(|resource| ResourceMetadata::new(&resource, &access, &self.shared));
        let drain = Drain::new(self.shared.in_flight.clone());
        let protocol = protocol(Arc::clone(&self.shared), Arc::clone(&sessions), &drain, &limits);
        let shared = self.shared;
        HttpGate { shared, drain, hosts, access, sessions, limits, protocol, metadata }
    }

    /// The longest `timeout` of a tool.
    fn longest_timeout(&self) -> Duration {
        let tools = self.shared.core.registry.tools().iter();
        tools.map(|tool| tool.descriptor.timeout).max().unwrap_or_default()
    }
}

/// Lowers the number of connections to what the limit of open files leaves room for, and divides it between the two
/// addresses.
fn connection_limits(limits: HttpLimits, has_health: bool) -> (HttpLimits, usize) {
    let health = if has_health { MAX_HEALTH_CONNECTIONS } else { 0 };
    let room = descriptors::room_for_connections(limits.connections.saturating_add(health));
    let health = health.min(room / 8);
    let connections = limits.connections.min(room - health).max(1);
    (HttpLimits { connections, ..limits }, health.max(1))
}

async fn bind(address: Option<SocketAddr>) -> io::Result<Option<TcpListener>> {
    match address {
        Some(address) => TcpListener::bind(address).await.map(Some),
        None => Ok(None),
    }
}

impl Listening {
    /// The URL of the protocol.
    pub(crate) fn url(&self) -> io::Result<String> {
        Ok(format!("http://{}{MCP_PATH}", self.listener.local_addr()?))
    }

    /// The number of connections that may be open at once.
    pub(crate) fn connections(&self) -> usize {
        self.gate.limits.connections
    }

    /// The callers that are let in.
    pub(crate) fn access(&self) -> Arc<Access> {
        Arc::clone(&self.gate.access)
    }

    /// Answers requests until `stop` is cancelled, and then drains the calls in flight.
    pub(crate) async fn serve(self, stop: CancellationToken, timeouts: ShutdownTimeouts) -> Shutdown {
        let Self { listener, health, gate } = self;
        let (drain, limits, background) = (&gate.drain, gate.limits, &gate.shared.background);
        let checks = Arc::new(Health::new(Arc::clone(&gate.shared), drain.stopping.clone()));
        let mut router = router(Arc::clone(&gate));
        match health {
            None => {
                router = router.merge(health_router(checks));
                #[cfg(feature = "telemetry")]
                if gate.access.requires_token() || is_loopback(&listener) {
                    router = router.merge(metrics::guarded(Arc::clone(&gate)));
                }
            }
            Some((health, connections)) => {
                let router = health_router(checks);
                #[cfg(feature = "telemetry")]
                let router = router.merge(metrics::open(Arc::clone(&gate.shared)));
                let limits = HttpLimits { connections, ..limits };
                // Health is answered until the process ends.
                let never = CancellationToken::new();
                let answers = listen::connections(health, router, limits, never, TaskTracker::new());
                background.spawn("answering health checks", answers);
            }
        }
        let expiry = background.spawn("ending idle sessions", Arc::clone(&gate.sessions).expire_idle());
        let _expiry = AbortOnDropHandle::new(expiry);
        let (closing, connections) = (drain.closing.clone(), drain.connections.clone());
        let accepting = listen::connections(listener, router, limits, closing, connections);
        let accepting = background.spawn("accepting connections", accepting);
        stop.cancelled().await;
        drain.run(timeouts, || accepting.abort()).await
    }
}

fn protocol(
    shared: Arc<Shared>,
    sessions: Arc<Sessions>,
    drain: &Drain,
    limits: &HttpLimits,
) -> StreamableHttpService<McpHandler, Sessions> {
    // The gate has checked host, origin and size already.
    let config = StreamableHttpServerConfig::default()
        .disable_allowed_hosts()
        .disable_allowed_origins()
        .with_json_response(true)
        .with_sse_keep_alive(Some(limits.keep_alive))
        // The sessions start each stream themselves, with an event id of their own.
        .with_sse_retry(None)
        .with_max_request_body_bytes(limits.body_bytes)
        .with_cancellation_token(drain.timed_out.clone());
    // From then on, a client cannot answer a question any more.
    let stop = drain.refusing.clone();
    let handler =
        move || Ok(McpHandler::new(Arc::clone(&shared), CallerSource::Request, stop.clone(), stop.clone()));
    StreamableHttpService::new(handler, sessions, config)
}

fn router(gate: Arc<HttpGate>) -> Router {
    // Some clients append a slash to the URL.
    let router = Router::new().route(MCP_PATH, any(gate::mcp)).route("/mcp/", any(gate::mcp));
    metadata_router(router, &gate).with_state(gate)
}

fn metadata_router(mut router: Router<Arc<HttpGate>>, gate: &HttpGate) -> Router<Arc<HttpGate>> {
    if let Some(metadata) = &gate.metadata {
        // At the path of the resource and at the root: clients try one or the other (MCP, authorization).
        let path = metadata.path();
        // The router gives some characters a meaning of its own.
        let is_plain = path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-_.~%".contains(&b));
        let document = get(gate::metadata).options(gate::metadata);
        if is_plain && path != metadata::METADATA_PATH {
            router = router.route(path, document.clone());
        }
        router = router.route(metadata::METADATA_PATH, document);
    }
    router
}

/// Whether only programs of this machine can reach a listener.
#[cfg(feature = "telemetry")]
fn is_loopback(listener: &TcpListener) -> bool {
    listener.local_addr().is_ok_and(|address| address.ip().to_canonical().is_loopback())
}

fn health_router(health: Arc<Health>) -> Router {
    Router::new().route("/livez", get(health::live)).route("/readyz", get(health::ready)).with_state(health)
}
