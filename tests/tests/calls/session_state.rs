//! A handler keeps a value for the life of a session, which is a connection over stdio and a legacy session over HTTP.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

use candor::{Call, Revision, Server, Service, access::Access, mcp_tool, testing::Client, tools};
use candor_tests::http::{HttpConnection, HttpRequest, HttpResponse, initialize, legacy};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The number of calls of a session.
#[derive(Default)]
struct Calls(AtomicU64);

/// Another value of the same session.
#[derive(Default)]
struct Doubled(AtomicU64);

/// Count the calls of this session.
#[mcp_tool(read_only, closed_world, public)]
fn count(call: &Call) -> Option<u64> {
    Some(call.session_state::<Calls>()?.0.fetch_add(1, Ordering::Relaxed) + 1)
}

/// Count the calls of this session, asynchronously and in twos.
#[mcp_tool(read_only, closed_world, public)]
async fn count_both(call: &Call) -> Option<[u64; 2]> {
    let calls = call.session_state::<Calls>()?.0.fetch_add(1, Ordering::Relaxed) + 1;
    let doubled = call.session_state::<Doubled>()?.0.fetch_add(2, Ordering::Relaxed) + 2;
    Some([calls, doubled])
}

fn service() -> Service {
    Server::new("s", "1").unaudited().tools(tools![count, count_both, hold]).build().unwrap()
}

/// The structured result, without the wrapper of older revisions.
fn result(structured: &Value) -> Value {
    structured.get("result").unwrap_or(structured).clone()
}

async fn over_stdio(client: &Client, tool: &str) -> Value {
    result(&client.call(tool, json!({})).await.unwrap().structured.unwrap())
}

#[tokio::test]
async fn state_lasts_from_call_to_call_of_one_connection() {
    for revision in Revision::ALL {
        let service = service();
        let one = Client::to(service.clone(), revision).await;
        let other = Client::to(service, revision).await;
        assert_eq!(over_stdio(&one, "count").await, 1, "{revision}");
        assert_eq!(over_stdio(&one, "count_both").await, json!([2, 2]), "tools share it");
        assert_eq!(over_stdio(&other, "count_both").await, json!([1, 2]), "another connection has its own");
        assert_eq!(over_stdio(&one, "count").await, 3, "{revision}");
    }
}

/// A value whose destructor blocks until it is released.
#[derive(Default)]
struct Blocking(Mutex<Option<(Receiver<()>, Sender<bool>)>>);

impl Drop for Blocking {
    fn drop(&mut self) {
        let slot = self.0.get_mut().unwrap();
        let (release, dropped) = slot.take().expect("the tool filled it");
        let _ = dropped.send(release.recv_timeout(Duration::from_secs(20)).is_ok());
    }
}

/// The ends that the next call of `hold` puts into its session.
static NEXT: Mutex<Option<(Receiver<()>, Sender<bool>)>> = Mutex::new(None);

/// Keep a value whose destructor blocks.
#[mcp_tool(read_only, closed_world, public)]
fn hold(call: &Call) -> bool {
    let Some(held) = call.session_state::<Blocking>() else { return false };
    *held.0.lock().unwrap() = NEXT.lock().unwrap().take();
    true
}

/// A test of a value that blocks when it is dropped: the way to release it, and its end.
fn blocking_value() -> (Sender<()>, Receiver<bool>) {
    let ((release, released), (end, ended)) = (channel(), channel());
    *NEXT.lock().unwrap() = Some((released, end));
    (release, ended)
}

async fn is_released(ended: Receiver<bool>) -> bool {
    let ended = tokio::task::spawn_blocking(move || ended.recv_timeout(Duration::from_secs(30)));
    ended.await.unwrap().expect("the session's end drops its state")
}

/// The service, over HTTP on a port of its own.
struct Http(std::net::SocketAddr);

impl Http {
    async fn start() -> Self {
        let app = axum::Router::new().nest("/mcp", service().router(Access::everyone("")));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let served = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), TowerToHyperService::new(app.clone()));
                tokio::spawn(served);
            }
        });
        Self(address)
    }

    async fn send(&self, request: HttpRequest) -> HttpResponse {
        let mut connection = HttpConnection::open(self.0).await;
        connection.send(&request.bytes(self.0)).await;
        connection.response().await.expect("a response")
    }

    async fn open_session(&self) -> String {
        self.send(initialize()).await.header("mcp-session-id").expect("a session").to_owned()
    }

    async fn call(&self, session: &str, tool: &str) -> Value {
        let request = legacy(session, "tools/call", json!({"name": tool, "arguments": {}}));
        let message = self.send(request).await.message();
        result(&message["result"]["structuredContent"])
    }

    async fn end_session(&self, session: &str) {
        let delete = HttpRequest { line: "DELETE /mcp".to_owned(), ..legacy(session, "", json!({})) };
        assert_eq!(self.send(delete).await.status / 100, 2);
    }
}

#[tokio::test]
async fn state_lasts_from_call_to_call_of_one_http_session() {
    let http = Http::start().await;
    let (one, other) = (http.open_session().await, http.open_session().await);
    assert_eq!(http.call(&one, "count").await, 1);
    assert_eq!(http.call(&one, "count_both").await, json!([2, 2]), "tools share it");
    assert_eq!(http.call(&other, "count_both").await, json!([1, 2]), "another session has its own");
    assert_eq!(http.call(&one, "count").await, 3);

    // 2026-07-28 has no sessions, and the id of one gives no access to it.
    for session in ["", &one] {
        let call = candor_tests::http::call("count", json!({}));
        let call = if session.is_empty() { call } else { call.with("mcp-session-id", session) };
        let answer = http.send(call).await.message();
        assert_eq!(answer["result"]["structuredContent"], Value::Null, "{answer}");
        assert_eq!(answer["result"]["content"][0]["text"], "null", "{answer}");
    }
    assert_eq!(http.call(&one, "count").await, 4);
}

#[tokio::test]
async fn state_is_dropped_with_its_session_and_delays_no_other() {
    let http = Http::start().await;
    let (one, other) = (http.open_session().await, http.open_session().await);
    let (release, ended) = blocking_value();
    assert_eq!(http.call(&one, "hold").await, true);
    http.end_session(&one).await;
    // The test's runtime has one thread, which a destructor on it would block.
    assert_eq!(http.call(&other, "count").await, 1);
    release.send(()).expect("the value exists");
    assert!(is_released(ended).await, "the destructor blocked the service");

    let service = service();
    let one = Client::to(service.clone(), Revision::V2025_11_25).await;
    let other = Client::to(service, Revision::V2025_11_25).await;
    let (release, ended) = blocking_value();
    assert_eq!(over_stdio(&one, "hold").await, true);
    drop(one);
    assert_eq!(over_stdio(&other, "count").await, 1);
    release.send(()).expect("the value exists");
    assert!(is_released(ended).await, "the destructor blocked the service");
}
