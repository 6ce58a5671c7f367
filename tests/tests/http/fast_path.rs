//! The fast path of HTTP calls, which skips rmcp's service: it must answer exactly as rmcp does.

use std::process::Command;

use candor_tests::{
    http::{HttpRequest, HttpResponse, HttpServer, call, modern},
    log::ends,
    wait::wait_until,
};
use serde_json::{Value, json};

/// The same call with a quality in `accept`, which the fast path leaves to rmcp.
fn through_rmcp(request: &HttpRequest) -> HttpRequest {
    request.clone().with("accept", "application/json;q=1, text/event-stream;q=0.5")
}

/// Sends a request on both paths, checks that the responses are the same, and returns the response.
async fn send_on_both_paths(server: &HttpServer, request: &HttpRequest) -> HttpResponse {
    let (fast, rmcp) = (server.send(request).await, server.send(&through_rmcp(request)).await);
    assert_eq!(fast.status, rmcp.status, "{fast:?} {rmcp:?}");
    assert_eq!(fast.header("content-type"), rmcp.header("content-type"));
    assert_eq!(fast.body, rmcp.body);
    fast
}

/// A call with these further parameters.
fn call_with(tool: &str, mut more: Value) -> HttpRequest {
    let mut params = json!({"name": tool, "arguments": {}});
    params.as_object_mut().unwrap().append(more.as_object_mut().unwrap());
    modern("tools/call", params).with("mcp-name", tool)
}

#[tokio::test]
async fn fast_path_gives_the_same_results_errors_and_refusals() {
    let server = HttpServer::start(Command::new(env!("CARGO_BIN_EXE_web")), &[]).await;
    let result = send_on_both_paths(&server, &call("measure", json!({"text": "abc"}))).await;
    assert_eq!(result.message()["result"]["structuredContent"], 3);
    assert_eq!(result.message()["result"]["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "web");
    let invalid = send_on_both_paths(&server, &call("measure", json!({"text": 5}))).await;
    assert_eq!((invalid.status, &invalid.message()["result"]["isError"]), (200, &json!(true)));
    let unknown = send_on_both_paths(&server, &call("mesure", json!({}))).await;
    assert_eq!((unknown.status, &unknown.message()["error"]["code"]), (200, &json!(-32602)));
    let without_scope = send_on_both_paths(&server, &call("test_simple_text", json!({}))).await;
    assert_eq!(without_scope.status, 403);
    let malformed = send_on_both_paths(&server, &call_with("measure", json!({"arguments": []}))).await;
    assert_eq!(malformed.message()["error"]["code"], -32602);
    let repeated_argument = HttpRequest {
        body: call("measure", json!({"text": "a"})).body.replace("{\"text\"", "{\"text\":\"b\",\"text\""),
        ..call("measure", json!({}))
    };
    assert_eq!(send_on_both_paths(&server, &repeated_argument).await.status, 400);
    let request = call_with("measure", json!({"arguments": {"text": "abc"}}));
    let short_key = HttpRequest {
        body: request
            .body
            .replace("\"_meta\":{", "\"_meta\":{\"io.github.candor-mcp/idempotency-key\":\"short\","),
        ..request
    };
    assert_eq!(send_on_both_paths(&server, &short_key).await.message()["error"]["code"], -32602);
}

#[tokio::test]
async fn fast_path_refuses_headers_that_contradict_the_body() {
    let server = HttpServer::start(Command::new(env!("CARGO_BIN_EXE_web")), &[]).await;
    let request = call("measure", json!({"text": "abc"}));
    for (header, value) in
        [("mcp-name", "twice"), ("mcp-method", "tools/list"), ("mcp-protocol-version", "2025-11-25")]
    {
        let refused = send_on_both_paths(&server, &request.clone().with(header, value)).await;
        assert_eq!((refused.status, &refused.message()["error"]["code"]), (400, &json!(-32020)), "{header}");
    }
    let without_capabilities = HttpRequest {
        body: request.body.replace("clientCapabilities", "clientAbilities"),
        ..request.clone()
    };
    assert_eq!(send_on_both_paths(&server, &without_capabilities).await.status, 400);
    let unknown = HttpRequest { body: request.body.replace("2026-07-28", "2027-01-01"), ..request };
    let refused = send_on_both_paths(&server, &unknown.with("mcp-protocol-version", "2027-01-01")).await;
    assert_eq!((refused.status, &refused.message()["error"]["code"]), (400, &json!(-32022)));
}

#[tokio::test]
async fn fast_path_records_a_call_that_its_client_abandoned() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit");
    let server =
        HttpServer::start(Command::new(env!("CARGO_BIN_EXE_web")), &["--audit", log.to_str().unwrap()]).await;
    let mut connection = server.connect().await;
    connection.send(&call("alone", json!({"time": 30_000})).bytes(server.address)).await;
    wait_until(async || server.in_flight().await == 1).await;
    drop(connection);
    wait_until(async || server.in_flight().await == 0).await;
    let recorded_reason = || ends(&log, "alone").into_iter().map(|(_, reason)| reason).next();
    wait_until(async || recorded_reason().is_some()).await;
    assert_eq!(recorded_reason(), Some(json!("cancelled")));
}
