//! A thread of the server that ends unexpectedly: the server says so on stderr and at `/readyz`, and no call waits for it.

use std::process::Command;

use candor_tests::{
    http::{HttpRequest, HttpServer, call},
    wait::wait_until,
};
use serde_json::{Value, json};

#[tokio::test]
async fn audit_writer_that_ends_is_reported_and_no_call_waits_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lost_writer"));
    command.env("LOST_WRITER", folder.path().join("audit"));
    let server = HttpServer::start(command, &[]).await;
    let send = async |tool: &str| server.send(&call(tool, json!({}))).await.message();
    let ready = async || {
        let answer = server.send(&HttpRequest::get("/readyz")).await;
        (answer.status, answer.message()["failed"].clone())
    };
    assert_eq!(send("put").await["result"]["isError"], false);
    assert_eq!(ready().await, (200, json!([])));

    assert_eq!(send("lose").await["result"]["isError"], false);
    let reason = |answer: &Value| answer["error"]["data"]["reason"].as_str().map(str::to_owned);
    assert_eq!(reason(&send("put").await).as_deref(), Some("not_run"), "the writer ends with this record");
    wait_until(async || ready().await == (503, json!(["audit log"]))).await;
    let line = "audit: the writer failed: nothing is recorded any more until a restart\n";
    wait_until(async || server.stderr().contains(line)).await;

    // A read needs no record; a write that cannot be recorded does not run.
    assert_eq!(send("look").await["result"]["structuredContent"], 7);
    assert_eq!(reason(&send("put").await).as_deref(), Some("not_run"));
    assert_eq!(server.send(&HttpRequest::get("/livez")).await.status, 200);
    assert_eq!(ready().await, (503, json!(["audit log"])));
    assert_eq!(server.stderr().matches(line).count(), 1, "{}", server.stderr());
}
