//! Connections that end: in the middle of a line, with calls in flight, with nobody listening.

use std::sync::Arc;

use candor::{Revision, Server, State, mcp_tool, tools};
use candor_tests::{
    fixture,
    wire::{Wire, call, initialize},
};
use serde_json::json;
use tokio::sync::Semaphore;

/// What a handler waits at until the test lets it go.
#[derive(State)]
struct App {
    gate: Arc<Semaphore>,
}

/// Wait at the gate.
#[mcp_tool(additive, closed_world, public)]
async fn held(
    gate: &Arc<Semaphore>,
    /// What to answer.
    word: String,
) -> String {
    gate.acquire().await.expect("the gate stays open").forget();
    word
}

async fn turns(count: usize) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_end_in_the_middle_of_a_line_is_answered() {
    // Often, since the answer and the end of the connection race.
    for _ in 0..100 {
        let mut wire = Wire::to(fixture::server().build().unwrap());
        wire.initialize(Revision::V2025_11_25).await;
        wire.say_bytes(r#"{"jsonrpc":"2.0","id":3,"method":"tools/ca"#).await;
        let rest = wire.end().await;
        assert_eq!(rest.len(), 1, "{rest:?}");
        assert_eq!(rest[0]["error"]["code"], -32700, "{rest:?}");
    }
}

#[tokio::test]
async fn a_last_line_without_its_newline_is_a_line() {
    let mut wire = Wire::to(fixture::server().build().unwrap());
    wire.initialize(Revision::V2025_11_25).await;
    wire.say_bytes(call(&json!(3), "add", json!({"a": 1, "b": 1}))).await;
    let rest = wire.end().await;
    assert_eq!(rest[0]["result"]["structuredContent"]["result"], 2, "{rest:?}");
}

#[tokio::test]
async fn an_end_before_the_handshake_is_no_error() {
    for before in ["", "garbage", r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, "\n\n"] {
        let (client, server) = tokio::io::duplex(1024);
        let (read, write) = tokio::io::split(server);
        let serving = tokio::spawn(fixture::server().build().unwrap().serve(read, write));
        let (read, write) = tokio::io::split(client);
        let mut wire = Wire::over(read, write);
        wire.say_bytes(before).await;
        wire.end().await;
        serving.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn calls_in_flight_get_their_answers_after_the_end_of_input() {
    let gate = Arc::new(Semaphore::new(0));
    let server = Server::new("s", "1").unaudited().state(App { gate: Arc::clone(&gate) }).tools(tools![held]);
    let mut wire = Wire::to(server.build().unwrap());
    wire.initialize(Revision::V2025_11_25).await;
    for word in ["a", "b", "c"] {
        wire.say(call(&json!(word), "held", json!({"word": word}))).await;
    }
    let open_later = async {
        turns(200).await;
        gate.add_permits(3);
    };
    let (rest, ()) = tokio::join!(wire.end(), open_later);
    let mut answered: Vec<_> = rest.iter().map(|message| message["id"].as_str().unwrap()).collect();
    answered.sort_unstable();
    assert_eq!(answered, ["a", "b", "c"]);
    assert!(rest.iter().all(|message| message["result"]["content"][0]["text"] == message["id"]), "{rest:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_never_answers_holds_the_end_for_its_deadline_at_most() {
    let gate = Arc::new(Semaphore::new(0));
    let server = Server::new("s", "1").unaudited().state(App { gate }).tools(tools![held]);
    let (mut client, server_end) = tokio::io::duplex(64 * 1024);
    let (read, write) = tokio::io::split(server_end);
    let serving = tokio::spawn(server.build().unwrap().serve(read, write));
    let started = tokio::time::Instant::now();
    for line in [initialize("2025-11-25"), call(&json!(1), "held", json!({"word": "never"}))] {
        tokio::io::AsyncWriteExt::write_all(&mut client, format!("{line}\n").as_bytes()).await.unwrap();
    }
    tokio::io::AsyncWriteExt::shutdown(&mut client).await.unwrap();
    serving.await.unwrap().unwrap();
    assert_eq!(started.elapsed().as_secs(), 30);
}

#[tokio::test]
async fn a_client_that_stops_reading_takes_nothing_else_with_it() {
    let service = fixture::server().build().unwrap();
    let (client, server) = tokio::io::duplex(64 * 1024);
    let (read, write) = tokio::io::split(server);
    let serving = tokio::spawn(service.clone().serve(read, write));
    let mut wire = Wire::over(tokio::io::empty(), client);
    wire.say(initialize("2025-11-25")).await;
    for id in 0..50 {
        wire.say(call(&json!(id), "add", json!({"a": 1, "b": 1}))).await;
    }
    drop(wire);
    // However it ends, it ends, and without a panic.
    let _ = serving.await.expect("no panic");
    let mut other = Wire::to(service);
    other.initialize(Revision::V2025_11_25).await;
    other.is_alive().await;
}
