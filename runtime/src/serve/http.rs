//! HTTP requests → the protocol: every check that stands before it, in one order, and the paths beside it.

mod admission;
mod auth;
mod body;
mod body_guard;
mod cors;
mod drain;
mod error;
mod fast_path;
mod health;
mod host;
mod listen;
mod peek;
mod sessions;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use ::http::{HeaderValue, Method, StatusCode, header};
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::Response,
    routing::{any, get},
};
use http_body_util::Full;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Service, Shared, Shutdown,
    mcp::handler::{HttpIdentity, McpHandler, Sender},
};
use crate::{
    access::{Access, Metadata},
    pipeline::DeniedBy,
    tool::caller::Caller,
};
use drain::Drain;
pub(crate) use drain::ShutdownTimeouts;
use error::HttpError;
use fast_path::FastCall;
use health::Health;
use host::Hosts;
pub(crate) use host::{host, origin};
use peek::Peek;
use sessions::Sessions;

/// Where the protocol is spoken.
const PATH: &str = "/mcp";
/// Where a client learns whom to ask for a token (RFC 9728 §3).
const METADATA: &str = "/.well-known/oauth-protected-resource";

/// The most connections of those who ask for health in a place of its own.
const WATCHERS: usize = 64;

/// How a server is to be reached, and by whom.
pub(crate) struct HttpConfig {
    pub(crate) address: SocketAddr,
    pub(crate) access: Access,
    /// Where health is asked for, if not in the same place.
    pub(crate) health: Option<SocketAddr>,
    /// What tokens are for, where an authorization server gives them.
    pub(crate) resource: Option<String>,
    /// Names that the server goes by, beside those of this machine.
    pub(crate) hosts: Vec<String>,
    /// Origins that pages may come from, beside the server's own and this machine's.
    pub(crate) origins: Vec<String>,
    pub(crate) most_sessions: usize,
    pub(crate) most_connections: usize,
}

/// A server that listens, before it answers.
pub(crate) struct Listening {
    listener: TcpListener,
    /// Where health is asked for, if not in the same place.
    health: Option<TcpListener>,
    gate: Arc<HttpGate>,
    most_connections: usize,
}

/// What stands between the network and the protocol.
struct HttpGate {
    shared: Arc<Shared>,
    drain: Drain,
    hosts: Hosts,
    access: Arc<Access>,
    sessions: Arc<Sessions>,
    protocol: StreamableHttpService<McpHandler, Sessions>,
    metadata: Option<About>,
}

/// What is said of the server to those who want a token for it.
struct About {
    address: String,
    document: Vec<u8>,
}

impl Service {
    /// Takes the port, so that its number is known before the first request.
    pub(crate) async fn listen(self, config: HttpConfig) -> io::Result<Listening> {
        let listener = TcpListener::bind(config.address).await?;
        let address = listener.local_addr()?;
        let access = Arc::new(config.access.for_server(&self));
        let sessions = Arc::new(Sessions::new(config.most_sessions, self.longest_call()));
        let hosts = Hosts::new(address, &config.hosts, &config.origins);
        let metadata = config.resource.as_deref().map(|resource| About::new(resource, &access, &self.shared));
        let drain = Drain::new(self.shared.at_work.clone());
        let protocol = protocol(Arc::clone(&self.shared), Arc::clone(&sessions), drain.cut.clone());
        let gate =
            Arc::new(HttpGate { shared: self.shared, drain, hosts, access, sessions, protocol, metadata });
        let health = match config.health {
            Some(address) => Some(TcpListener::bind(address).await?),
            None => None,
        };
        Ok(Listening { listener, health, gate, most_connections: config.most_connections })
    }

    /// The longest that a call may take.
    fn longest_call(&self) -> Duration {
        let tools = self.shared.core.registry.tools().iter();
        tools.map(|tool| tool.descriptor.timeout).max().unwrap_or_default()
    }
}

impl Listening {
    /// Where the protocol is spoken.
    pub(crate) fn url(&self) -> io::Result<String> {
        Ok(format!("http://{}{PATH}", self.listener.local_addr()?))
    }

    /// Who may call.
    pub(crate) fn access(&self) -> Arc<Access> {
        Arc::clone(&self.gate.access)
    }

    /// Answers until `stop`, and then what is left to be answered.
    pub(crate) async fn serve(self, stop: CancellationToken, timeouts: ShutdownTimeouts) -> Shutdown {
        let Self { listener, health, gate, most_connections } = self;
        let drain = &gate.drain;
        let checks = Arc::new(Health::new(Arc::clone(&gate.shared), drain.leaving.clone()));
        let mut router = router(Arc::clone(&gate));
        match health {
            None => router = router.merge(health_router(checks)),
            Some(health) => {
                let router = health_router(checks);
                // Those who watch the server may ask until it is gone.
                let never = CancellationToken::new();
                tokio::spawn(listen::connections(health, router, WATCHERS, never, TaskTracker::new()));
            }
        }
        let (closing, all) = (drain.closing.clone(), drain.connections.clone());
        let accepting = tokio::spawn(listen::connections(listener, router, most_connections, closing, all));
        stop.cancelled().await;
        drain.run(timeouts, || accepting.abort()).await
    }
}

fn protocol(
    shared: Arc<Shared>,
    sessions: Arc<Sessions>,
    cut: CancellationToken,
) -> StreamableHttpService<McpHandler, Sessions> {
    // Host, origin and the size of a body are settled before.
    let config = StreamableHttpServerConfig::default()
        .disable_allowed_hosts()
        .disable_allowed_origins()
        .with_json_response(true)
        .with_max_request_body_bytes(body::MOST)
        .with_cancellation_token(cut);
    let handler = move || Ok(McpHandler::new(Arc::clone(&shared), Sender::Request, CancellationToken::new()));
    StreamableHttpService::new(handler, sessions, config)
}

fn router(gate: Arc<HttpGate>) -> Router {
    let mut router = Router::new().route(PATH, any(mcp));
    if let Some(about) = &gate.metadata {
        // With the resource's path, and without: clients try one or the other (MCP, authorization).
        let path = about.path();
        // The router reads more than letters into some signs.
        let plain = path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-_.~%".contains(&b));
        let document = get(metadata).options(metadata);
        if plain && path != METADATA {
            router = router.route(path, document.clone());
        }
        router = router.route(METADATA, document);
    }
    router.with_state(gate)
}

fn health_router(health: Arc<Health>) -> Router {
    Router::new().route("/livez", get(health::live)).route("/readyz", get(health::ready)).with_state(health)
}

async fn mcp(State(gate): State<Arc<HttpGate>>, request: Request) -> Response {
    let answer = async |request| gate.answer(request).await.unwrap_or_else(HttpError::into_response);
    cors::answer(&gate.hosts, request, answer).await
}

async fn metadata(State(gate): State<Arc<HttpGate>>, request: Request) -> Response {
    let answer = async |request| gate.document(&request).unwrap_or_else(HttpError::into_response);
    cors::answer(&gate.hosts, request, answer).await
}

impl HttpGate {
    /// One request. What comes first here is decided first, which is a security property.
    async fn answer(&self, mut request: Request) -> Result<Response, HttpError> {
        let mut in_flight = self.drain.enter().inspect_err(|_| self.record(DeniedBy::Draining))?;
        self.hosts.check(&request)?;
        let caller = self.caller(&mut request).await?;
        let session = self.sessions.enter(&mut request, &caller)?;
        let (mut parts, body) = request.into_parts();
        let body = body::read(body).await?;
        let mut id = None;
        let admission = if parts.method == Method::POST {
            if let Some(call) = FastCall::read(&self.shared, &parts.headers, &body) {
                let admission = self.admit(call.tool(), &call.id, &caller).await?;
                let answer = call.answer(&self.shared, caller, admission, &self.drain).await?;
                return Ok(in_flight.through(answer));
            }
            let message = Peek::read(&body)?;
            id.clone_from(&message.id);
            if message.has_no_end() {
                in_flight.leave();
            }
            if message.opens_session() {
                self.sessions.make_room().await?;
            }
            match message.calls() {
                Some((tool, id)) if admission::agree(&parts.headers, tool) => {
                    self.admit(tool, id, &caller).await?
                }
                // What is wrong with it otherwise, the protocol has an error for.
                _ => None,
            }
        } else {
            // A stream of the server's own messages, which lasts as long as the client likes.
            in_flight.leave();
            None
        };
        let admission = Arc::new(std::sync::Mutex::new(admission));
        parts.extensions.insert(HttpIdentity { caller: Arc::clone(&caller), admission });
        let request = Request::from_parts(parts, Full::new(body.clone()));
        let ends_session = request.method() == Method::DELETE;
        let mut answer = sessions::of(caller, self.protocol.handle(request)).await;
        if answer.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            // Sound JSON that is no message, or a body that is said to be none.
            peek::explain(&body)?;
        }
        if answer.status() == StatusCode::INTERNAL_SERVER_ERROR && self.drain.cut.is_cancelled() {
            return Err(drain::cut_off().to(id));
        }
        if ends_session && answer.status() == StatusCode::ACCEPTED {
            // Clients know this one as the end of a session.
            *answer.status_mut() = StatusCode::NO_CONTENT;
        }
        Ok(in_flight.through(answer.map(|body| session.hold(body))))
    }

    /// What those who want a token are told of the server.
    fn document(&self, request: &Request) -> Result<Response, HttpError> {
        self.hosts.check(request)?;
        if request.method() == Method::OPTIONS {
            let refused = HttpError::plain(StatusCode::METHOD_NOT_ALLOWED, "this document is for `GET`");
            return Err(refused.header(header::ALLOW, HeaderValue::from_static("GET, HEAD")));
        }
        let document = self.metadata.as_ref().map(|about| about.document.clone()).unwrap_or_default();
        let mut answer = Response::new(Body::from(document));
        answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(answer)
    }

    /// Whose token it is. The token goes no further.
    async fn caller(&self, request: &mut Request) -> Result<Arc<Caller>, HttpError> {
        let token = auth::take(request.headers_mut());
        let caller = match &token {
            Ok(token) => self.access.caller(token.as_deref()).await,
            Err(denied) => Err(*denied),
        };
        caller.map_err(|denied| {
            self.record(DeniedBy::Auth);
            let basic: Vec<&str> = self.shared.scopes.basic().iter().map(String::as_str).collect();
            auth::refused(denied, &basic, self.metadata_address())
        })
    }

    /// Records a refusal of nobody known.
    fn record(&self, by: DeniedBy) {
        if let Some(recorder) = &self.shared.core.audit {
            recorder.refused(by, "http");
        }
    }

    fn metadata_address(&self) -> Option<&str> {
        self.metadata.as_ref().map(|about| about.address.as_str())
    }
}

impl About {
    fn new(resource: &str, access: &Access, shared: &Shared) -> Self {
        let metadata = Metadata {
            resource,
            authorization_servers: &access.issuers(),
            scopes: shared.scopes.basic(),
            name: shared.about.title.as_deref().unwrap_or(&shared.about.name),
        };
        Self { address: Metadata::address(resource), document: metadata.document().to_string().into_bytes() }
    }

    /// The address's path on this server.
    fn path(&self) -> &str {
        self.address.find(METADATA).map_or(METADATA, |at| &self.address[at..])
    }
}
