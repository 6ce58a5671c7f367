//! Reads a response of server-sent events one by one, and resumes it after its connection broke.

use std::{net::SocketAddr, time::Duration};

use serde_json::Value;

use crate::http::{HttpConnection, HttpRequest, HttpResponse};

/// The time after which an event counts as missing, and the test fails.
const EVENT_TIMEOUT: Duration = Duration::from_secs(40);

/// A response that is a stream of events.
pub struct EventStream {
    connection: HttpConnection,
    /// The status line and the headers.
    pub response: HttpResponse,
    unread: String,
}

/// One event.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its id.
    pub id: Option<String>,
    /// Its message; `None` if it has no data.
    pub message: Option<Value>,
}

impl EventStream {
    /// Sends a request, and receives the head of its response; `None` if the connection breaks before.
    pub async fn open(address: SocketAddr, request: &HttpRequest) -> Option<Self> {
        let mut connection = HttpConnection::open(address).await;
        connection.send(&request.bytes(address)).await;
        let response = tokio::time::timeout(EVENT_TIMEOUT, connection.head()).await.expect("a response")?;
        Some(Self { connection, response, unread: String::new() })
    }

    /// Receives the next event; `None` at the end of the stream, or if the connection breaks.
    pub async fn next(&mut self) -> Option<Event> {
        tokio::time::timeout(EVENT_TIMEOUT, self.read()).await.expect("an event")
    }

    async fn read(&mut self) -> Option<Event> {
        loop {
            while let Some((text, rest)) = self.unread.split_once("\n\n") {
                let (text, rest) = (text.to_owned(), rest.to_owned());
                self.unread = rest;
                // Comments keep the connection alive.
                if let Some(event) = Event::parse(&text) {
                    return Some(event);
                }
            }
            let chunk = self.connection.chunk().await.filter(|chunk| !chunk.is_empty())?;
            self.unread += str::from_utf8(&chunk).expect("events are UTF-8, and a chunk ends between them");
        }
    }
}

impl Event {
    fn parse(text: &str) -> Option<Self> {
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let (id, data) = (field("id:").map(str::to_owned), field("data:"));
        let message = data
            .filter(|data| !data.is_empty())
            .map(|data| serde_json::from_str(data).unwrap_or_else(|error| panic!("{error} in {data:?}")));
        (id.is_some() || message.is_some()).then_some(Self { id, message })
    }

    /// Whether it is the answer to a request.
    pub fn is_answer(&self) -> bool {
        let message = self.message.as_ref();
        message.is_some_and(|message| message.get("result").is_some() || message.get("error").is_some())
    }
}

/// Makes the request that resumes a stream of a session after an event.
pub fn resume(session: &str, last_event_id: &str) -> HttpRequest {
    read_messages(session).with("last-event-id", last_event_id)
}

/// Makes the request that reads the server's own messages to a session.
pub fn read_messages(session: &str) -> HttpRequest {
    HttpRequest::get("/mcp")
        .with("accept", "text/event-stream")
        .with("mcp-protocol-version", "2025-11-25")
        .with("mcp-session-id", session)
}
