//! Metrics and log lines: events are counted, and nothing that a client chooses becomes a label or reaches the log.

use std::{
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use candor::{
    Call, KeyStore, Revision, Server, Service, ToolError, mcp_tool,
    testing::{Client, ClientBuilder, ElicitAction},
    tools,
};
use candor_tests::http::{self, HttpRequest, HttpServer};
use serde_json::json;

/// Panic.
#[mcp_tool(read_only, closed_world, public)]
fn explode() -> String {
    panic!("on purpose")
}

/// Fail twice, then answer.
#[mcp_tool(read_only, closed_world, public, retry = 2)]
fn recover() -> Result<u32, ToolError> {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    if run < 2 { Err(ToolError::transient("busy")) } else { Ok(run) }
}

/// Break the declaration.
#[mcp_tool(read_only, closed_world, public)]
fn write_anyway() -> Result<String, std::io::Error> {
    std::fs::write("/tmp/candor-telemetry-test", "x").map(|()| "written".to_owned())
}

/// Delete something.
#[mcp_tool(destructive, closed_world, public)]
fn delete() -> &'static str {
    "deleted"
}

/// Write once.
#[mcp_tool(additive, closed_world, public, idempotency_key = "optional")]
fn append(_call: &Call) -> &'static str {
    "appended"
}

/// Say hello.
#[mcp_tool(read_only, closed_world, public, aliases = ["hi"])]
fn hello() -> &'static str {
    "hello"
}

fn service() -> Service {
    let tools = tools![append, delete, explode, hello, recover, write_anyway];
    let server = Server::new("counted", "1.0.0").tools(tools).idempotency(KeyStore::memory().accept_loss());
    server.unaudited().build().unwrap()
}

/// The value of a series.
#[track_caller]
fn value(service: &Service, series: &str) -> u64 {
    let metrics = service.metrics();
    let line = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in {metrics}")).parse().expect("a number")
}

#[tokio::test]
async fn events_of_calls_are_counted() {
    let service = service();
    let client = Client::to(service.clone(), Revision::V2026_07_28).await;
    let of = |name: &str, tool: &str| format!("{name}{{gen_ai_tool_name=\"{tool}\"}}");
    let denied = |by: &str| format!("candor_denials_total{{denied_by=\"{by}\"}}");

    client.call("explode", json!({})).await.unwrap();
    assert_eq!(value(&service, &of("candor_panics_total", "explode")), 1);
    client.call("recover", json!({})).await.unwrap();
    assert_eq!(value(&service, &of("candor_retries_total", "recover")), 2);
    client.call("hi", json!({})).await.unwrap();
    let alias = "candor_deprecated_calls_total{gen_ai_tool_name=\"hello\",alias=\"hi\"}";
    assert_eq!(value(&service, alias), 1);
    for _ in 0..2 {
        client.with_idempotency_key("a-key-of-16-characters");
        client.call("append", json!({})).await.unwrap();
    }
    assert_eq!(value(&service, &of("candor_replays_total", "append")), 1);
    let _ = client.call("no_such_tool", json!({})).await;
    assert_eq!(value(&service, &denied("unknown_tool")), 1);
    client.call("hello", json!({"extra": 1})).await.unwrap();
    assert_eq!(value(&service, &denied("schema")), 1);
    assert_eq!(value(&service, "candor_calls_in_flight"), 0);

    let count = "mcp_server_operation_duration_seconds_count{mcp_method_name=\"tools/call\"";
    assert_eq!(value(&service, &format!("{count},gen_ai_tool_name=\"append\"}}")), 2);
    let failed = format!("{count},gen_ai_tool_name=\"explode\",error_type=\"tool_error\"}}");
    assert_eq!(value(&service, &failed), 1);
    assert_eq!(value(&service, &format!("{count},error_type=\"-32602\"}}")), 1);
    client.tools().await.unwrap();
    let listed = "mcp_server_operation_duration_seconds_count{mcp_method_name=\"tools/list\"}";
    assert!(value(&service, listed) >= 1);
}

#[tokio::test]
async fn confirmations_are_counted_as_asked_given_and_refused() {
    for (action, event) in [(ElicitAction::Accept, "given"), (ElicitAction::Decline, "refused")] {
        for revision in [Revision::V2025_11_25, Revision::V2026_07_28] {
            let service = service();
            let client = ClientBuilder::new().on_confirm(move |_| action).to(service.clone(), revision).await;
            client.with_idempotency_key("a-key-of-16-characters");
            let answer = client.call("delete", json!({})).await.unwrap();
            assert_eq!(answer.text() == "deleted", event == "given", "{revision}: {}", answer.text());
            let series = |event| {
                format!("candor_confirmations_total{{gen_ai_tool_name=\"delete\",event=\"{event}\"}}")
            };
            assert_eq!(value(&service, &series("asked")), 1, "{revision}");
            assert_eq!(value(&service, &series(event)), 1, "{revision}");
        }
    }
}

#[tokio::test]
async fn sandbox_violations_are_counted_where_the_kernel_refuses_them() {
    let service = service();
    if !service.sandboxes().contains("the kernel enforces") {
        return;
    }
    let client = Client::to(service.clone(), Revision::V2026_07_28).await;
    client.call("write_anyway", json!({})).await.unwrap();
    assert_eq!(value(&service, "candor_sandbox_violations_total{gen_ai_tool_name=\"write_anyway\"}"), 1);
}

#[tokio::test]
async fn names_of_clients_never_become_labels() {
    let service = service();
    let client = Client::to(service.clone(), Revision::V2026_07_28).await;
    let _ = client.call("unknown_0", json!({})).await;
    let lines = |service: &Service| service.metrics().lines().count();
    let before = lines(&service);
    for call in 0..2_000 {
        let _ = client.call(&format!("unknown_{call}"), json!({})).await;
    }
    assert_eq!(lines(&service), before);
    assert!(!service.metrics().contains("unknown_1"));
}

const MARK: &str = "m4rk-4711";

#[tokio::test]
async fn log_has_one_line_a_call_and_nothing_of_the_client() {
    let folder = tempfile::tempdir().unwrap();
    let key = format!("key-{MARK}");
    let tokens = http::write_token_file(folder.path(), &[(&key, &format!("subject-{MARK}"), "")]);
    let log = folder.path().join("audit");
    let flags = ["--tokens", &tokens, "--audit", log.to_str().unwrap()];
    let mut command = Command::new(env!("CARGO_BIN_EXE_fixture"));
    command.env_remove("RUST_LOG");
    let server = HttpServer::start(command, &flags).await;
    let send = async |request: HttpRequest| server.send(&request.bearer(&key).with("x-note", MARK)).await;
    assert_eq!(send(http::call("measure", json!({"text": MARK}))).await.status, 200);
    send(http::call("measure", json!({"text": 7, MARK: MARK}))).await;
    send(http::call(MARK, json!({}))).await;
    server.send(&http::call("measure", json!({"text": MARK})).bearer(MARK)).await;
    send(http::initialize()).await;
    send(HttpRequest::get("/mcp").with("mcp-session-id", MARK)).await;

    let lines = || -> Vec<serde_json::Value> {
        let stderr = server.stderr();
        let lines = stderr.lines().filter_map(|line| serde_json::from_str(line).ok());
        lines.filter(|line: &serde_json::Value| line["target"] == "candor::call").collect()
    };
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while lines().len() < 3 && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let lines = lines();
    assert_eq!(lines.len(), 3, "{}", server.stderr());
    assert_eq!((&lines[0]["tool"], &lines[0]["outcome"]), (&json!("measure"), &json!("ok")));
    assert!(lines[0]["caller"].as_str().unwrap().starts_with("hmac:"));
    assert_eq!(lines[1]["denied_by"], "schema");
    assert_eq!((lines[2].get("tool"), &lines[2]["denied_by"]), (None, &json!("unknown_tool")));
    let stderr: Vec<String> =
        server.stderr().lines().filter(|line| line.contains(MARK)).map(str::to_owned).collect();
    assert!(stderr.is_empty(), "{stderr:?}");

    // Metrics need what a call needs.
    assert_eq!(server.send(&HttpRequest::get("/metrics")).await.status, 401);
    let metrics = send(HttpRequest::get("/metrics")).await;
    assert_eq!(metrics.status, 200);
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(metrics.header("content-type"), Some(kind));
    assert!(metrics.body.contains("candor_denials_total{denied_by=\"auth\"} 2\n"), "{}", metrics.body);
    assert!(metrics.body.contains("candor_sessions 1\n"), "{}", metrics.body);
    assert!(!metrics.body.contains(MARK));
}
