//! Calls that clients of older revisions leave: they run on, their number is limited, and they hold up a shutdown only
//! while their handlers run.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use candor_tests::{
    event_stream::EventStream,
    http::{HttpRequest, HttpResponse, HttpServer, legacy},
    messages,
    wait::wait_until,
};
use serde_json::{Value, json};

fn web() -> Command {
    Command::new(env!("CARGO_BIN_EXE_web"))
}

fn with_id(request: HttpRequest, id: &Value) -> HttpRequest {
    HttpRequest { body: request.body.replace("\"id\":7", &format!("\"id\":{id}")), ..request }
}

/// A call of `linger` that ends when the file exists.
fn linger(session: &str, id: &Value, until: &Path) -> HttpRequest {
    let arguments = json!({"time": 60_000, "until": until});
    with_id(legacy(session, "tools/call", json!({"name": "linger", "arguments": arguments})), id)
}

/// Sends a call, and leaves it as soon as its handler runs. Returns the refusal if there is one.
async fn leave(server: &HttpServer, call: &HttpRequest) -> Option<HttpResponse> {
    let running = server.in_flight().await;
    let mut stream = EventStream::open(server.address, call).await.expect("a response");
    if stream.response.header("content-type") != Some("text/event-stream") {
        return Some(server.send(call).await);
    }
    stream.next().await.expect("the start of the stream");
    wait_until(async || server.in_flight().await == running + 1).await;
    None
}

/// Sends a call until its `id` is free, and returns its answer. A handler ends a moment before its request.
async fn answer_with_free_id(server: &HttpServer, call: &HttpRequest) -> Value {
    let mut answer = Value::Null;
    wait_until(async || {
        answer = server.send(call).await.message();
        answer["error"]["code"] != -32600
    })
    .await;
    answer
}

/// Checks the refusal of a call over the limit of its session or its caller.
fn assert_at_limit(refused: &HttpResponse, limit: &str, fact: &str) {
    let error = &refused.message()["error"];
    assert_eq!((refused.status, refused.header("retry-after")), (200, Some("1")), "{refused:?}");
    assert_eq!(error["code"], -31429);
    let data = json!({"reason": "too_many_in_flight", "limit": limit, "retryAfterSeconds": 1});
    assert_eq!(error["data"], data);
    assert!(error["message"].as_str().unwrap().starts_with(fact), "{refused:?}");
}

/// A folder, and the path of the file that ends the calls.
fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let end = folder.path().join("end");
    (folder, end)
}

#[tokio::test]
async fn calls_that_clients_left_are_limited_per_session_and_per_caller() {
    let (_folder, end) = folder();
    let limits = ["--max-requests-per-session", "4", "--max-in-flight-per-caller", "7"];
    let server = HttpServer::start(web(), &limits).await;
    let (first, second) = (server.open_session(None).await, server.open_session(None).await);
    for id in 0..4 {
        assert!(leave(&server, &linger(&first, &json!(id), &end)).await.is_none());
    }
    let refused = leave(&server, &linger(&first, &json!(4), &end)).await.expect("a refusal");
    assert_at_limit(&refused, "session", "this session is at its limit of 4 requests in flight\n");
    for id in 0..2 {
        assert!(leave(&server, &linger(&second, &json!(id), &end)).await.is_none());
    }
    // The seventh call leaves no place for one of `in_flight`.
    let mut seventh = EventStream::open(server.address, &linger(&second, &json!(2), &end)).await.unwrap();
    seventh.next().await.expect("the start of the stream");
    let refused = server.send(&linger(&second, &json!(3), &end)).await;
    assert_at_limit(&refused, "caller", "this caller is at its limit of 7 concurrent calls\n");
    std::fs::write(&end, "").unwrap();
    wait_until(async || {
        let response = server.send(&candor_tests::http::call("in_flight", json!({}))).await;
        response.status == 200 && response.message()["result"]["structuredContent"] == 0
    })
    .await;
    // Every place is free again.
    for id in 0..8 {
        let answer = answer_with_free_id(&server, &linger(&first, &json!(id), &end)).await;
        assert_eq!(answer["result"]["isError"], false, "{answer}");
    }
}

#[tokio::test]
async fn request_id_of_a_call_that_its_client_left_is_in_use_until_the_call_ends() {
    let (_folder, end) = folder();
    let server = HttpServer::start(web(), &[]).await;
    let session = server.open_session(None).await;
    let call = linger(&session, &json!(1), &end);
    assert!(leave(&server, &call).await.is_none());
    let refused = server.send(&call).await;
    assert_eq!((refused.status, &refused.message()["error"]["code"]), (200, &json!(-32600)), "{refused:?}");
    std::fs::write(&end, "").unwrap();
    wait_until(async || server.in_flight().await == 0).await;
    let answer = answer_with_free_id(&server, &call).await;
    assert_eq!(answer["result"]["isError"], false, "{answer}");
}

#[tokio::test]
async fn request_id_can_be_used_again_as_soon_as_its_answer_is_read() {
    let (_folder, end) = folder();
    std::fs::write(&end, "").unwrap();
    let server = HttpServer::start(web(), &[]).await;
    let session = server.open_session(None).await;
    let call = linger(&session, &json!(1), &end);
    for _ in 0..200 {
        let mut stream = EventStream::open(server.address, &call).await.expect("a response");
        assert_eq!(
            stream.response.header("content-type"),
            Some("text/event-stream"),
            "{:?}",
            stream.response
        );
        // The client leaves with the answer, before the stream has ended.
        while !stream.next().await.expect("an event").is_answer() {}
    }
}

#[tokio::test]
async fn shutdown_does_not_wait_for_a_question_whose_client_is_gone() {
    let mut server = HttpServer::start(Command::new(env!("CARGO_BIN_EXE_conformance")), &[]).await;
    let handshake = messages::initialize_with("2025-11-25", json!({"elicitation": {}}));
    let response = server.send(&HttpRequest::post(handshake)).await;
    let session = response.header("mcp-session-id").expect("a session");
    let initialized =
        HttpRequest { body: messages::INITIALIZED.to_owned(), ..legacy(session, "", json!({})) };
    assert_eq!(server.send(&initialized).await.status, 202);
    let params = json!({"name": "test_elicitation", "arguments": {"message": "A name?"}});
    for id in 0..5 {
        let call = with_id(legacy(session, "tools/call", params.clone()), &json!(id));
        let mut stream = EventStream::open(server.address, &call).await.expect("a response");
        loop {
            let event = stream.next().await.expect("a question");
            if event.message.is_some_and(|message| message["method"] == "elicitation/create") {
                break;
            }
        }
    }
    let start = Instant::now();
    server.process.signal("TERM");
    assert_eq!(server.wait().await.code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}
