//! Connections that end: in the middle of a line, with calls in flight, or with a client that no longer reads.

use candor::{Server, State, mcp_tool, tools};
use candor_tests::{
    fixture,
    gate::Gate,
    messages::{INITIALIZED, call, initialize},
    raw_client::RawClient,
};
use serde_json::json;

#[derive(State)]
struct App {
    gate: Gate,
}

/// Wait at the gate.
#[mcp_tool(additive, closed_world, public)]
async fn wait(
    gate: &Gate,
    /// The answer.
    word: String,
) -> String {
    gate.pass().await;
    word
}

/// Lets the server's tasks run.
async fn yield_times(count: usize) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn input_that_ends_inside_a_line_gets_a_parse_error() {
    // Repeated, because the answer and the end of the connection race.
    for _ in 0..100 {
        let mut client = RawClient::initialized(fixture::server().build().unwrap()).await;
        client.send_bytes(r#"{"jsonrpc":"2.0","id":3,"method":"tools/ca"#).await;
        let remaining = client.close().await;
        assert_eq!(remaining.len(), 1, "{remaining:?}");
        assert_eq!(remaining[0]["error"]["code"], -32700, "{remaining:?}");
    }
}

#[tokio::test]
async fn input_that_ends_without_a_newline_is_read_to_its_end() {
    let mut client = RawClient::initialized(fixture::server().build().unwrap()).await;
    client.send_bytes(call(&json!(3), "add", json!({"a": 1, "b": 1}))).await;
    let remaining = client.close().await;
    assert_eq!(remaining[0]["result"]["structuredContent"]["result"], 2, "{remaining:?}");
}

#[tokio::test]
async fn input_that_ends_before_the_handshake_is_not_an_error() {
    for before in ["", "garbage", INITIALIZED, "\n\n"] {
        let (client, server) = tokio::io::duplex(1024);
        let (read, write) = tokio::io::split(server);
        let serving = tokio::spawn(fixture::server().build().unwrap().serve(read, write));
        let (read, write) = tokio::io::split(client);
        let mut client = RawClient::over(read, write);
        client.send_bytes(before).await;
        client.close().await;
        serving.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn calls_in_flight_are_answered_after_the_end_of_input() {
    let gate = Gate::closed();
    let server = Server::new("s", "1").unaudited().state(App { gate: gate.clone() }).tools(tools![wait]);
    let mut client = RawClient::initialized(server.build().unwrap()).await;
    for word in ["a", "b", "c"] {
        client.send(call(&json!(word), "wait", json!({"word": word}))).await;
    }
    let admit_later = async {
        yield_times(200).await;
        gate.admit(3);
    };
    let (remaining, ()) = tokio::join!(client.close(), admit_later);
    let mut answered: Vec<_> = remaining.iter().map(|message| message["id"].as_str().unwrap()).collect();
    answered.sort_unstable();
    assert_eq!(answered, ["a", "b", "c"]);
    assert!(
        remaining.iter().all(|message| message["result"]["content"][0]["text"] == message["id"]),
        "{remaining:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn call_that_never_answers_delays_the_end_until_its_deadline() {
    let gate = Gate::closed();
    let server = Server::new("s", "1").unaudited().state(App { gate }).tools(tools![wait]);
    let (mut client, server_end) = tokio::io::duplex(64 * 1024);
    let (read, write) = tokio::io::split(server_end);
    let serving = tokio::spawn(server.build().unwrap().serve(read, write));
    let started = tokio::time::Instant::now();
    for line in [initialize("2025-11-25"), call(&json!(1), "wait", json!({"word": "never"}))] {
        tokio::io::AsyncWriteExt::write_all(&mut client, format!("{line}\n").as_bytes()).await.unwrap();
    }
    tokio::io::AsyncWriteExt::shutdown(&mut client).await.unwrap();
    serving.await.unwrap().unwrap();
    assert_eq!(started.elapsed().as_secs(), 30);
}

#[tokio::test]
async fn client_that_stops_reading_does_not_affect_another_connection() {
    let service = fixture::server().build().unwrap();
    let (client, server) = tokio::io::duplex(64 * 1024);
    let (read, write) = tokio::io::split(server);
    let serving = tokio::spawn(service.clone().serve(read, write));
    let mut client = RawClient::over(tokio::io::empty(), client);
    client.send(initialize("2025-11-25")).await;
    for id in 0..50 {
        client.send(call(&json!(id), "add", json!({"a": 1, "b": 1}))).await;
    }
    drop(client);
    // It may end with an error of the stream, but not with a panic.
    let _ = serving.await.expect("no panic");
    let mut other = RawClient::initialized(service).await;
    other.assert_alive().await;
}
