//! Stdout carries only the protocol: output of handlers and child processes goes to stderr, and their stdin is empty.

use std::process::Command;

use candor::Revision;
use candor_tests::{
    messages::call,
    stdio_server::{Exit, StdioServer},
};
use serde_json::json;

async fn start() -> StdioServer {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fixture"));
    command.args(["serve", "--quiet"]);
    let mut server = StdioServer::start(command);
    server.client.initialize(Revision::V2025_11_25).await;
    server
}

/// Closes the server, and checks that it ended well. The client checks that every line of stdout is JSON.
async fn close(server: StdioServer) -> Exit {
    let exit = server.close().await;
    assert_eq!(exit.status.code(), Some(0), "{}", exit.stderr);
    assert!(exit.remaining.is_empty(), "{:?}", exit.remaining);
    exit
}

#[tokio::test]
async fn handler_that_prints_writes_to_stderr() {
    let mut server = start().await;
    let answer = server.client.call("print", json!({"words": "ahoy\n{\"jsonrpc\":\"2.0\"}"})).await;
    assert_eq!(answer["result"]["content"][0]["text"], "printed");
    server.client.assert_alive().await;
    let exit = close(server).await;
    assert_eq!(exit.stderr, "ahoy\n{\"jsonrpc\":\"2.0\"}\n");
    assert!(!exit.stdout.contains("ahoy"));
}

#[tokio::test]
async fn stderr_that_is_the_same_pipe_as_stdout_gets_nothing() {
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$0\" serve 2>&1", env!("CARGO_BIN_EXE_fixture")]);
    let mut server = StdioServer::start(command);
    server.client.initialize(Revision::V2025_11_25).await;
    let answer = server.client.call("print", json!({"words": "ahoy"})).await;
    assert_eq!(answer["result"]["content"][0]["text"], "printed");
    server.client.assert_alive().await;
    assert_eq!(close(server).await.stderr, "");
}

#[tokio::test]
async fn child_process_that_prints_writes_to_stderr() {
    let mut server = start().await;
    let answer = server.client.call("child_prints", json!({"words": "ahoy"})).await;
    assert_eq!(answer["result"]["content"][0]["text"], "exit status: 0");
    server.client.assert_alive().await;
    let exit = close(server).await;
    assert_eq!(exit.stderr, "ahoy\nahoy\n", "once from its stdout, once from its stderr");
}

#[tokio::test]
async fn child_process_that_reads_stdin_takes_no_message() {
    let mut server = start().await;
    server.client.send(call(&json!("reads"), "child_reads", json!({}))).await;
    for id in 0..20 {
        server.client.send(call(&json!(id), "add", json!({"a": id, "b": 0}))).await;
    }
    let mut ids = Vec::new();
    for _ in 0..21 {
        ids.push(server.client.receive().await["id"].clone());
    }
    ids.sort_by_key(|id| id.as_i64().unwrap_or(-1));
    let expected: Vec<_> = std::iter::once(json!("reads")).chain((0..20).map(|id| json!(id))).collect();
    assert_eq!(ids, expected);
    assert_eq!(close(server).await.stderr, "");
}

#[tokio::test]
async fn handler_that_panics_writes_to_stderr_and_the_stream_goes_on() {
    let mut server = start().await;
    let answer = server.client.call("fail", json!({})).await;
    assert_eq!(answer["result"]["_meta"]["io.github.candor-mcp/reason"], "internal");
    server.client.assert_alive().await;
    let exit = close(server).await;
    assert!(exit.stderr.contains("the handler gives up"), "{}", exit.stderr);
    assert!(!exit.stdout.contains("gives up"));
}
