//! Checks every HTTP request before the protocol sees it, in one order, and hands it on.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    response::Response,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body_util::Full;
use rmcp::transport::streamable_http_server::StreamableHttpService;

use super::{
    admission, auth, body,
    config::HttpLimits,
    drain::{self, Drain},
    error::HttpError,
    host::Hosts,
    metadata::ResourceMetadata,
    peek::{self, Message, Peek},
    sessions::{self, Sessions},
};
use crate::{
    access::Access,
    pipeline::Admission,
    record::DeniedBy,
    serve::{
        mcp::handler::{HttpIdentity, McpHandler},
        shared::Shared,
    },
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

/// Answers a request to the protocol's path.
pub(super) async fn mcp(State(gate): State<Arc<HttpGate>>, request: Request) -> Response {
    gate.answer(request).await.unwrap_or_else(HttpError::into_response)
}

/// Answers a request for the resource's metadata (RFC 9728).
pub(super) async fn metadata(State(gate): State<Arc<HttpGate>>, request: Request) -> Response {
    gate.document(&request).unwrap_or_else(HttpError::into_response)
}

impl HttpGate {
    /// Answers one request. The order of the checks is a security property.
    async fn answer(&self, mut request: Request) -> Result<Response, HttpError> {
        let mut in_flight = self.drain.enter().inspect_err(|_| self.record(DeniedBy::Draining))?;
        self.hosts.check(request.uri(), request.headers())?;
        let caller = self.authenticate(&mut request).await?;
        let session = self.sessions.enter(&mut request, &caller)?;
        let (mut parts, body) = request.into_parts();
        let body = body::read(body, &self.limits).await?;
        let mut id = None;
        let admission = if parts.method == Method::POST {
            match Message::read(&self.shared, &parts.headers, &body)? {
                Message::FastCall(call) => {
                    let admission = self.admit(call.tool, call.name(), &call.id, &caller).await?;
                    let answer = call.answer(&self.shared, caller, admission, &self.drain).await?;
                    return Ok(in_flight.hold(answer));
                }
                Message::Other(peek) => {
                    id.clone_from(&peek.id);
                    if peek.is_endless() {
                        in_flight.release();
                    }
                    if peek.opens_session() {
                        self.sessions.make_room().await?;
                    }
                    self.admit_peeked(&peek, &parts.headers, &caller).await?
                }
            }
        } else {
            // A stream of the server's own messages lasts as long as the client likes.
            in_flight.release();
            None
        };
        parts.extensions.insert(HttpIdentity::new(Arc::clone(&caller), admission));
        // rmcp takes bytes only, so this path parses the body a second time.
        let request = Request::from_parts(parts, Full::new(body.clone()));
        let ends_session = request.method() == Method::DELETE;
        let mut answer = sessions::of(caller, self.protocol.handle(request)).await;
        if answer.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            // rmcp's status for JSON that is not a message, among other things.
            peek::explain(&body)?;
        }
        if answer.status() == StatusCode::INTERNAL_SERVER_ERROR && self.drain.timed_out.is_cancelled() {
            return Err(drain::timed_out().to(id));
        }
        if ends_session && answer.status() == StatusCode::ACCEPTED {
            // Clients expect this status at the end of a session.
            *answer.status_mut() = StatusCode::NO_CONTENT;
        }
        Ok(in_flight.hold(answer.map(|body| session.hold(body))))
    }

    /// Admits a call that takes the general path.
    async fn admit_peeked(
        &self,
        peek: &Peek,
        headers: &HeaderMap,
        caller: &Arc<Caller>,
    ) -> Result<Option<Admission>, HttpError> {
        match peek.call() {
            Some((name, id)) if admission::headers_agree(headers, name) => {
                self.admit(self.shared.core.registry.index(name), name, id, caller).await
            }
            // The protocol has its own error for headers that contradict the body.
            _ => Ok(None),
        }
    }

    fn document(&self, request: &Request) -> Result<Response, HttpError> {
        self.hosts.check(request.uri(), request.headers())?;
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

    /// Records a refusal whose caller is unknown.
    fn record(&self, by: DeniedBy) {
        if let Some(recorder) = &self.shared.core.audit {
            recorder.refused(by, "http");
        }
    }

    pub(super) fn metadata_url(&self) -> Option<&str> {
        self.metadata.as_ref().map(|metadata| metadata.url.as_str())
    }
}
