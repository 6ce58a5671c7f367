//! Streams of sessions whose connections break: the client resumes them, and gets every message once.

use std::{net::SocketAddr, ops::RangeInclusive, path::Path, process::Command, time::Duration};

use candor_tests::{
    cut_proxy::CutProxy,
    event_stream::{Event, EventStream, read_messages, resume},
    http::{HttpRequest, HttpServer, legacy, write_token_file},
    messages::request,
    wait::wait_until,
};
use serde_json::{Value, json};

fn web() -> Command {
    Command::new(env!("CARGO_BIN_EXE_web"))
}

fn conformance() -> Command {
    Command::new(env!("CARGO_BIN_EXE_conformance"))
}

/// A call of `linger` with progress, which ends when the file exists.
fn linger(session: &str, time: u64, until: Option<&Path>) -> HttpRequest {
    let arguments = json!({"time": time, "until": until});
    let params = json!({"name": "linger", "arguments": arguments, "_meta": {"progressToken": "p"}});
    legacy(session, "tools/call", params)
}

/// A client's reading of one stream, over any number of connections.
struct Reader {
    address: SocketAddr,
    session: String,
    stream: Option<EventStream>,
    events: Vec<Event>,
}

impl Reader {
    async fn open(address: SocketAddr, session: &str, request: &HttpRequest) -> Self {
        let stream = EventStream::open(address, request).await;
        Self { address, session: session.to_owned(), stream, events: Vec::new() }
    }

    /// Receives the next event over the current connection; `None` if that has ended.
    async fn next(&mut self) -> Option<Event> {
        let event = self.stream.as_mut()?.next().await;
        match &event {
            Some(event) => self.events.push(event.clone()),
            None => self.stream = None,
        }
        event
    }

    /// Receives up to the first progress of the call.
    async fn first_progress(&mut self) {
        while self.next().await.expect("the connection is open").message.is_none() {}
    }

    fn last_id(&self) -> &str {
        self.events.iter().rev().find_map(|event| event.id.as_deref()).expect("an event with an id")
    }

    /// Opens a new connection where the last one ended, when the network lets it.
    async fn resume(&mut self) {
        let request = resume(&self.session, self.last_id());
        for _ in 0..1_000 {
            self.stream = EventStream::open(self.address, &request).await;
            if self.stream.is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let response = &self.stream.as_ref().expect("the network is up again").response;
        assert_eq!(response.status, 200, "{response:?}");
    }

    /// Receives the rest of the stream, over as many connections as it takes.
    async fn finish(mut self) -> Vec<Value> {
        loop {
            while self.next().await.is_some() {}
            if self.events.iter().any(Event::is_answer) {
                return self.events.into_iter().filter_map(|event| event.message).collect();
            }
            self.resume().await;
        }
    }
}

/// Checks that a call of `linger` got one progress and then one answer.
fn assert_each_once(messages: &[Value]) {
    let methods: Vec<_> = messages.iter().map(|message| message["method"].as_str()).collect();
    assert_eq!(methods, [Some("notifications/progress"), None], "{messages:?}");
    assert_eq!(messages[1]["result"]["isError"], false, "{messages:?}");
}

#[tokio::test]
async fn call_that_ends_while_its_client_is_cut_off_is_answered_later() {
    let folder = tempfile::tempdir().unwrap();
    let end = folder.path().join("end");
    let server = HttpServer::start(web(), &[]).await;
    let proxy = CutProxy::start(server.address).await;
    let session = server.open_session(None).await;
    let call = linger(&session, 60_000, Some(&end));
    let mut reader = Reader::open(proxy.address, &session, &call).await;
    reader.first_progress().await;
    proxy.cut();
    assert!(reader.next().await.is_none(), "the connection is cut");
    std::fs::write(&end, "").unwrap();
    wait_until(async || server.in_flight().await == 0).await;
    proxy.restore();
    assert_each_once(&reader.finish().await);
}

#[tokio::test]
async fn call_that_goes_on_while_its_client_is_cut_off_is_answered_later() {
    let folder = tempfile::tempdir().unwrap();
    let end = folder.path().join("end");
    let server = HttpServer::start(web(), &[]).await;
    let proxy = CutProxy::start(server.address).await;
    let session = server.open_session(None).await;
    let call = linger(&session, 60_000, Some(&end));
    let mut reader = Reader::open(proxy.address, &session, &call).await;
    reader.first_progress().await;
    for _ in 0..3 {
        proxy.cut();
        while reader.next().await.is_some() {}
        proxy.restore();
        reader.resume().await;
        assert!(reader.next().await.expect("an event").message.is_none(), "nothing new has happened");
    }
    std::fs::write(&end, "").unwrap();
    assert_each_once(&reader.finish().await);
}

#[tokio::test]
async fn calls_of_any_length_are_answered_although_the_network_fails_for_a_moment() {
    let server = HttpServer::start(web(), &[]).await;
    let proxy = CutProxy::start(server.address).await;
    let session = server.open_session(None).await;
    let mut calls = Vec::new();
    for (id, time) in [20, 100, 150, 200, 300, 800].into_iter().enumerate() {
        let call = linger(&session, time, None);
        let body = call.body.replace("\"id\":7", &format!("\"id\":{id}"));
        // Progress of one call must not be taken for that of another.
        let body = body.replace("\"progressToken\":\"p\"", &format!("\"progressToken\":{id}"));
        let call = HttpRequest { body, ..call };
        let reader = Reader::open(proxy.address, &session, &call).await;
        calls.push(tokio::spawn(reader.finish()));
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    proxy.cut();
    tokio::time::sleep(Duration::from_millis(200)).await;
    proxy.restore();
    for call in calls {
        assert_each_once(&call.await.unwrap());
    }
}

#[tokio::test]
async fn stream_can_be_resumed_after_any_of_its_events() {
    let server = HttpServer::start(web(), &[]).await;
    let session = server.open_session(None).await;
    let reader = Reader::open(server.address, &session, &linger(&session, 0, None)).await;
    let id = |position: usize| format!("1-{position}");
    let messages = reader.finish().await;
    assert_each_once(&messages);
    for position in 0..=2 {
        let mut stream = EventStream::open(server.address, &resume(&session, &id(position))).await.unwrap();
        let first = stream.next().await.expect("the event that tells the place");
        assert_eq!((first.id, first.message), (Some(id(position)), None));
        for (next, message) in messages.iter().enumerate().skip(position) {
            let event = stream.next().await.expect("each later event");
            assert_eq!((event.id, event.message.as_ref()), (Some(id(next + 1)), Some(message)));
        }
        assert!(stream.next().await.is_none(), "the stream ends with the answer");
    }
}

#[tokio::test]
async fn resume_after_an_unknown_event_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = write_token_file(folder.path(), &[("ada", "ada", ""), ("eve", "eve", "")]);
    let server = HttpServer::start(web(), &["--tokens", &file]).await;
    let session = server.open_session(Some("ada")).await;
    let call = linger(&session, 0, None).bearer("ada");
    assert_each_once(&Reader::open(server.address, &session, &call).await.finish().await);
    for unknown in ["1-3", "2-0", "0-1", "1", "", "1/0", "-1", "abc", "1-18446744073709551616", "\u{e9}"] {
        let refused = server.send(&resume(&session, unknown).bearer("ada")).await;
        let error = &refused.message()["error"];
        assert_eq!((refused.status, &error["code"]), (400, &json!(-32600)), "{unknown:?} {refused:?}");
    }
    for known in ["0-0", "1-0"] {
        let of_other_caller = server.send(&resume(&session, known).bearer("eve")).await;
        assert_eq!(of_other_caller.status, 404, "{of_other_caller:?}");
    }
}

#[tokio::test]
async fn stream_that_is_resumed_twice_is_read_by_the_last_one() {
    let folder = tempfile::tempdir().unwrap();
    let end = folder.path().join("end");
    let server = HttpServer::start(web(), &[]).await;
    let session = server.open_session(None).await;
    let call = linger(&session, 60_000, Some(&end));
    let mut first = Reader::open(server.address, &session, &call).await;
    first.first_progress().await;
    let last_id = first.last_id().to_owned();
    let mut second = EventStream::open(server.address, &resume(&session, &last_id)).await.unwrap();
    assert!(first.next().await.is_none(), "another connection reads the stream");
    std::fs::write(&end, "").unwrap();
    assert!(second.next().await.expect("its start").message.is_none());
    assert!(second.next().await.expect("the answer").is_answer());
    assert!(second.next().await.is_none());
}

#[tokio::test]
async fn own_messages_of_the_server_are_sent_once() {
    let server = HttpServer::start(conformance(), &[]).await;
    let session = server.open_session(None).await;
    let logs = || legacy(&session, "tools/call", json!({"name": "test_tool_with_logging", "arguments": {}}));
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string();
    let initialized = HttpRequest { body: initialized, ..logs() };
    assert_eq!(server.send(&initialized).await.status, 202);
    let level = request(&json!(8), "logging/setLevel", json!({"level": "debug"}));
    assert_eq!(server.send(&HttpRequest { body: level, ..logs() }).await.status, 200);
    let mut first = EventStream::open(server.address, &read_messages(&session)).await.unwrap();
    server.send(&logs()).await;
    assert_log_messages(&mut first, 0..=3).await;
    // A client that resumes gets the messages after its last one, and its earlier connection ends.
    let mut second = EventStream::open(server.address, &resume(&session, "0-1")).await.unwrap();
    assert!(first.next().await.is_none());
    server.send(&logs()).await;
    assert_log_messages(&mut second, 1..=6).await;
    drop(second);
    // A new reader gets those that no other got.
    loop {
        let mut third = EventStream::open(server.address, &read_messages(&session)).await.unwrap();
        server.send(&logs()).await;
        let messages = assert_log_messages(&mut third, 6..=9);
        // As long as the server has not noticed the end of the second connection, the third one stays silent.
        if tokio::time::timeout(Duration::from_millis(300), messages).await.is_ok() {
            break;
        }
    }
}

/// Receives the start of a stream of the server's own messages, and then a message for each later position.
async fn assert_log_messages(stream: &mut EventStream, positions: RangeInclusive<u64>) {
    for position in positions.clone() {
        let event = stream.next().await.expect("an event");
        assert_eq!(event.id, Some(format!("0-{position}")));
        let method = event.message.map(|message| message["method"].clone());
        let expected = (position != *positions.start()).then(|| json!("notifications/message"));
        assert_eq!(method, expected, "0-{position}");
    }
}
