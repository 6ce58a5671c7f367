//! Idempotency keys over HTTP: the header, two callers, a scope that was revoked, and a client that goes away.

use std::{path::Path, process::Command};

use candor_tests::{
    http::{HttpRequest, HttpServer, legacy, modern, write_token_file},
    orders::{META_KEY, META_REASON, META_REPLAYED, read_effects},
    wait::wait_until,
};
use serde_json::{Value, json};

const KEY: &str = "0123456789abcdef";

async fn serve(folder: &Path, flags: &[&str]) -> HttpServer {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orders"));
    command.env("ORDERS", folder.join("effects")).args(["serve", "--http", "127.0.0.1:0", "--audit"]);
    command.arg(folder.join("log")).args(flags);
    HttpServer::start_command(command).await
}

/// A call under 2026-07-28, with its key in the header.
#[expect(clippy::needless_pass_by_value, reason = "a `json!` literal reads better without a `&`")]
fn order(tool: &str, key: &str, arguments: Value) -> HttpRequest {
    let params = json!({"name": tool, "arguments": arguments});
    modern("tools/call", params).with("mcp-name", tool).with("idempotency-key", key)
}

fn is_replayed(message: &Value) -> bool {
    message["result"]["_meta"][META_REPLAYED] == true
}

#[tokio::test]
async fn key_in_the_header_is_that_in_the_metadata_under_every_revision() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path(), &[]).await;
    let tea = || json!({"item": "tea"});
    let session = server.open_session(None).await;
    let old = |meta: Value| {
        legacy(&session, "tools/call", json!({"name": "order", "arguments": tea(), "_meta": meta}))
    };
    // The general path, which reports progress, and the fast one.
    let mut with_progress = order("order", KEY, tea());
    with_progress.body = with_progress.body.replace("\"_meta\":{", "\"_meta\":{\"progressToken\":1,");
    for (at, request) in [
        order("order", KEY, tea()),
        order("order", &format!("\"{KEY}\""), tea()),
        with_progress,
        old(json!({})).with("idempotency-key", KEY),
        old(json!({META_KEY: KEY})),
        old(json!({META_KEY: KEY})).with("idempotency-key", &format!("\"{KEY}\"")),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = server.send(&request).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(is_replayed(&answer.message()), at > 0, "{at}: {answer:?}");
    }
    for request in [
        order("order", "short", tea()),
        order("order", "0123456789 abcdef", tea()),
        order("look", "\"0123456789abcdef", json!({})),
        old(json!({META_KEY: KEY})).with("idempotency-key", "another-key-of-16"),
        old(json!({META_KEY: 7})).with("idempotency-key", KEY),
    ] {
        let answer = server.send(&request).await;
        assert_eq!(answer.message()["error"]["code"], -32602, "{answer:?}");
    }
    assert_eq!(read_effects(&folder.path().join("effects")).len(), 1);
}

#[tokio::test]
async fn key_of_one_caller_is_not_that_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let (ada, bob) = ("candor_ada-0123456789", "candor_bob-0123456789");
    let tokens = write_token_file(folder.path(), &[(ada, "ada", "order:guarded"), (bob, "bob", "")]);
    let server = serve(folder.path(), &["--tokens", &tokens]).await;
    let send = async |token: &str| {
        server.send(&order("order", KEY, json!({"item": token})).bearer(token)).await.message()
    };
    for (token, replays) in [(ada, false), (bob, false), (ada, true), (bob, true)] {
        let answer = send(token).await;
        assert_eq!(is_replayed(&answer), replays, "{answer}");
        assert_eq!(answer["result"]["structuredContent"]["item"], token);
    }
    assert_eq!(read_effects(&folder.path().join("effects")).len(), 2);
}

#[tokio::test]
async fn replay_needs_the_scope_again() {
    let folder = tempfile::tempdir().unwrap();
    let token = "candor_ada-0123456789";
    let tokens = write_token_file(folder.path(), &[(token, "ada", "order:guarded")]);
    let server = serve(folder.path(), &["--tokens", &tokens]).await;
    let send = async || server.send(&order("order_guarded", KEY, json!({})).bearer(token)).await;
    assert!(!is_replayed(&send().await.message()));
    assert!(is_replayed(&send().await.message()));
    write_token_file(folder.path(), &[(token, "ada", "")]);
    server.process.signal("HUP");
    wait_until(async || send().await.status == 403).await;
    let refused = send().await;
    assert!(!refused.body.contains("structuredContent"), "{refused:?}");
    write_token_file(folder.path(), &[(token, "ada", "order:guarded")]);
    server.process.signal("HUP");
    wait_until(async || send().await.status == 200).await;
    assert!(is_replayed(&send().await.message()));
    assert_eq!(read_effects(&folder.path().join("effects")).len(), 1);
}

#[tokio::test]
async fn client_that_goes_away_finds_the_result_when_it_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path(), &[]).await;
    let session = server.open_session(None).await;
    let effects = || read_effects(&folder.path().join("effects"));
    let params = |item: &str| json!({"name": "order_briefly", "arguments": {"item": item}});
    let fast = |item: &str| {
        modern("tools/call", params(item)).with("mcp-name", "order_briefly").with("idempotency-key", KEY)
    };
    let progress = |item: &str| {
        let mut request = fast(item).with("idempotency-key", "progress-01234567");
        request.body = request.body.replace("\"_meta\":{", "\"_meta\":{\"progressToken\":1,");
        request
    };
    let old = |item: &str| {
        legacy(&session, "tools/call", params(item)).with("idempotency-key", "session-012345678")
    };
    for (round, request) in [fast("one"), progress("two"), old("three")].into_iter().enumerate() {
        let mut connection = server.connect().await;
        connection.send(&request.bytes(server.address)).await;
        wait_until(async || effects().len() == 2 * round + 1).await;
        drop(connection);
        // The retry, under another id, waits for the handler that goes on.
        let retry = HttpRequest { body: request.body.replace("\"id\":7", "\"id\":8"), ..request };
        let again = server.send(&retry).await.message();
        assert_eq!(again["result"]["_meta"].get(META_REASON), None, "{again}");
        assert!(is_replayed(&again), "{again}");
        assert_eq!(effects().len(), 2 * round + 2);
    }
}
