//! Checks every HTTP request before the protocol sees it, in one order, and hands it on.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    response::Response,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use http_body_util::Full;
use rmcp::{model::RequestId, transport::streamable_http_server::StreamableHttpService};

use super::{
    auth, body,
    config::HttpLimits,
    cors,
    drain::{self, Drain, InFlightGuard},
    error::HttpError,
    fast_path::FastCall,
    header_names::LAST_EVENT_ID,
    headers,
    host::Hosts,
    keep_alive,
    metadata::ResourceMetadata,
    peek::{self, HttpMessage, Peek},
    refusal,
    session_guard::{Resumed, SessionGuard, SessionRequest},
    sessions::{self, Reservation, Sessions},
};
use crate::{
    access::Access,
    pipeline::Admission,
    record::{DeniedBy, Origin},
    serve::{
        mcp::{callers::HttpIdentity, handler::McpHandler, refused},
        shared::Shared,
    },
    telemetry::{self, McpMethod},
    tool::caller::Caller,
};

/// Everything between the network and the protocol.
pub(super) struct HttpGate {
    pub(super) shared: Arc<Shared>,
    pub(super) drain: Drain,
    pub(super) hosts: Hosts,
    pub(super) access: Arc<Access>,
    pub(super) sessions: Arc<Sessions>,
    pub(super) limits: HttpLimits,
    pub(super) protocol: StreamableHttpService<McpHandler, Sessions>,
    pub(super) metadata: Option<ResourceMetadata>,
}

/// A request under way.
struct Exchange {
    caller: Arc<Caller>,
    session: SessionGuard,
    id: Option<RequestId>,
    /// The request among those of its session.
    request: Option<SessionRequest>,
}

/// The way of a message that was let in.
enum Admitted {
    /// The fast path has answered it.
    Answered(Response),
    /// rmcp answers it.
    General(General),
}

/// The tool that a request calls.
pub(super) struct CalledTool<'a> {
    /// The tool's index in the registry, if there is one of this name.
    pub(super) index: Option<usize>,
    pub(super) name: &'a str,
    /// The id of the request.
    pub(super) id: &'a RequestId,
    /// Whether the call may be answered with a task.
    pub(super) takes_tasks: bool,
}

/// A message for rmcp.
#[derive(Default)]
struct General {
    /// The admission, if the message is a call.
    call: Option<Admission>,
    /// The place of a session that the message begins.
    _reservation: Option<Reservation>,
}

/// Answers a request to the protocol's path.
pub(super) async fn mcp(State(gate): State<Arc<HttpGate>>, request: Request) -> Response {
    let answer = async |request| gate.answer(request).await.unwrap_or_else(HttpError::into_response);
    cors::answer(&gate.hosts, request, answer).await
}

/// Answers a request for the resource's metadata (RFC 9728).
pub(super) async fn metadata(State(gate): State<Arc<HttpGate>>, request: Request) -> Response {
    let answer = async |request| gate.document(&request).unwrap_or_else(HttpError::into_response);
    cors::answer(&gate.hosts, request, answer).await
}

impl HttpGate {
    /// Answers one request, and observes a refusal that came before the request's method.
    async fn answer(self: &Arc<Self>, request: Request) -> Result<Response, HttpError> {
        let (answer, was_observed) = telemetry::watched(|| self.check_and_answer(request)).await;
        if let (Err(refused), false) = (&answer, was_observed) {
            refused::observe(&self.shared.core, "http", McpMethod::Other, refused.code());
        }
        answer
    }

    /// Answers one request. The order of the checks is a security property.
    async fn check_and_answer(self: &Arc<Self>, mut request: Request) -> Result<Response, HttpError> {
        let mut in_flight = self.drain.enter().inspect_err(|_| self.record(DeniedBy::Draining))?;
        let (caller, session) = match self.identify(&mut request).await {
            Ok(identified) => identified,
            Err(refused) => {
                // A client that is still sending its body would not read the refusal (RFC 9112 §9.6).
                body::discard(request.into_body(), &self.limits).await;
                return Err(refused);
            }
        };
        let (mut parts, body) = request.into_parts();
        let body = body::read(body, &self.limits).await?;
        headers::accept_both(&mut parts.headers);
        let mut exchange = Exchange { caller, session, id: None, request: None };
        let admission = match self.admit_message(&mut parts, &body, &mut exchange, &mut in_flight).await? {
            Admitted::Answered(answer) => return Ok(in_flight.hold(answer)),
            Admitted::General(admission) => admission,
        };
        let (id, interval) = (exchange.id.clone(), self.limits.keep_alive);
        let answer = Arc::clone(self).answer_generally(parts, body, exchange, admission.call);
        let answer = keep_alive::answer(answer, id, interval, self.drain.timed_out.clone()).await;
        Ok(in_flight.hold(answer))
    }

    /// Answers a message with rmcp.
    async fn answer_generally(
        self: Arc<Self>,
        mut parts: Parts,
        body: Bytes,
        exchange: Exchange,
        call: Option<Admission>,
    ) -> Response {
        let Exchange { caller, session, id, request: in_session } = exchange;
        let identity = HttpIdentity::new(caller, call);
        parts.extensions.insert(identity.clone());
        let ends_session = parts.method == Method::DELETE;
        // rmcp takes bytes only, so this path parses the body a second time.
        let request = Request::from_parts(parts, Full::new(body.clone()));
        let answer = sessions::of(identity.clone(), in_session, self.protocol.handle(request)).await;
        let refused = match answer.status() {
            // rmcp's status for JSON that is not a message, among other things.
            StatusCode::UNSUPPORTED_MEDIA_TYPE => peek::explain(&body),
            StatusCode::INTERNAL_SERVER_ERROR if self.drain.timed_out.is_cancelled() => {
                Err(drain::timed_out().to(id.clone()))
            }
            StatusCode::INTERNAL_SERVER_ERROR => {
                session.check_exists().map_err(|refused| refused.to(id.clone()))
            }
            _ => Ok(()),
        };
        // A method may have answered with an error whose status rmcp chose.
        let is_refused = answer.status().is_client_error() || answer.status().is_server_error();
        let observe = |code| {
            if is_refused && !identity.is_observed() {
                refused::observe(&self.shared.core, "http", McpMethod::Other, code);
            }
        };
        if let Err(refused) = refused {
            observe(refused.code());
            return refused.into_response();
        }
        let (mut answer, code) = refusal::worded(answer, id).await;
        if let Some(code) = code {
            observe(code);
        }
        if let Some(seconds) = identity.retry_after() {
            refusal::limit_exceeded(&mut answer, seconds);
        }
        if ends_session && answer.status() == StatusCode::ACCEPTED {
            // Clients expect this status at the end of a session.
            *answer.status_mut() = StatusCode::NO_CONTENT;
        }
        answer.map(|body| session.hold(body))
    }

    /// Decides everything that does not depend on the body.
    async fn identify(&self, request: &mut Request) -> Result<(Arc<Caller>, SessionGuard), HttpError> {
        let caller = self.authorize(request).await?;
        let session = self.sessions.enter(request, &caller)?;
        Ok((caller, session))
    }

    /// Checks that a request is meant for this server, and finds out who sends it.
    pub(super) async fn authorize(&self, request: &mut Request) -> Result<Arc<Caller>, HttpError> {
        let checked = self.hosts.check(request.uri(), request.headers());
        checked.inspect_err(|_| self.shared.core.telemetry.denied(DeniedBy::Host))?;
        self.authenticate(request).await
    }

    /// Reads a message, admits it if it is a call, and answers it if the fast path can.
    async fn admit_message(
        &self,
        parts: &mut Parts,
        body: &[u8],
        exchange: &mut Exchange,
        in_flight: &mut InFlightGuard,
    ) -> Result<Admitted, HttpError> {
        if parts.method != Method::POST {
            let resumed = match parts.method {
                Method::GET => read_session(&parts.headers, &mut exchange.session)?,
                _ => Resumed::OwnMessages,
            };
            if resumed == Resumed::OwnMessages {
                // A stream of the server's own messages lasts as long as the client likes.
                in_flight.release();
            }
            return Ok(Admitted::General(General::default()));
        }
        let caller = &exchange.caller;
        match HttpMessage::read(&self.shared, &parts.headers, body)? {
            HttpMessage::FastCall(call) => self.answer_fast(call, caller).await.map(Admitted::Answered),
            HttpMessage::Other(peek) => {
                exchange.id = peek.request_id().cloned();
                let legacy = headers::check_version(parts, &peek, &self.shared)
                    .map_err(|refused| refused.to(exchange.id.clone()))?;
                peek.check_parameters(legacy)?;
                if peek.is_endless() {
                    in_flight.release();
                }
                let reservation =
                    if peek.opens_session() { Some(self.sessions.reserve(caller).await?) } else { None };
                if let Some(id) = peek.request_id() {
                    let begun = exchange.session.begin_request(id, self.limits.requests_per_session);
                    exchange.request = begun.map_err(|refused| refused.to(Some(id.clone())))?;
                }
                let call = self.admit_peeked(&peek, &parts.headers, caller, legacy).await?;
                Ok(Admitted::General(General { call, _reservation: reservation }))
            }
        }
    }

    /// Answers a call that takes the fast path.
    async fn answer_fast(&self, call: Box<FastCall>, caller: &Arc<Caller>) -> Result<Response, HttpError> {
        let called = CalledTool { index: call.tool, name: call.name(), id: &call.id, takes_tasks: false };
        let admission = self.admit(called, caller, false, || call.origin(&self.shared)).await?;
        let (caller, keep_alive) = (Arc::clone(caller), self.limits.keep_alive);
        call.answer(&self.shared, caller, admission, &self.drain, keep_alive).await
    }

    /// Admits a call that takes the general path.
    async fn admit_peeked(
        &self,
        peek: &Peek,
        headers: &HeaderMap,
        caller: &Arc<Caller>,
        legacy: bool,
    ) -> Result<Option<Admission>, HttpError> {
        let Some((name, id)) = peek.call() else { return Ok(None) };
        if !legacy {
            headers::check_call(headers, name).map_err(|refused| refused.to(Some(id.clone())))?;
        }
        let takes_tasks = peek.takes_tasks && !legacy;
        let called = CalledTool { index: self.shared.core.registry.index(name), name, id, takes_tasks };
        let origin = || Origin { transport: "http", ..Origin::default() };
        self.admit(called, caller, legacy, origin).await.map(Some)
    }

    fn document(&self, request: &Request) -> Result<Response, HttpError> {
        self.hosts.check(request.uri(), request.headers())?;
        if request.method() == Method::OPTIONS {
            let message = "this document is served to `GET` only";
            let refused = HttpError::plain(StatusCode::METHOD_NOT_ALLOWED, message);
            return Err(refused.header(header::ALLOW, HeaderValue::from_static("GET, HEAD")));
        }
        let document = self.metadata.as_ref().map(|metadata| metadata.document.clone()).unwrap_or_default();
        let mut answer = Response::new(Body::from(document));
        answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(answer)
    }

    /// Finds out who calls. The token goes no further than this.
    async fn authenticate(&self, request: &mut Request) -> Result<Arc<Caller>, HttpError> {
        let token = auth::take(request.headers_mut());
        let caller = match &token {
            Ok(token) => self.access.caller(token.as_deref()).await,
            Err(denied) => Err(*denied),
        };
        caller.map_err(|denied| {
            self.record(DeniedBy::Auth);
            let basic: Vec<&str> = self.shared.scopes.basic().iter().map(String::as_str).collect();
            auth::refused(denied, &basic, self.metadata_url())
        })
    }

    /// Records and counts a refusal whose caller is unknown.
    fn record(&self, by: DeniedBy) {
        self.shared.core.telemetry.denied(by);
        if let Some(recorder) = &self.shared.core.audit {
            recorder.refused(by, "http");
        }
    }

    pub(super) fn metadata_url(&self) -> Option<&str> {
        self.metadata.as_ref().map(|metadata| metadata.url.as_str())
    }
}

/// Marks a session as read by the sender of a `GET`.
fn read_session(headers: &HeaderMap, session: &mut SessionGuard) -> Result<Resumed, HttpError> {
    match headers.get(LAST_EVENT_ID) {
        // A value that is not text names no event.
        Some(event) => session.resume(event.to_str().unwrap_or_default()),
        None => session.begin_stream().map(|()| Resumed::OwnMessages),
    }
}
