//! Requests that are refused before they reach their method are observed: by a transport, by rmcp, or for what their body is.

use std::process::Command;

use candor::{Server, Service, mcp_tool, tools};
use candor_tests::{
    http::{self, HttpRequest, HttpServer},
    messages::{self, INITIALIZED, initialize, modern, request},
    raw_client::RawClient,
};
use serde_json::json;

/// Say hello.
#[mcp_tool(read_only, closed_world, public)]
fn hello() -> &'static str {
    "hello"
}

/// The number of requests of a method that ended with an error.
fn refused(metrics: &str, method: &str, error: &str) -> u64 {
    let name = "mcp_server_operation_duration_seconds_count";
    let series = format!("{name}{{mcp_method_name=\"{method}\",error_type=\"{error}\"}} ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&series));
    line.map_or(0, |count| count.parse().expect("a number"))
}

/// The number of all requests.
fn all(metrics: &str) -> u64 {
    let is_count = |line: &&str| line.starts_with("mcp_server_operation_duration_seconds_count{");
    let counts = metrics.lines().filter(is_count).map(|line| line.rsplit(' ').next().unwrap());
    counts.map(|count| count.parse::<u64>().unwrap()).sum()
}

fn service() -> Service {
    Server::new("refusing", "1.0.0").tools(tools![hello]).unaudited().build().unwrap()
}

/// A tool call of 2026-07-28 whose `_meta` names another revision.
fn of_revision(revision: &str) -> String {
    modern(&json!(1), revision, "tools/call", json!({"name": "hello", "arguments": {}}))
}

#[tokio::test]
async fn lines_that_the_transport_refuses_are_observed() {
    for (line, method, error) in [
        ("not JSON".to_owned(), "_OTHER", "-32700"),
        ("[]".to_owned(), "_OTHER", "-32600"),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#.to_owned(), "_OTHER", "-32600"),
        (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"tools/call"}"#.to_owned(), "_OTHER", "-32600"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[]}"#.to_owned(), "_OTHER", "-32602"),
        (format!("{{\"jsonrpc\":\"2.0\",\"x\":\"{}\"}}", "x".repeat(17 * 1024 * 1024)), "_OTHER", "-32600"),
    ] {
        let service = service();
        let mut client = RawClient::connect(service.clone());
        let answer = client.exchange(&line).await;
        let start = &line[..line.len().min(80)];
        assert_eq!(answer["error"]["code"].to_string(), error, "{start}: {answer}");
        let metrics = service.metrics();
        assert_eq!((refused(&metrics, method, error), all(&metrics)), (1, 1), "{start}: {metrics}");
    }
}

#[tokio::test]
async fn requests_that_rmcp_refuses_are_observed_once() {
    let legacy = |method: &str| request(&json!(1), method, json!({"name": "hello", "arguments": {}}));
    let discover = request(&json!(1), "server/discover", json!({}));
    // Before the connection is open, and afterwards.
    for (opening, line, method, error) in [
        (vec![], legacy("tools/call"), "tools/call", "-32602"),
        (vec![], of_revision("2031-01-01"), "tools/call", "-32022"),
        (vec![], discover.clone(), "server/discover", "-32602"),
        (vec![of_revision("2026-07-28")], of_revision("2031-01-01"), "tools/call", "-32022"),
        (vec![of_revision("2026-07-28")], legacy("tools/call"), "tools/call", "-32602"),
        (vec![initialize("2025-11-25")], discover, "server/discover", "-32602"),
        (vec![initialize("2025-11-25")], legacy("tasks/get"), "tasks/get", "-32601"),
    ] {
        let service = service();
        let mut client = RawClient::connect(service.clone());
        for open in &opening {
            assert!(client.exchange(open).await["result"].is_object());
            client.send(INITIALIZED).await;
        }
        let answer = client.exchange(&line).await;
        assert_eq!(answer["error"]["code"].to_string(), error, "{line}: {answer}");
        let (metrics, expected) = (service.metrics(), opening.len() as u64 + 1);
        assert_eq!((refused(&metrics, method, error), all(&metrics)), (1, expected), "{line}: {metrics}");
    }
}

#[tokio::test]
async fn calls_that_the_server_refuses_are_observed_once() {
    let service = service();
    let mut client = RawClient::initialized(service.clone()).await;
    client.call("no_such_tool", json!({})).await;
    client.exchange(request(&json!(7), "no/such/method-mark", json!({}))).await;
    // An id that is in flight cannot be tried here: a call is answered at once.
    client.exchange(request(&json!(8), "tools/call", json!({"name": 7}))).await;
    let metrics = service.metrics();
    assert_eq!(refused(&metrics, "tools/call", "-32602"), 2, "{metrics}");
    assert_eq!(refused(&metrics, "_OTHER", "-32601"), 1, "{metrics}");
    assert_eq!(all(&metrics), 4, "{metrics}");
    assert!(!metrics.contains("mark"), "{metrics}");
}

#[tokio::test]
async fn http_requests_that_reach_no_method_are_observed_once() {
    let server =
        HttpServer::start(Command::new(env!("CARGO_BIN_EXE_fixture")), &["--max-body", "10KiB"]).await;
    let metrics = async || server.send(&HttpRequest::get("/metrics")).await.body;
    let post = |body: &str| HttpRequest::post(body);
    let call = messages::call(&json!(1), "measure", json!({"text": "abc"}));
    let sound = http::call("measure", json!({"text": "abc"}));
    let body =
        modern(&json!(1), "2031-01-01", "tools/call", json!({"name": "measure", "arguments": {"text": "a"}}));
    let future = HttpRequest { body, ..http::call("measure", json!({})) };
    let future = future.with("mcp-protocol-version", "2031-01-01");
    let mut expected = 0;
    for (name, request, status, error) in [
        ("not JSON", post("{"), 400, "-32700"),
        ("a batch", post("[]"), 400, "-32600"),
        ("not a message", post("{}"), 400, "-32600"),
        ("too long", post(&" ".repeat(11 * 1024)), 413, "-32600"),
        ("no session", post(&call), 400, "-32600"),
        ("an unknown session", http::legacy("unknown", "tools/list", json!({})), 404, "-32600"),
        (
            "another revision in the header",
            sound.clone().with("mcp-protocol-version", "2031-01-01"),
            400,
            "-32020",
        ),
        ("a revision of the future", future, 400, "-32022"),
        ("another name in the header", sound.clone().with("mcp-name", "other"), 400, "-32020"),
        (
            "another method",
            HttpRequest { line: "PUT /mcp".to_owned(), ..HttpRequest::get("") },
            405,
            "-32600",
        ),
    ] {
        let response = server.send(&request).await;
        assert_eq!(response.status, status, "{name}: {response:?}");
        assert_eq!(response.message()["error"]["code"].to_string(), error, "{name}: {response:?}");
        expected += 1;
        let metrics = metrics().await;
        assert_eq!(all(&metrics), expected, "{name}: {metrics}");
        assert!(refused(&metrics, "_OTHER", error) >= 1, "{name}: {metrics}");
    }
    // A call that is refused for its scope or its name was observed by the tool's own series, and is not counted twice.
    for request in [http::call("vault", json!({"key": 1})), http::call("no_such_tool", json!({}))] {
        server.send(&request).await;
        expected += 1;
        assert_eq!(all(&metrics().await), expected);
    }
    let session = server.open_session(None).await;
    expected += 1;
    for name in ["no_such_tool", "vault"] {
        server.send(&http::legacy(&session, "tools/call", json!({"name": name, "arguments": {}}))).await;
        expected += 1;
        assert_eq!(all(&metrics().await), expected, "{name}");
    }
    // rmcp refuses these within the session, with a status that is a success.
    for (method, error) in [("tasks/get", "-32601"), ("no/such/method", "-32601")] {
        let response = server.send(&http::legacy(&session, method, json!({"taskId": "1"}))).await;
        assert_eq!(
            (response.status, response.message()["error"]["code"].to_string()),
            (200, error.to_owned())
        );
        expected += 1;
        let metrics = metrics().await;
        let method = if method.starts_with("no/") { "_OTHER" } else { method };
        assert_eq!((refused(&metrics, method, error), all(&metrics)), (1, expected), "{method}: {metrics}");
    }
    // What is refused for its host is a denial.
    let before = metrics().await;
    assert_eq!(server.send(&sound.with("host", "evil.example")).await.status, 403);
    let after = metrics().await;
    assert_eq!(all(&before), all(&after));
    assert!(after.contains("candor_denials_total{denied_by=\"host\"} 1\n"), "{after}");
}
