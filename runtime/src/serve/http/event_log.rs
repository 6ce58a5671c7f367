//! Keeps the events of one request's stream, for the connection that reads them and for those that resume it later.

use std::{
    collections::VecDeque,
    fmt, io,
    str::FromStr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{Stream, stream};
use rmcp::{model::ServerJsonRpcMessage, transport::streamable_http_server::session::ServerSseMessage};
use tokio::sync::Notify;

/// The events of one stream that are kept. Older notifications make room: only requests and answers must not be lost.
const MAX_EVENTS: usize = 256;
/// The bytes of an event beside its message, about.
const EVENT_BYTES: usize = 256;
/// The time after which a client should resume a stream that broke. Clients try about twice (SEP-1699).
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// The name of an event: its stream within the session, and its position in the stream. Position 0 is the start of the
/// stream, before its first message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EventId {
    pub(super) stream: u64,
    pub(super) position: u64,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.stream, self.position)
    }
}

impl FromStr for EventId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (stream, position) = text.split_once('-').ok_or(())?;
        let id = Self { stream: stream.parse().map_err(drop)?, position: position.parse().map_err(drop)? };
        // `parse` takes `+1` and `01`, which no event has.
        if id.to_string() == text { Ok(id) } else { Err(()) }
    }
}

/// The events of one stream.
pub(super) struct EventLog {
    stream: u64,
    state: Mutex<LogState>,
    /// Notified after every change of the state.
    changed: Notify,
}

#[derive(Default)]
struct LogState {
    /// The kept messages, with their positions.
    messages: VecDeque<(u64, Arc<ServerJsonRpcMessage>)>,
    /// The position of the last message.
    last: u64,
    /// Whether the last message is the stream's last one.
    is_complete: bool,
    /// The number of the connection that reads the stream; earlier ones end.
    reader: u64,
}

impl EventLog {
    pub(super) fn new(stream: u64) -> Self {
        Self { stream, state: Mutex::default(), changed: Notify::new() }
    }

    pub(super) fn stream(&self) -> u64 {
        self.stream
    }

    /// Adds a message. Returns the bytes that it takes.
    pub(super) fn push(&self, message: Arc<ServerJsonRpcMessage>) -> usize {
        let bytes = EVENT_BYTES + size(&message);
        let mut state = self.state();
        state.last += 1;
        let position = state.last;
        state.messages.push_back((position, message));
        if state.messages.len() > MAX_EVENTS {
            let is_notification =
                |message: &ServerJsonRpcMessage| matches!(message, ServerJsonRpcMessage::Notification(_));
            let oldest = state.messages.iter().position(|(_, message)| is_notification(message));
            state.messages.remove(oldest.unwrap_or_default());
        }
        drop(state);
        self.changed.notify_waiters();
        bytes
    }

    /// Marks the stream as complete: no message follows.
    pub(super) fn complete(&self) {
        self.state().is_complete = true;
        self.changed.notify_waiters();
    }

    /// Whether the stream has come to this position.
    pub(super) fn has(&self, position: u64) -> bool {
        position <= self.state().last
    }

    /// Reads the events after a position, until the stream is complete. An earlier reader ends, so that no message is sent
    /// twice.
    pub(super) fn read(
        self: Arc<Self>,
        after: u64,
    ) -> impl Stream<Item = ServerSseMessage> + Send + Sync + 'static {
        let reader = {
            let mut state = self.state();
            state.reader += 1;
            state.reader
        };
        self.changed.notify_waiters();
        let start = start(EventId { stream: self.stream, position: after });
        let rest = stream::unfold((self, after), move |(log, after)| async move {
            let (position, message) = log.next(after, reader).await?;
            let id = EventId { stream: log.stream, position };
            Some((event(id, message), (log, position)))
        });
        futures::StreamExt::chain(stream::iter([start]), rest)
    }

    /// Waits for the first message after a position; `None` at the end of the stream, or when another reader has begun.
    async fn next(&self, after: u64, reader: u64) -> Option<(u64, Arc<ServerJsonRpcMessage>)> {
        loop {
            // Made before the look, so that no change is missed.
            let changed = self.changed.notified();
            {
                let state = self.state();
                if state.reader != reader {
                    return None;
                }
                let mut later = state.messages.iter().filter(|(position, _)| *position > after);
                if let Some((position, message)) = later.next() {
                    return Some((*position, Arc::clone(message)));
                }
                if state.is_complete {
                    return None;
                }
            }
            changed.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, LogState> {
        // A panic cannot leave the state inconsistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first event of a stream. It has no message: a client can resume only after an event with an id (SEP-1699).
pub(super) fn start(id: EventId) -> ServerSseMessage {
    ServerSseMessage::priming(id.to_string(), RETRY_INTERVAL)
}

/// An event with a message.
pub(super) fn event(id: EventId, message: Arc<ServerJsonRpcMessage>) -> ServerSseMessage {
    let mut event = ServerSseMessage::default();
    event.event_id = Some(id.to_string());
    event.message = Some(message);
    event
}

/// The bytes of a message on the wire.
fn size(message: &ServerJsonRpcMessage) -> usize {
    let mut counter = Counter(0);
    // Counting does not fail.
    let _ = serde_json::to_writer(&mut counter, message);
    counter.0
}

struct Counter(usize);

impl io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;
    use rmcp::model::{ErrorData, RequestId};

    use super::*;

    fn message(number: i64) -> Arc<ServerJsonRpcMessage> {
        let error = ErrorData::internal_error("", None);
        Arc::new(ServerJsonRpcMessage::error(error, Some(RequestId::Number(number))))
    }

    async fn ids(events: impl Stream<Item = ServerSseMessage>) -> Vec<String> {
        events.filter_map(|event| async { event.event_id }).collect().await
    }

    #[test]
    fn event_id_has_one_spelling() {
        assert_eq!("7-0".parse(), Ok(EventId { stream: 7, position: 0 }));
        for text in ["", "7", "7-", "-7", "+7-0", "07-0", "7-00", "7-0-0", "7/0", "18446744073709551616-0"] {
            assert_eq!(text.parse::<EventId>(), Err(()), "{text}");
        }
    }

    #[tokio::test]
    async fn resumed_stream_has_only_later_events() {
        let log = Arc::new(EventLog::new(3));
        for number in 1..=3 {
            log.push(message(number));
        }
        log.complete();
        assert_eq!(ids(Arc::clone(&log).read(0)).await, ["3-0", "3-1", "3-2", "3-3"]);
        assert_eq!(ids(Arc::clone(&log).read(2)).await, ["3-2", "3-3"]);
        assert_eq!(ids(Arc::clone(&log).read(3)).await, ["3-3"]);
    }

    #[tokio::test]
    async fn earlier_reader_ends_when_another_begins() {
        let log = Arc::new(EventLog::new(1));
        let earlier = tokio::spawn(ids(Arc::clone(&log).read(0)));
        let later = Arc::clone(&log).read(0);
        assert_eq!(earlier.await.unwrap(), ["1-0"]);
        log.push(message(1));
        log.complete();
        assert_eq!(ids(later).await, ["1-0", "1-1"]);
    }
}
