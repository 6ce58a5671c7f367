//! Shutdown of a server: calls in flight are answered, new calls are refused, and the exit code reports the outcome.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use candor_tests::{
    http::{HttpConnection, HttpRequest, HttpResponse, HttpServer, call},
    log::{ends, records},
    messages::{self, INITIALIZED, initialize},
    stdio_server::StdioServer,
    wait::wait_until,
};
use serde_json::json;
use tokio::net::TcpStream;

/// A time that no test waits for, in milliseconds.
const LONG_MS: u64 = 30_000;

fn web() -> Command {
    Command::new(env!("CARGO_BIN_EXE_web"))
}

/// A call in flight, which ends when the test says so.
struct CallInFlight {
    connection: HttpConnection,
    end: PathBuf,
}

impl CallInFlight {
    /// Sends the call, and waits until its handler runs.
    async fn start(server: &HttpServer, folder: &Path) -> Self {
        let mut connection = server.connect().await;
        let end = folder.join("end");
        let request = call("alone", json!({"time": LONG_MS, "until": end}));
        connection.send(&request.bytes(server.address)).await;
        wait_until(async || server.in_flight().await == 1).await;
        Self { connection, end }
    }

    /// Ends the call, and receives its response.
    async fn end(&mut self) -> HttpResponse {
        std::fs::write(&self.end, "").unwrap();
        self.response().await
    }

    async fn response(&mut self) -> HttpResponse {
        self.connection.response().await.expect("a response")
    }
}

async fn wait_until_not_listening(server: &HttpServer) {
    wait_until(async || TcpStream::connect(server.address).await.is_err()).await;
}

async fn wait_until_not_ready(server: &HttpServer) {
    wait_until(async || server.send(&HttpRequest::get("/readyz")).await.status != 200).await;
}

#[tokio::test]
async fn shutdown_answers_a_call_in_flight_and_exits_with_0() {
    for signal in ["TERM", "INT"] {
        let folder = tempfile::tempdir().unwrap();
        let mut server = HttpServer::start(web(), &[]).await;
        let mut in_flight = CallInFlight::start(&server, folder.path()).await;
        server.process.signal(signal);
        wait_until_not_listening(&server).await;
        let response = in_flight.end().await;
        assert_eq!(response.status, 200, "{signal}: {response:?}");
        assert_eq!(response.message()["result"]["isError"], false, "{response:?}");
        assert_eq!(server.wait().await.code(), Some(0), "{signal}");
    }
}

#[tokio::test]
async fn shutdown_with_drain_delay_is_not_ready_first_and_refuses_calls_later() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = HttpServer::start(web(), &["--drain-delay", "1s"]).await;
    let mut connection = server.connect().await;
    connection.send(&call("hello", json!({})).bytes(server.address)).await;
    assert_eq!(connection.response().await.unwrap().status, 200);
    let mut in_flight = CallInFlight::start(&server, folder.path()).await;
    assert_eq!(server.send(&HttpRequest::get("/readyz")).await.status, 200);
    server.process.signal("TERM");
    wait_until_not_ready(&server).await;
    assert_eq!(server.send(&HttpRequest::get("/livez")).await.status, 200);
    server.assert_alive().await;
    // After the delay a new call is refused, over an open connection and over a new one.
    let refused = loop {
        connection.send(&call("hello", json!({})).bytes(server.address)).await;
        let response = connection.response().await.expect("the connection is still open");
        if response.status != 200 {
            break response;
        }
    };
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert_eq!(refused.message()["error"]["data"]["reason"], "shutting_down");
    assert!(TcpStream::connect(server.address).await.is_err(), "nothing listens any more");
    assert_eq!(in_flight.end().await.status, 200);
    assert_eq!(server.wait().await.code(), Some(0));
}

#[tokio::test]
async fn shutdown_records_a_refused_call_in_the_audit_log() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut server = HttpServer::start(web(), &["--audit", log.to_str().unwrap()]).await;
    let mut connection = server.connect().await;
    let mut in_flight = CallInFlight::start(&server, folder.path()).await;
    server.process.signal("TERM");
    let mut admitted = 0;
    loop {
        connection.send(&call("hello", json!({})).bytes(server.address)).await;
        let response = connection.response().await.expect("the connection is still open");
        if response.status == 503 {
            break;
        }
        admitted += 1;
    }
    assert_eq!(in_flight.end().await.status, 200);
    assert_eq!(server.wait().await.code(), Some(0));
    let records = records(&log);
    let denied: Vec<_> = records.iter().filter(|record| record["kind"] == "denied").collect();
    assert_eq!(denied.len(), 1, "{denied:?}");
    assert_eq!(denied[0]["decision"], json!({"verdict": "deny", "denied_by": "draining"}));
    assert_eq!(denied[0]["transport"], "http");
    assert_eq!(ends(&log, "hello").len(), admitted, "exactly the admitted calls ran");
}

#[tokio::test]
async fn shutdown_past_the_drain_timeout_cuts_calls_off_and_exits_with_1() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = HttpServer::start(web(), &["--drain-timeout", "500ms"]).await;
    let mut in_flight = CallInFlight::start(&server, folder.path()).await;
    let start = Instant::now();
    server.process.signal("TERM");
    let response = in_flight.response().await;
    assert_eq!((response.status, &response.message()["id"]), (503, &json!(7)), "{response:?}");
    assert_eq!(server.wait().await.code(), Some(1));
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[tokio::test]
async fn second_signal_ends_the_server_at_once() {
    for (first, second) in [("TERM", "TERM"), ("INT", "TERM")] {
        let folder = tempfile::tempdir().unwrap();
        let mut server = HttpServer::start(web(), &["--drain-delay", "30s"]).await;
        let _in_flight = CallInFlight::start(&server, folder.path()).await;
        server.process.signal(first);
        wait_until_not_ready(&server).await;
        let start = Instant::now();
        server.process.signal(second);
        assert_eq!(server.wait().await.code(), Some(1));
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    }
}

#[tokio::test]
async fn shutdown_does_not_wait_for_a_stream_without_a_call() {
    let mut server = HttpServer::start(web(), &[]).await;
    let session = server.open_session(None).await;
    let mut stream = server.connect().await;
    let request =
        HttpRequest::get("/mcp").with("accept", "text/event-stream").with("mcp-session-id", &session);
    stream.send(&request.bytes(server.address)).await;
    let idle = server.connect().await;
    server.assert_alive().await;
    let start = Instant::now();
    server.process.signal("TERM");
    assert_eq!(server.wait().await.code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    drop(idle);
}

/// `web` as process 1 under `unshare --pid --fork`, or `None` if this machine does not allow new process namespaces.
fn as_process_one(flags: &[&str]) -> Option<Command> {
    let namespaces = ["--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let attempt = Command::new("unshare").args(namespaces).arg("true").output();
    if !attempt.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: this machine does not allow new process namespaces");
        return None;
    }
    let mut command = Command::new("unshare");
    let program = env!("CARGO_BIN_EXE_web");
    command.args(namespaces).args([program, "serve"]).args(flags);
    Some(command)
}

#[tokio::test]
async fn shutdown_works_as_process_one() {
    let Some(command) = as_process_one(&["--http", "127.0.0.1:0"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut server = HttpServer::start_command(command).await;
    let mut in_flight = CallInFlight::start(&server, folder.path()).await;
    server.process.signal_child("TERM");
    wait_until_not_listening(&server).await;
    assert_eq!(in_flight.end().await.status, 200);
    assert_eq!(server.wait().await.code(), Some(0));
}

/// A server on stdio with a call in flight, which ends when the file `end` exists.
async fn stdio_server_with_call_in_flight(flags: &[&str], end: &Path) -> StdioServer {
    let mut command = web();
    command.arg("serve").args(flags);
    let mut server = StdioServer::start(command);
    server.client.exchange(initialize("2025-11-25")).await;
    server.client.send(INITIALIZED).await;
    let arguments = json!({"time": LONG_MS, "until": end});
    server.client.send(messages::call(&json!("in flight"), "alone", arguments)).await;
    wait_until(async || {
        let answer = server.client.call("in_flight", json!({})).await;
        answer["result"]["structuredContent"]["result"] == 1
    })
    .await;
    server
}

#[tokio::test]
async fn shutdown_on_stdio_answers_a_call_in_flight_and_refuses_new_ones() {
    let folder = tempfile::tempdir().unwrap();
    let end = folder.path().join("end");
    let mut server = stdio_server_with_call_in_flight(&[], &end).await;
    server.process.signal("TERM");
    let refused = loop {
        let answer = server.client.exchange(messages::call(&json!("late"), "hello", json!({}))).await;
        assert_eq!(answer["id"], "late", "{answer}");
        if answer["error"].is_object() {
            break answer;
        }
    };
    assert_eq!(refused["error"]["data"], json!({"reason": "shutting_down", "retryAfterSeconds": 1}));
    std::fs::write(&end, "").unwrap();
    let answer = server.client.receive().await;
    let outcome = (&answer["id"], &answer["result"]["isError"]);
    assert_eq!(outcome, (&json!("in flight"), &json!(false)), "{answer}");
    // The server ends although its input is still open.
    assert_eq!(server.client.receive_or_end().await, None);
    assert_eq!(server.close().await.status.code(), Some(0));
}

#[tokio::test]
async fn shutdown_on_stdio_past_the_drain_timeout_exits_with_1() {
    for by_signal in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let never = folder.path().join("end");
        let mut server = stdio_server_with_call_in_flight(&["--drain-timeout", "300ms"], &never).await;
        if by_signal {
            server.process.signal("INT");
            while server.client.receive_or_end().await.is_some() {}
        }
        assert_eq!(server.close().await.status.code(), Some(1), "{by_signal}");
    }
}

#[tokio::test]
async fn readyz_lists_the_checks_that_fail() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ready");
    let mut command = web();
    command.env("WEB", format!("ready={} slow", file.display()));
    let server = HttpServer::start(command, &[]).await;
    let response = server.send(&HttpRequest::get("/readyz")).await;
    let failed = json!({"ready": false, "failed": ["file", "slow"]});
    assert_eq!((response.status, response.message()), (503, failed));
    assert_eq!(server.send(&HttpRequest::get("/livez")).await.status, 200);
    std::fs::write(&file, "").unwrap();
    wait_until(async || !server.send(&HttpRequest::get("/readyz")).await.body.contains("file")).await;
}

#[tokio::test]
async fn health_command_asks_the_separate_health_address() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut server = HttpServer::start(web(), &["--health", &address, "--drain-delay", "1s"]).await;
    let health = |address: String| async move {
        let run = move || web().args(["health", &address]).output().unwrap();
        let output = tokio::task::spawn_blocking(run).await.unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(health(address.clone()).await, (Some(0), "{\"failed\":[],\"ready\":true}\n".to_owned()));
    let response = server.send(&HttpRequest::get("/readyz")).await;
    assert_eq!(response.status, 404, "the address of the calls does not serve health");
    server.process.signal("TERM");
    wait_until(async || health(address.clone()).await.0 != Some(0)).await;
    assert_eq!(server.wait().await.code(), Some(0));
    assert_eq!(health(address).await.0, Some(1), "nothing listens any more");
}
