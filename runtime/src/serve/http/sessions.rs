//! Manages the sessions of older clients for rmcp: each belongs to the caller that began it, their number is limited, and
//! the streams of their requests can be resumed.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::extract::Request;
use futures::{FutureExt as _, Stream, StreamExt as _, future, stream};
use http::HeaderValue;
use rmcp::{
    model::{ClientJsonRpcMessage, ProtocolVersion, ServerJsonRpcMessage},
    transport::{
        WorkerTransport,
        streamable_http_server::session::{
            ServerSseMessage, SessionId, SessionManager,
            local::{LocalSessionManager, LocalSessionManagerError, create_local_session},
        },
    },
};

use super::{
    error::HttpError,
    event_log::{self, EventId, EventLog},
    session_guard::{SessionGuard, SessionRequest, no_such_session},
    session_table::{Session, SessionTable, lock},
};
use crate::{
    audit::hex_number,
    confirm::ANSWER_TIMEOUT,
    pipeline::Core,
    serve::mcp::{callers::HttpIdentity, refused},
    telemetry::McpMethod,
    tool::caller::Caller,
};

const SESSION: &str = "mcp-session-id";
/// The least time without a request or an open stream after which a session ends.
const MIN_IDLE_TIMEOUT: Duration = Duration::from_secs(300);
/// The interval between two looks for idle sessions.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(30);

tokio::task_local! {
    /// The current request: rmcp calls the session manager in the middle of it, without passing it on.
    static REQUEST: CurrentRequest;
}

struct CurrentRequest {
    identity: HttpIdentity,
    /// Until the request's stream takes it.
    in_flight: Mutex<Option<SessionRequest>>,
}

/// Runs a request on behalf of its caller, which owns a session that it begins. `in_flight` lasts until its call ends.
pub(super) async fn of<F: Future>(
    identity: HttpIdentity,
    in_flight: Option<SessionRequest>,
    request: F,
) -> F::Output {
    REQUEST.scope(CurrentRequest { identity, in_flight: Mutex::new(in_flight) }, request).await
}

/// All sessions of a server.
pub(super) struct Sessions {
    local: LocalSessionManager,
    max: usize,
    idle_timeout: Duration,
    open: Arc<Mutex<SessionTable>>,
    core: Arc<Core>,
}

/// A place for one more session, until the session exists or its handshake has failed.
pub(super) struct Reservation(Arc<Mutex<SessionTable>>);

impl Drop for Reservation {
    fn drop(&mut self) {
        lock(&self.0).reserved -= 1;
    }
}

impl Sessions {
    /// Limits the sessions of a server to `max`, for calls that take up to `longest`.
    pub(super) fn new(core: Arc<Core>, max: usize, longest: Duration) -> Self {
        let mut local = LocalSessionManager::default();
        // rmcp counts messages alone, and would end a session whose stream is open and read.
        local.session_config.keep_alive = None;
        // Streams have event ids of their own here.
        local.session_config.sse_retry = None;
        // A call without reports does not make its session idle, nor does a person who takes time to answer.
        let quiet = longest.max(ANSWER_TIMEOUT) + Duration::from_secs(30);
        Self { local, max, idle_timeout: MIN_IDLE_TIMEOUT.max(quiet), open: Arc::default(), core }
    }

    /// Ends sessions that are idle for too long, until it is dropped.
    pub(super) async fn expire_idle(self: Arc<Self>) {
        loop {
            tokio::time::sleep(EXPIRY_INTERVAL).await;
            let expired = {
                let mut open = lock(&self.open);
                open.forget_all_streams();
                open.idle(self.idle_timeout)
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
            let mut open = lock(&self.open);
            let session = header.to_str().ok().and_then(|id| open.named(id));
            let Some((found, session)) =
                session.filter(|(_, session)| session.owner.identity() == caller.identity())
            else {
                return Err(no_such_session());
            };
            session.used = Instant::now();
            id = Some(found);
        }
        Ok(SessionGuard::new(Arc::clone(&self.open), id))
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

    /// The stream of the server's own messages after a position. rmcp repeats the latest ones for every reader.
    async fn own_messages(
        &self,
        id: &SessionId,
        after: Option<u64>,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionError> {
        let events = self.local.create_standalone_stream(id).await?;
        let (open, id) = (Arc::clone(&self.open), Arc::clone(id));
        let after =
            after.or_else(|| lock(&open).get_mut(&id).map(|session| session.sent)).unwrap_or_default();
        let start = event_log::start(EventId { stream: 0, position: after });
        let later = move |event: ServerSseMessage| {
            // rmcp counts from 0.
            let position = event.event_id?.parse::<u64>().ok()? + 1;
            let event = event_log::event(EventId { stream: 0, position }, event.message?);
            if position <= after {
                return None;
            }
            if let Some(session) = lock(&open).get_mut(&id) {
                session.sent = session.sent.max(position);
            }
            Some(event)
        };
        let rest = events.filter_map(move |event| future::ready(later(event)));
        Ok(stream::iter([start]).chain(rest))
    }
}

/// Returns the part of a session's id that only its client knows.
fn random_id() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system provides random bytes");
    hex_number(u128::from_be_bytes(bytes))
}

/// Moves the events of a request to its log until its call ends, whether or not a client reads them. `refused` gets the code of
/// an error, which rmcp may have answered with before a method got the request.
async fn record(
    events: impl Stream<Item = ServerSseMessage> + Send,
    log: Arc<EventLog>,
    open: Arc<Mutex<SessionTable>>,
    session: SessionId,
    mut in_flight: Option<SessionRequest>,
    refused: impl Fn(i32),
) {
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        let Some(message) = event.message else { continue };
        if matches!(*message, ServerJsonRpcMessage::Response(_) | ServerJsonRpcMessage::Error(_)) {
            // A client that has read the answer may use its id again.
            in_flight = None;
        }
        if let ServerJsonRpcMessage::Error(error) = &*message {
            refused(error.error.code.0);
        }
        let bytes = log.push(message);
        lock(&open).keep(&session, log.stream(), bytes);
    }
    drop(in_flight);
    log.complete();
    lock(&open).complete_stream(&session, log.stream());
}

impl SessionManager for Sessions {
    type Error = SessionError;
    type Transport = <LocalSessionManager as SessionManager>::Transport;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), SessionError> {
        let owner = REQUEST.try_with(|request| Arc::clone(&request.identity.caller));
        let owner = owner.map_err(|_| SessionError::NoCaller)?;
        let (id, transport) = match &self.core.replica {
            None => self.local.create_session().await?,
            Some(replica) => {
                let id: SessionId = format!("{replica}.{}", random_id()).into();
                let (handle, worker) =
                    create_local_session(Arc::clone(&id), self.local.session_config.clone());
                self.local.sessions.write().await.insert(Arc::clone(&id), handle);
                (id, WorkerTransport::spawn(worker))
            }
        };
        lock(&self.open).insert(Arc::clone(&id), Session::new(owner, self.core.telemetry.session()));
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
        lock(&self.open).remove(id);
        Ok(self.local.close_session(id).await?)
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionError> {
        let method = match &message {
            ClientJsonRpcMessage::Request(message) => McpMethod::named(message.request.method()),
            _ => McpMethod::Other,
        };
        let events = self.local.create_stream(id, message).await?;
        let current = REQUEST.try_with(|request| {
            let in_flight = request.in_flight.lock().unwrap_or_else(PoisonError::into_inner).take();
            (request.identity.clone(), in_flight)
        });
        let (identity, in_flight) = current.map_err(|_| SessionError::NoCaller)?;
        let core = Arc::clone(&self.core);
        let refused = move |code| {
            if !identity.is_observed() {
                refused::observe(&core, "http", method, code);
            }
        };
        let log = lock(&self.open).open_stream(id).ok_or(SessionError::Unknown)?;
        let reader = Arc::clone(&log).read(0);
        let open = Arc::clone(&self.open);
        tokio::spawn(record(events, log, open, Arc::clone(id), in_flight, refused).boxed());
        Ok(reader)
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
        self.own_messages(id, None).await
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionError> {
        let event: EventId = last_event_id.parse().map_err(|()| SessionError::Unknown)?;
        if event.stream == 0 {
            let handle = self.local.sessions.read().await.get(id).cloned().ok_or(SessionError::Unknown)?;
            // rmcp would take the client's earlier connection for the one that reads, until it notices its end.
            handle.close_standalone_sse_stream(None).await.map_err(LocalSessionManagerError::from)?;
            return Ok(self.own_messages(id, Some(event.position)).await?.left_stream());
        }
        let log = lock(&self.open).kept_stream(id, event).ok_or(SessionError::Unknown)?;
        Ok(log.read(event.position).right_stream())
    }
}

/// Why a session cannot be used.
#[derive(Debug)]
pub(super) enum SessionError {
    /// rmcp asked for a session outside of a request.
    NoCaller,
    /// The session has ended, or the stream is not kept.
    Unknown,
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
            Self::Unknown => f.write_str("the session or the stream does not exist any more"),
            Self::Local(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SessionError {}
