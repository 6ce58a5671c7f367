//! Marks a session as in use while a request or a stream of it is open.

use std::{
    sync::{Arc, Mutex},
    time::Instant,
};

use axum::body::Body;
use bytes::Bytes;
use http::StatusCode;
use http_body::Body as HttpBody;
use rmcp::{model::RequestId, transport::streamable_http_server::session::SessionId};
use serde_json::json;

use super::{
    body_guard::GuardedBody,
    error::HttpError,
    event_log::EventId,
    session_table::{Session, SessionTable, lock},
};
use crate::message::Message;

/// Marks a session as in use while a request or a stream of it is open.
pub(super) struct SessionGuard {
    open: Arc<Mutex<SessionTable>>,
    session: Option<SessionId>,
    usage: Usage,
}

/// The reason why a session is in use.
#[derive(Clone, Copy)]
enum Usage {
    /// The request is not known yet, or needs no answer.
    Entered,
    /// The client waits for an answer.
    Waiting,
    /// The client reads the server's own messages.
    Stream,
}

/// A request in flight, until its call ends. The client may be gone before.
pub(super) struct SessionRequest {
    open: Arc<Mutex<SessionTable>>,
    session: SessionId,
    id: RequestId,
}

impl Drop for SessionRequest {
    fn drop(&mut self) {
        if let Some(session) = lock(&self.open).get_mut(&self.session) {
            session.in_flight.remove(&self.id);
        }
    }
}

/// The kind of stream that a client resumes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resumed {
    /// The stream of the server's own messages.
    OwnMessages,
    /// The stream of a request.
    Request,
}

impl SessionGuard {
    pub(super) fn new(open: Arc<Mutex<SessionTable>>, session: Option<SessionId>) -> Self {
        Self { open, session, usage: Usage::Entered }
    }

    /// Marks the session as answering the request `id`. Refuses an id that is in flight already, since a client could not
    /// tell the two answers apart (JSON-RPC 2.0), and a request beyond `max` in flight.
    pub(super) fn begin_request(
        &mut self,
        id: &RequestId,
        max: usize,
    ) -> Result<Option<SessionRequest>, HttpError> {
        self.begin(Usage::Waiting, |session| {
            if session.in_flight.len() >= max {
                return Err(too_many(max));
            }
            if !session.in_flight.insert(id.clone()) {
                let message = Message::new("a request with this `id` is in flight in this session")
                    .help("send each request under an `id` of its own");
                return Err(HttpError::plain(StatusCode::OK, message));
            }
            session.waiting += 1;
            Ok(())
        })?;
        Ok(self.session.as_ref().map(|session| SessionRequest {
            open: Arc::clone(&self.open),
            session: Arc::clone(session),
            id: id.clone(),
        }))
    }

    /// Marks the session as having an open stream of the server's messages.
    pub(super) fn begin_stream(&mut self) -> Result<(), HttpError> {
        self.begin(Usage::Stream, |session| {
            session.streams += 1;
            Ok(())
        })
    }

    /// Checks that the stream after this event is kept, and marks the session as in use by its reader. rmcp would answer
    /// with an empty stream, which tells a client that nothing is lost.
    pub(super) fn resume(&mut self, last_event_id: &str) -> Result<Resumed, HttpError> {
        let Some(id) = self.session.clone() else { return Ok(Resumed::OwnMessages) };
        let event = last_event_id.parse::<EventId>().ok();
        let is_kept = |event: EventId| {
            let mut open = lock(&self.open);
            match event.stream {
                0 => open.get_mut(&id).is_some_and(|session| event.position <= session.sent),
                _ => open.kept_stream(&id, event).is_some(),
            }
        };
        match event.filter(|event| is_kept(*event)) {
            Some(EventId { stream: 0, .. }) => self.begin_stream().map(|()| Resumed::OwnMessages),
            Some(_) => {
                self.begin(Usage::Waiting, |session| {
                    session.waiting += 1;
                    Ok(())
                })?;
                Ok(Resumed::Request)
            }
            None => Err(HttpError::plain(
                StatusCode::BAD_REQUEST,
                Message::new("the events after this `Last-Event-ID` are not kept")
                    .note("the events of a stream are kept for 60 s after its end")
                    .help("send the request again if that does no harm"),
            )),
        }
    }

    fn begin(
        &mut self,
        usage: Usage,
        begin: impl FnOnce(&mut Session) -> Result<(), HttpError>,
    ) -> Result<(), HttpError> {
        let Some(id) = &self.session else { return Ok(()) };
        if let Some(session) = lock(&self.open).get_mut(id) {
            begin(session)?;
            self.usage = usage;
        }
        Ok(())
    }

    /// Refuses a request whose session has ended meanwhile.
    pub(super) fn check_exists(&self) -> Result<(), HttpError> {
        match &self.session {
            Some(id) if lock(&self.open).get_mut(id).is_none() => Err(no_such_session()),
            _ => Ok(()),
        }
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
        if let Some(session) = lock(&self.open).get_mut(id) {
            match self.usage {
                Usage::Entered => {}
                Usage::Waiting => session.waiting -= 1,
                Usage::Stream => session.streams -= 1,
            }
            session.used = Instant::now();
        }
    }
}

/// The refusal of a request that names a session that does not exist, or is another caller's.
pub(super) fn no_such_session() -> HttpError {
    let message = Message::new("no such session").help("begin a new one with `initialize`");
    HttpError::plain(StatusCode::NOT_FOUND, message)
}

/// The refusal of a request beyond the limit of its session. Sessions are of revisions before 2026-07-28, whose clients
/// can end with all their calls on any status but 200.
fn too_many(max: usize) -> HttpError {
    let message = Message::new(format!("this session is at its limit of {max} requests in flight"))
        .note("a call counts until it ends, also if its client has gone")
        .help("call again in 1 s");
    let data = json!({"reason": "too_many_in_flight", "limit": "session", "retryAfterSeconds": 1});
    HttpError::new(StatusCode::OK, -31429, message, Some(data)).retry_after(1)
}
