//! The sessions of older clients: each belongs to the caller who began it, and there are no more than so many.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use ::http::{HeaderValue, StatusCode};
use axum::{body::Body, extract::Request};
use bytes::Bytes;
use futures::Stream;
use http_body::Body as HttpBody;
use rmcp::{
    model::{ClientJsonRpcMessage, ProtocolVersion, ServerJsonRpcMessage},
    transport::streamable_http_server::session::{
        ServerSseMessage, SessionId, SessionManager,
        local::{LocalSessionManager, LocalSessionManagerError},
    },
};

use super::{HttpError, body_guard::GuardedBody};
use crate::{confirm::ANSWER_TIMEOUT, tool::caller::Caller};

const SESSION: &str = "mcp-session-id";
/// How long a session may be silent: no request, no answer, no report.
const SILENCE: Duration = Duration::from_secs(300);

tokio::task_local! {
    /// Who begins a session; rmcp asks for one in the middle of their request.
    static OWNER: Arc<Caller>;
}

/// Runs a request as `caller`'s: the session it may begin is theirs.
pub(super) async fn of<F: Future>(caller: Arc<Caller>, request: F) -> F::Output {
    OWNER.scope(caller, request).await
}

/// All sessions of a server.
pub(super) struct Sessions {
    local: LocalSessionManager,
    most: usize,
    open: Arc<Mutex<HashMap<SessionId, Session>>>,
}

struct Session {
    owner: Arc<Caller>,
    used: Instant,
    /// Requests that are being answered.
    busy: usize,
}

/// A request's hold on its session: while it lasts, the session is not idle.
pub(super) struct SessionGuard {
    open: Arc<Mutex<HashMap<SessionId, Session>>>,
    id: Option<SessionId>,
}

impl Sessions {
    /// No more than `most`, whose calls take up to `longest`.
    pub(super) fn new(most: usize, longest: Duration) -> Self {
        let mut local = LocalSessionManager::default();
        // A call that says nothing until its end is no silence, nor is a person who takes their time.
        let quiet = longest.max(ANSWER_TIMEOUT) + Duration::from_secs(30);
        local.session_config.keep_alive = Some(SILENCE.max(quiet));
        Self { local, most, open: Arc::default() }
    }

    /// Finds the session that a request names. Another caller's is as unknown as one that never was: its name alone
    /// must not tell that it exists.
    pub(super) fn enter(&self, request: &mut Request, caller: &Caller) -> Result<SessionGuard, HttpError> {
        let headers = request.headers_mut();
        let version = headers.get("mcp-protocol-version").map(HeaderValue::as_bytes);
        if version.is_some_and(|version| version >= ProtocolVersion::V_2026_07_28.as_str().as_bytes()) {
            // There are no sessions there, and the header means nothing (SEP-2567).
            headers.remove(SESSION);
        }
        let mut id = None;
        if let Some(said) = headers.get(SESSION) {
            let mut open = self.open();
            let known =
                said.to_str().ok().and_then(|said| open.get_key_value(said).map(|(id, _)| Arc::clone(id)));
            let session = known.as_ref().and_then(|id| open.get_mut(id));
            let Some(session) = session.filter(|session| session.owner.identity() == caller.identity())
            else {
                return Err(HttpError::plain(
                    StatusCode::NOT_FOUND,
                    "there is no such session\nhelp: begin a new one with `initialize`",
                ));
            };
            session.used = Instant::now();
            session.busy += 1;
            id = known;
        }
        Ok(SessionGuard { open: Arc::clone(&self.open), id })
    }

    /// Makes room for a session more. Where there is none, the caller who has the most loses the one that was idle the
    /// longest.
    pub(super) async fn make_room(&self) -> Result<(), HttpError> {
        if let Some(oldest) = self.superfluous()? {
            // One that has ended by itself is as good.
            let _ = self.local.close_session(&oldest).await;
        }
        Ok(())
    }

    fn superfluous(&self) -> Result<Option<SessionId>, HttpError> {
        let mut open = self.open();
        if open.len() < self.most {
            return Ok(None);
        }
        let mut counts: HashMap<_, usize> = HashMap::new();
        for session in open.values() {
            *counts.entry(session.owner.identity()).or_default() += 1;
        }
        let most = counts.values().copied().max().unwrap_or_default();
        let idle =
            open.iter().filter(|(_, session)| session.busy == 0 && counts[&session.owner.identity()] == most);
        let oldest = idle.min_by_key(|(_, session)| session.used).map(|(id, _)| Arc::clone(id));
        let Some(oldest) = oldest else {
            let full = "as many sessions are open as may be\nhelp: try again in 10 s, or use revision 2026-07-28, which has none";
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
        let owner = OWNER.try_with(Arc::clone).map_err(|_| SessionError::Nobody)?;
        let (id, transport) = self.local.create_session().await?;
        self.open().insert(Arc::clone(&id), Session { owner, used: Instant::now(), busy: 0 });
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

/// Why there is no session.
#[derive(Debug)]
pub(super) enum SessionError {
    /// It was asked for outside of any request.
    Nobody,
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
            Self::Nobody => f.write_str("a session without a caller"),
            Self::Local(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SessionError {}

impl SessionGuard {
    /// Holds the session until this body was sent, or nobody reads it any more.
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
            session.busy = session.busy.saturating_sub(1);
            session.used = Instant::now();
        }
    }
}
