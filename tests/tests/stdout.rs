//! Handlers that print, and child processes that print or read → stderr or nothing; stdout is the protocol's.

use std::process::Command;

use candor::Revision;
use candor_tests::wire::{Ended, Process, call};
use serde_json::json;

async fn opened() -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fixture"));
    command.args(["serve", "--quiet"]);
    let mut process = Process::start(command);
    process.wire.initialize(Revision::V2025_11_25).await;
    process
}

/// Ends the process; every line of its stdout was JSON, or the wire had failed the test.
async fn ended(process: Process) -> Ended {
    let ended = process.end().await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert!(ended.rest.is_empty(), "{:?}", ended.rest);
    ended
}

#[tokio::test]
async fn what_a_handler_prints_arrives_on_stderr() {
    let mut process = opened().await;
    let answer = process.wire.call("print", json!({"words": "ahoy\n{\"jsonrpc\":\"2.0\"}"})).await;
    assert_eq!(answer["result"]["content"][0]["text"], "printed");
    process.wire.is_alive().await;
    let ended = ended(process).await;
    assert_eq!(ended.stderr, "ahoy\n{\"jsonrpc\":\"2.0\"}\n");
    assert!(!ended.stdout.contains("ahoy"));
}

#[tokio::test]
async fn what_a_child_prints_arrives_on_stderr() {
    let mut process = opened().await;
    let answer = process.wire.call("child_prints", json!({"words": "ahoy"})).await;
    assert_eq!(answer["result"]["content"][0]["text"], "exit status: 0");
    process.wire.is_alive().await;
    let ended = ended(process).await;
    assert_eq!(ended.stderr, "ahoy\nahoy\n", "once from its stdout, once from its stderr");
}

#[tokio::test]
async fn a_child_that_reads_takes_no_message() {
    let mut process = opened().await;
    process.wire.say(call(&json!("reads"), "child_reads", json!({}))).await;
    for id in 0..20 {
        process.wire.say(call(&json!(id), "add", json!({"a": id, "b": 0}))).await;
    }
    let mut answered = Vec::new();
    for _ in 0..21 {
        answered.push(process.wire.hear().await["id"].clone());
    }
    answered.sort_by_key(|id| id.as_i64().unwrap_or(-1));
    let all: Vec<_> = std::iter::once(json!("reads")).chain((0..20).map(|id| json!(id))).collect();
    assert_eq!(answered, all);
    assert_eq!(ended(process).await.stderr, "");
}

#[tokio::test]
async fn a_panic_speaks_on_stderr_and_the_stream_goes_on() {
    let mut process = opened().await;
    let answer = process.wire.call("fail", json!({})).await;
    assert_eq!(answer["result"]["_meta"]["io.github.candor-mcp/reason"], "internal");
    process.wire.is_alive().await;
    let ended = ended(process).await;
    assert!(ended.stderr.contains("the handler gives up"), "{}", ended.stderr);
    assert!(!ended.stdout.contains("gives up"));
}
