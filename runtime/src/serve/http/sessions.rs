//! Keeps the sessions of older clients: each belongs to the caller that began it, and their number is limited.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::{body::Body, extract::Request};
use bytes::Bytes;
use futures::Stream;
use http::{HeaderValue, StatusCode};
use http_body::Body as HttpBody;
use rmcp::{
    model::{ClientJsonRpcMessage, ProtocolVersion, ServerJsonRpcMessage},
    transport::streamable_http_server::session::{
        ServerSseMessage, SessionId, SessionManager,
        local::{LocalSessionManager, LocalSessionManagerError},
    },
};

use super::{body_guard::GuardedBody, error::HttpError};
use crate::{confirm::ANSWER_TIMEOUT, message::Message, tool::caller::Caller};

const SESSION: &str = "mcp-session-id";
/// The time without a request, an answer or a report after which a session ends.
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);

tokio::task_local! {
    /// The caller of the current request: rmcp creates a session in the middle of it, without passing the caller on.
    static OWNER: Arc<Caller>;
}

/// Runs a request on behalf of `caller`, which owns a session that it begins.
pub(super) async fn of<F: Future>(caller: Arc<Caller>, request: F) -> F::Output {
    OWNER.scope(caller, request).await
}

/// All sessions of a server.
pub(super) struct Sessions {
    local: LocalSessionManager,
    max: usize,
    open: Arc<Mutex<HashMap<SessionId, Session>>>,
}

struct Session {
    owner: Arc<Caller>,
    used: Instant,
    /// Requests in flight.
    in_flight: usize,
}

/// Keeps a session from being idle while a request is in flight.
pub(super) struct SessionGuard {
    open: Arc<Mutex<HashMap<SessionId, Session>>>,
    id: Option<SessionId>,
}

impl Sessions {
    /// Limits the sessions to `max`, for calls that take up to `longest`.
    pub(super) fn new(max: usize, longest: Duration) -> Self {
        let mut local = LocalSessionManager::default();
        // A call without reports does not make its session idle, nor does a person who takes time to answer.
        let quiet = longest.max(ANSWER_TIMEOUT) + Duration::from_secs(30);
        local.session_config.keep_alive = Some(IDLE_TIMEOUT.max(quiet));
        Self { local, max, open: Arc::default() }
    }

    /// Finds the session that a request names. Another caller's session is reported as unknown, so that its id alone does
    /// not reveal that it exists.
    pub(super) fn enter(&self, request: &mut Request, caller: &Caller) -> Result<SessionGuard, HttpError> {
        let headers = request.headers_mut();
        let version = headers.get("mcp-protocol-version").map(HeaderValue::as_bytes);
        if version.is_some_and(|version| version >= ProtocolVersion::V_2026_07_28.as_str().as_bytes()) {
            // 2026-07-28 has no sessions, and ignores the header (SEP-2567).
            headers.remove(SESSION);
        }
        let mut id = None;
        if let Some(header) = headers.get(SESSION) {
            let mut open = self.open();
            let header = header.to_str().ok();
            let found = header.and_then(|id| open.get_key_value(id).map(|(id, _)| Arc::clone(id)));
            let session = found.as_ref().and_then(|id| open.get_mut(id));
            let Some(session) = session.filter(|session| session.owner.identity() == caller.identity())
            else {
                return Err(HttpError::plain(
                    StatusCode::NOT_FOUND,
                    Message::new("no such session").help("begin a new one with `initialize`"),
                ));
            };
            session.used = Instant::now();
            session.in_flight += 1;
            id = found;
        }
        Ok(SessionGuard { open: Arc::clone(&self.open), id })
    }

    /// Makes room for one more session. At the limit, the caller with the most sessions loses the one that has been idle
    /// the longest.
    pub(super) async fn make_room(&self) -> Result<(), HttpError> {
        if let Some(oldest) = self.evict()? {
            // A session that has ended by itself makes room as well.
            let _ = self.local.close_session(&oldest).await;
        }
        Ok(())
    }

    fn evict(&self) -> Result<Option<SessionId>, HttpError> {
        let mut open = self.open();
        if open.len() < self.max {
            return Ok(None);
        }
        let mut counts: HashMap<_, usize> = HashMap::new();
        for session in open.values() {
            *counts.entry(session.owner.identity()).or_default() += 1;
        }
        let most = counts.values().copied().max().unwrap_or_default();
        let idle = open
            .iter()
            .filter(|(_, session)| session.in_flight == 0 && counts[&session.owner.identity()] == most);
        let oldest = idle.min_by_key(|(_, session)| session.used).map(|(id, _)| Arc::clone(id));
        let Some(oldest) = oldest else {
            let full = Message::new("the server is at its limit of sessions")
                .help("try again in 10 s, or use revision 2026-07-28, which has no sessions");
            return Err(HttpError::new(StatusCode::SERVICE_UNAVAILABLE, -31503, full, None).retry_after(10));
        };
        open.remove(&oldest);
        Ok(Some(oldest))
    }

    fn open(&self) -> MutexGuard<'_, HashMap<SessionId, Session>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SessionManager for Sessions {
    type Error = SessionError;
    type Transport = <LocalSessionManager as SessionManager>::Transport;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), SessionError> {
        let owner = OWNER.try_with(Arc::clone).map_err(|_| SessionError::NoCaller)?;
        let (id, transport) = self.local.create_session().await?;
        self.open().insert(Arc::clone(&id), Session { owner, used: Instant::now(), in_flight: 0 });
        Ok((id, transport))
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, SessionError> {
        Ok(self.local.initialize_session(id, message).await?)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, SessionError> {
        Ok(self.local.has_session(id).await?)
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), SessionError> {
        self.open().remove(id);
        Ok(self.local.close_session(id).await?)
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionError> {
        Ok(self.local.create_stream(id, message).await?)
    }

    async fn accept_message(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<(), SessionError> {
        Ok(self.local.accept_message(id, message).await?)
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionError> {
        Ok(self.local.create_standalone_stream(id).await?)
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionError> {
        Ok(self.local.resume(id, last_event_id).await?)
    }
}

/// Why a session cannot be used.
#[derive(Debug)]
pub(super) enum SessionError {
    /// rmcp asked for a session outside of a request.
    NoCaller,
    Local(LocalSessionManagerError),
}

impl From<LocalSessionManagerError> for SessionError {
    fn from(error: LocalSessionManagerError) -> Self {
        Self::Local(error)
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCaller => f.write_str("a session without a caller"),
            Self::Local(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SessionError {}

impl SessionGuard {
    /// Keeps the session from being idle until this body is sent, or its client is gone.
    pub(super) fn hold<B>(self, body: B) -> Body
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<axum::BoxError>,
    {
        Body::new(GuardedBody::new(body, self))
    }
}

impl Drop for SessionGuard {
    fn drop(&mut self) {
        let Some(id) = &self.id else { return };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = open.get_mut(id) {
            session.in_flight = session.in_flight.saturating_sub(1);
            session.used = Instant::now();
        }
    }
}
