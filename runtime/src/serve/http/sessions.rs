//! Keeps the sessions of older clients: each belongs to the caller that began it, and their number is limited.

use std::{
    collections::{HashMap, HashSet},
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
    model::{ClientJsonRpcMessage, ProtocolVersion, RequestId, ServerJsonRpcMessage},
    transport::streamable_http_server::session::{
        ServerSseMessage, SessionId, SessionManager,
        local::{LocalSessionManager, LocalSessionManagerError},
    },
};

use super::{body_guard::GuardedBody, error::HttpError};
use crate::{confirm::ANSWER_TIMEOUT, message::Message, tool::caller::Caller};

const SESSION: &str = "mcp-session-id";
/// The least time without a request or an open stream after which a session ends.
const MIN_IDLE_TIMEOUT: Duration = Duration::from_secs(300);
/// The interval between two looks for idle sessions.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(30);
/// The time after an answer in which its stream ends.
const END_OF_STREAM_TIMEOUT: Duration = Duration::from_millis(250);
/// The requests that one session may have in flight.
const MAX_REQUESTS_PER_SESSION: usize = 256;

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
    idle_timeout: Duration,
    open: Arc<Mutex<SessionTable>>,
}

/// The sessions there are, and those that are about to be.
#[derive(Default)]
struct SessionTable {
    sessions: HashMap<SessionId, Session>,
    /// Places of handshakes that are under way.
    reserved: usize,
}

struct Session {
    owner: Arc<Caller>,
    used: Instant,
    /// The ids of requests in flight.
    in_flight: HashSet<RequestId>,
    /// Open streams of the server's own messages.
    streams: usize,
}

impl Session {
    fn is_idle(&self, timeout: Duration) -> bool {
        self.in_flight.is_empty() && self.streams == 0 && self.used.elapsed() >= timeout
    }
}

/// Marks a session as in use while a request or a stream of it is open.
pub(super) struct SessionGuard {
    open: Arc<Mutex<SessionTable>>,
    session: Option<SessionId>,
    usage: Usage,
}

/// The reason why a session is in use.
enum Usage {
    /// The request is not known yet, or needs no answer.
    Entered,
    Request(RequestId),
    Stream,
}

/// A place for one more session, until the session exists or its handshake has failed.
pub(super) struct Reservation(Arc<Mutex<SessionTable>>);

impl Drop for Reservation {
    fn drop(&mut self) {
        lock(&self.0).reserved -= 1;
    }
}

fn lock(open: &Mutex<SessionTable>) -> MutexGuard<'_, SessionTable> {
    // A panic cannot leave the map inconsistent.
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sessions {
    /// Limits the sessions to `max`, for calls that take up to `longest`.
    pub(super) fn new(max: usize, longest: Duration) -> Self {
        let mut local = LocalSessionManager::default();
        // rmcp counts messages alone, and would end a session whose stream is open and read.
        local.session_config.keep_alive = None;
        // A call without reports does not make its session idle, nor does a person who takes time to answer.
        let quiet = longest.max(ANSWER_TIMEOUT) + Duration::from_secs(30);
        Self { local, max, idle_timeout: MIN_IDLE_TIMEOUT.max(quiet), open: Arc::default() }
    }

    /// Ends sessions that are idle for too long, until it is dropped.
    pub(super) async fn expire_idle(self: Arc<Self>) {
        loop {
            tokio::time::sleep(EXPIRY_INTERVAL).await;
            let expired: Vec<_> = {
                let open = lock(&self.open);
                let idle = open.sessions.iter().filter(|(_, session)| session.is_idle(self.idle_timeout));
                idle.map(|(id, _)| Arc::clone(id)).collect()
            };
            for id in expired {
                // Fails if the session has ended by itself.
                let _ = self.close_session(&id).await;
            }
        }
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
            let sessions = &mut lock(&self.open).sessions;
            let header = header.to_str().ok();
            let found = header.and_then(|id| sessions.get_key_value(id).map(|(id, _)| Arc::clone(id)));
            let session = found.as_ref().and_then(|id| sessions.get_mut(id));
            let Some(session) = session.filter(|session| session.owner.identity() == caller.identity())
            else {
                return Err(HttpError::plain(
                    StatusCode::NOT_FOUND,
                    Message::new("no such session").help("begin a new one with `initialize`"),
                ));
            };
            session.used = Instant::now();
            id = found;
        }
        Ok(SessionGuard { open: Arc::clone(&self.open), session: id, usage: Usage::Entered })
    }

    /// Reserves a place for one more session. At the limit, an idle session ends: the caller's own if it has one, otherwise
    /// one of the caller with the most sessions; the one that was used least recently.
    pub(super) async fn reserve(&self, caller: &Caller) -> Result<Reservation, HttpError> {
        let evicted = {
            let mut open = lock(&self.open);
            let evicted = open.make_room(self.max, caller)?;
            // Counted in the same step, so that handshakes at the same time cannot share a place.
            open.reserved += 1;
            evicted
        };
        let reservation = Reservation(Arc::clone(&self.open));
        if let Some(evicted) = evicted {
            // A session that has ended by itself makes room as well.
            let _ = self.local.close_session(&evicted).await;
        }
        Ok(reservation)
    }
}

impl SessionTable {
    fn make_room(&mut self, max: usize, caller: &Caller) -> Result<Option<SessionId>, HttpError> {
        if self.sessions.len() + self.reserved < max {
            return Ok(None);
        }
        let evicted =
            self.least_used(|session| session.owner.identity() == caller.identity()).or_else(|| {
                let mut counts: HashMap<_, usize> = HashMap::new();
                for session in self.sessions.values() {
                    *counts.entry(session.owner.identity()).or_default() += 1;
                }
                let most = counts.values().copied().max().unwrap_or_default();
                self.least_used(|session| counts[&session.owner.identity()] == most)
            });
        let Some(evicted) = evicted else {
            let full = Message::new("the server is at its limit of sessions")
                .help("try again in 10 s, or use revision 2026-07-28, which has no sessions");
            return Err(HttpError::new(StatusCode::SERVICE_UNAVAILABLE, -31503, full, None).retry_after(10));
        };
        self.sessions.remove(&evicted);
        Ok(Some(evicted))
    }

    /// The session without a request in flight that was used least recently. An open stream does not protect a session:
    /// otherwise one caller's streams could hold every place.
    fn least_used(&self, is_candidate: impl Fn(&Session) -> bool) -> Option<SessionId> {
        let idle = self.sessions.iter().filter(|(_, session)| session.in_flight.is_empty());
        let candidates = idle.filter(|(_, session)| is_candidate(session));
        let oldest = candidates.min_by_key(|(_, session)| (session.streams, session.used));
        oldest.map(|(id, _)| Arc::clone(id))
    }
}

impl SessionManager for Sessions {
    type Error = SessionError;
    type Transport = <LocalSessionManager as SessionManager>::Transport;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), SessionError> {
        let owner = OWNER.try_with(Arc::clone).map_err(|_| SessionError::NoCaller)?;
        let (id, transport) = self.local.create_session().await?;
        let session = Session { owner, used: Instant::now(), in_flight: HashSet::new(), streams: 0 };
        lock(&self.open).sessions.insert(Arc::clone(&id), session);
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
        lock(&self.open).sessions.remove(id);
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
    /// Marks the session as answering the request `id`. Refuses an id that is in flight already, since a client could not
    /// tell the two answers apart (JSON-RPC 2.0).
    pub(super) async fn begin_request(&mut self, id: &RequestId) -> Result<(), HttpError> {
        let start = Instant::now();
        // A client that has read an answer may use its id again before the end of the stream is noticed here.
        while start.elapsed() < END_OF_STREAM_TIMEOUT && self.is_in_flight(id) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.update(|session| {
            if session.in_flight.len() >= MAX_REQUESTS_PER_SESSION {
                let message = Message::new("this session is at its limit of requests in flight")
                    .help("wait for an answer, then call again");
                let refused = HttpError::new(StatusCode::TOO_MANY_REQUESTS, -31429, message, None);
                return Err(refused.retry_after(1));
            }
            if !session.in_flight.insert(id.clone()) {
                let message = Message::new("a request with this `id` is in flight in this session")
                    .help("send each request under an `id` of its own");
                return Err(HttpError::plain(StatusCode::BAD_REQUEST, message));
            }
            Ok(Usage::Request(id.clone()))
        })
    }

    fn is_in_flight(&self, id: &RequestId) -> bool {
        let Some(session) = &self.session else { return false };
        lock(&self.open).sessions.get(session).is_some_and(|session| session.in_flight.contains(id))
    }

    /// Marks the session as having an open stream of the server's messages.
    pub(super) fn begin_stream(&mut self) -> Result<(), HttpError> {
        self.update(|session| {
            session.streams += 1;
            Ok(Usage::Stream)
        })
    }

    fn update(
        &mut self,
        begin: impl FnOnce(&mut Session) -> Result<Usage, HttpError>,
    ) -> Result<(), HttpError> {
        let Some(id) = &self.session else { return Ok(()) };
        if let Some(session) = lock(&self.open).sessions.get_mut(id) {
            self.usage = begin(session)?;
        }
        Ok(())
    }

    /// Keeps the session in use until this body is sent, or its client is gone.
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
        let Some(id) = &self.session else { return };
        if let Some(session) = lock(&self.open).sessions.get_mut(id) {
            match &self.usage {
                Usage::Entered => {}
                Usage::Request(id) => _ = session.in_flight.remove(id),
                Usage::Stream => session.streams -= 1,
            }
            session.used = Instant::now();
        }
    }
}
