//! Holds the sessions of a server: their owners, their requests in flight, and the streams that are kept for resuming.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use http::StatusCode;
use rmcp::{model::RequestId, transport::streamable_http_server::session::SessionId};

use super::{
    error::HttpError,
    event_log::{EventId, EventLog},
};
use crate::{message::Message, telemetry::SessionCount, tool::caller::Caller};

/// The time for which the events of a complete stream are kept.
const STREAM_RETENTION: Duration = Duration::from_secs(60);
/// The bytes of all kept streams of one session.
const MAX_KEPT_BYTES_PER_SESSION: usize = 4 * 1024 * 1024;
/// The bytes of all kept streams.
const MAX_KEPT_BYTES: usize = 64 * 1024 * 1024;

/// The sessions there are, and those that are about to be.
#[derive(Default)]
pub(super) struct SessionTable {
    sessions: HashMap<SessionId, Session>,
    /// Places of handshakes that are under way.
    pub(super) reserved: usize,
    /// The bytes of all kept streams.
    kept_bytes: usize,
}

pub(super) struct Session {
    pub(super) owner: Arc<Caller>,
    pub(super) used: Instant,
    /// The ids of requests whose calls run, also after their clients have gone.
    pub(super) in_flight: HashSet<RequestId>,
    /// The requests whose clients wait for the answer.
    pub(super) waiting: usize,
    /// Open streams of the server's own messages.
    pub(super) streams: usize,
    /// The position of the last event that was sent on a stream of the server's own messages.
    pub(super) sent: u64,
    kept: KeptStreams,
    _count: SessionCount,
}

/// The streams of requests that can be resumed.
#[derive(Default)]
struct KeptStreams {
    /// The number of the last stream. Number 0 is the stream of the server's own messages.
    last: u64,
    streams: BTreeMap<u64, KeptStream>,
    bytes: usize,
}

struct KeptStream {
    log: Arc<EventLog>,
    bytes: usize,
    completed: Option<Instant>,
}

pub(super) fn lock(open: &Mutex<SessionTable>) -> MutexGuard<'_, SessionTable> {
    // A panic cannot leave the table inconsistent.
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Session {
    pub(super) fn new(owner: Arc<Caller>, count: SessionCount) -> Self {
        Self {
            owner,
            used: Instant::now(),
            in_flight: HashSet::new(),
            waiting: 0,
            streams: 0,
            sent: 0,
            kept: KeptStreams::default(),
            _count: count,
        }
    }

    fn is_idle(&self, timeout: Duration) -> bool {
        self.in_flight.is_empty() && self.waiting == 0 && self.streams == 0 && self.used.elapsed() >= timeout
    }
}

impl SessionTable {
    pub(super) fn get_mut(&mut self, id: &SessionId) -> Option<&mut Session> {
        self.sessions.get_mut(id)
    }

    /// The session of this name, if there is one.
    pub(super) fn named(&mut self, id: &str) -> Option<(SessionId, &mut Session)> {
        let (id, _) = self.sessions.get_key_value(id)?;
        let id = Arc::clone(id);
        self.sessions.get_mut(&id).map(|session| (id, session))
    }

    pub(super) fn insert(&mut self, id: SessionId, session: Session) {
        self.sessions.insert(id, session);
    }

    pub(super) fn remove(&mut self, id: &SessionId) {
        if let Some(session) = self.sessions.remove(id) {
            self.kept_bytes -= session.kept.bytes;
        }
    }

    /// The sessions that were not used for this time.
    pub(super) fn idle(&self, timeout: Duration) -> Vec<SessionId> {
        let idle = self.sessions.iter().filter(|(_, session)| session.is_idle(timeout));
        idle.map(|(id, _)| Arc::clone(id)).collect()
    }

    /// Removes a session if there are as many as may be. Returns it, so that rmcp can end it.
    pub(super) fn make_room(&mut self, max: usize, caller: &Caller) -> Result<Option<SessionId>, HttpError> {
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
        self.remove(&evicted);
        Ok(Some(evicted))
    }

    /// The session that was used least recently, of those where no client waits for an answer. An open stream does not
    /// protect a session, nor do calls that clients have left: otherwise one caller could hold every place.
    fn least_used(&self, is_candidate: impl Fn(&Session) -> bool) -> Option<SessionId> {
        let idle = self.sessions.iter().filter(|(_, session)| session.waiting == 0);
        let candidates = idle.filter(|(_, session)| is_candidate(session));
        let oldest = candidates
            .min_by_key(|(_, session)| (session.streams, !session.in_flight.is_empty(), session.used));
        oldest.map(|(id, _)| Arc::clone(id))
    }
}

/// The streams that can be resumed.
impl SessionTable {
    /// Opens the stream of a request.
    pub(super) fn open_stream(&mut self, id: &SessionId) -> Option<Arc<EventLog>> {
        self.forget_streams(id);
        let kept = &mut self.sessions.get_mut(id)?.kept;
        kept.last += 1;
        let log = Arc::new(EventLog::new(kept.last));
        kept.streams.insert(kept.last, KeptStream { log: Arc::clone(&log), bytes: 0, completed: None });
        Some(log)
    }

    /// Counts bytes of a stream. Over a limit, streams are forgotten: complete ones first, the oldest first. Connections
    /// that read a forgotten stream go on.
    pub(super) fn keep(&mut self, id: &SessionId, stream: u64, bytes: usize) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let Some(kept) = session.kept.streams.get_mut(&stream) else { return };
        kept.bytes += bytes;
        session.kept.bytes += bytes;
        self.kept_bytes += bytes;
        while session.kept.bytes > MAX_KEPT_BYTES_PER_SESSION {
            self.kept_bytes -= session.kept.forget_one();
        }
        while self.kept_bytes > MAX_KEPT_BYTES {
            let largest = self.sessions.values_mut().max_by_key(|session| session.kept.bytes);
            self.kept_bytes -= largest.map_or(self.kept_bytes, |session| session.kept.forget_one());
        }
    }

    /// Begins the time for which a complete stream is kept.
    pub(super) fn complete_stream(&mut self, id: &SessionId, stream: u64) {
        let session = self.sessions.get_mut(id);
        if let Some(kept) = session.and_then(|session| session.kept.streams.get_mut(&stream)) {
            kept.completed = Some(Instant::now());
        }
    }

    /// The stream of a request that holds this event, if it is kept.
    pub(super) fn kept_stream(&mut self, id: &SessionId, event: EventId) -> Option<Arc<EventLog>> {
        self.forget_streams(id);
        let kept = self.sessions.get(id)?.kept.streams.get(&event.stream)?;
        kept.log.has(event.position).then(|| Arc::clone(&kept.log))
    }

    /// Forgets the streams of all sessions whose time is over.
    pub(super) fn forget_all_streams(&mut self) {
        self.kept_bytes = self.sessions.values_mut().map(|session| session.kept.forget_expired()).sum();
    }

    fn forget_streams(&mut self, id: &SessionId) {
        if let Some(session) = self.sessions.get_mut(id) {
            self.kept_bytes -= session.kept.bytes;
            self.kept_bytes += session.kept.forget_expired();
        }
    }
}

impl KeptStreams {
    /// Forgets the streams whose time is over. Returns the bytes of those that are left.
    fn forget_expired(&mut self) -> usize {
        self.streams
            .retain(|_, kept| kept.completed.is_none_or(|completed| completed.elapsed() < STREAM_RETENTION));
        self.bytes = self.streams.values().map(|kept| kept.bytes).sum();
        self.bytes
    }

    /// Forgets the oldest stream, of the complete ones if there are such. Returns its bytes.
    fn forget_one(&mut self) -> usize {
        let complete = self.streams.iter().find(|(_, kept)| kept.completed.is_some());
        let first = complete.or_else(|| self.streams.iter().next()).map(|(stream, _)| *stream);
        let bytes =
            first.and_then(|stream| self.streams.remove(&stream)).map_or(self.bytes, |kept| kept.bytes);
        self.bytes -= bytes;
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(sessions: &[&SessionId]) -> SessionTable {
        let mut table = SessionTable::default();
        for id in sessions {
            let owner = Arc::new(Caller::new(None, "ada", [""; 0]));
            table.insert(Arc::clone(id), Session::new(owner, SessionCount::default()));
        }
        table
    }

    /// Opens a stream with this many bytes, completes it, and returns its start.
    fn complete(table: &mut SessionTable, id: &SessionId, bytes: usize) -> EventId {
        let stream = table.open_stream(id).expect("the session exists").stream();
        table.keep(id, stream, bytes);
        table.complete_stream(id, stream);
        EventId { stream, position: 0 }
    }

    #[test]
    fn calls_that_clients_left_do_not_protect_a_session() {
        let [left, waiting] = ["left", "waiting"].map(SessionId::from);
        let mut table = table(&[&left, &waiting]);
        table.get_mut(&left).unwrap().in_flight.insert(RequestId::Number(1));
        table.get_mut(&waiting).unwrap().in_flight.insert(RequestId::Number(1));
        table.get_mut(&waiting).unwrap().waiting = 1;
        let caller = Caller::new(None, "eve", [""; 0]);
        assert_eq!(table.make_room(2, &caller).unwrap(), Some(left));
        table.reserved = 1;
        table.make_room(2, &caller).expect_err("a client waits for an answer");
    }

    #[test]
    fn kept_streams_of_a_session_are_bounded() {
        let id: SessionId = "a".into();
        let mut table = table(&[&id]);
        let running = table.open_stream(&id).unwrap();
        let first = complete(&mut table, &id, MAX_KEPT_BYTES_PER_SESSION - 1);
        let second = complete(&mut table, &id, 1);
        assert!(table.kept_stream(&id, first).is_some(), "exactly at the limit");
        let third = complete(&mut table, &id, 1);
        assert!(table.kept_stream(&id, first).is_none());
        assert!(table.kept_stream(&id, second).is_some() && table.kept_stream(&id, third).is_some());
        let running = EventId { stream: running.stream(), position: 0 };
        assert!(table.kept_stream(&id, running).is_some(), "complete streams go first");
        complete(&mut table, &id, MAX_KEPT_BYTES_PER_SESSION + 1);
        assert_eq!((table.kept_bytes, table.sessions[&id].kept.streams.len()), (0, 0));
    }

    #[test]
    fn kept_streams_in_all_are_bounded() {
        let ids: Vec<SessionId> =
            (0..=MAX_KEPT_BYTES / MAX_KEPT_BYTES_PER_SESSION).map(|n| n.to_string().into()).collect();
        let mut table = table(&ids.iter().collect::<Vec<_>>());
        let events: Vec<_> = (0..)
            .zip(&ids)
            .map(|(n, id)| complete(&mut table, id, MAX_KEPT_BYTES_PER_SESSION - usize::from(n > 0)))
            .collect();
        assert!(table.kept_bytes <= MAX_KEPT_BYTES);
        assert!(table.kept_stream(&ids[0], events[0]).is_none(), "its session holds the most bytes");
        for (id, event) in ids.iter().zip(events).skip(1) {
            assert!(table.kept_stream(id, event).is_some());
        }
        for id in &ids {
            table.remove(id);
        }
        assert_eq!(table.kept_bytes, 0);
    }
}
