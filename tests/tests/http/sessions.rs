//! Sessions of legacy clients over HTTP: only their caller can use them, and their number is limited.

use std::process::Command;

use candor_tests::http::{HttpRequest, HttpServer, call, initialize, legacy, write_token_file};
use serde_json::json;

fn web() -> Command {
    Command::new(env!("CARGO_BIN_EXE_web"))
}

#[tokio::test]
async fn session_can_be_used_by_its_caller_only() {
    let folder = tempfile::tempdir().unwrap();
    let file = write_token_file(folder.path(), &[("ada", "ada", ""), ("eve", "eve", "")]);
    let server = HttpServer::start(web(), &["--tokens", &file]).await;
    let session = server.open_session(Some("ada")).await;
    let requests = [
        legacy(&session, "tools/list", json!({})),
        legacy(&session, "tools/call", json!({"name": "hello", "arguments": {}})),
        initialize().with("mcp-session-id", &session),
        HttpRequest { line: "GET /mcp".to_owned(), ..legacy(&session, "", json!({})) },
        HttpRequest { line: "DELETE /mcp".to_owned(), ..legacy(&session, "", json!({})) },
    ];
    for request in requests {
        let of_other_caller = server.send(&request.clone().bearer("eve")).await;
        let unknown = server.send(&request.bearer("eve").with("mcp-session-id", "no-such")).await;
        assert_eq!((of_other_caller.status, &of_other_caller.body), (404, &unknown.body));
    }
    // A handshake is not exempt if its header names the modern revision.
    let disguised = initialize().with("mcp-session-id", &session).with("mcp-protocol-version", "2026-07-28");
    assert_ne!(server.send(&disguised.bearer("eve")).await.status, 200);
    let hello = legacy(&session, "tools/call", json!({"name": "hello", "arguments": {}}));
    assert_eq!(
        server.send(&hello.clone().bearer("ada")).await.message()["result"]["content"][0]["text"],
        "hello ada"
    );
    let delete = HttpRequest { line: "DELETE /mcp".to_owned(), body: String::new(), ..hello.clone() };
    assert_eq!(server.send(&delete.bearer("ada")).await.status / 100, 2);
    assert_eq!(server.send(&hello.bearer("ada")).await.status, 404, "the session has ended");
    // The modern revision has no sessions, and ignores the header.
    assert_eq!(
        server.send(&call("hello", json!({})).bearer("eve").with("mcp-session-id", &session)).await.status,
        200
    );
}

#[tokio::test]
async fn max_sessions_limits_sessions_that_are_never_ended() {
    let folder = tempfile::tempdir().unwrap();
    let file = write_token_file(folder.path(), &[("ada", "ada", ""), ("eve", "eve", "")]);
    let server = HttpServer::start(web(), &["--tokens", &file, "--max-sessions", "50"]).await;
    let of_ada = server.open_session(Some("ada")).await;
    let mut before = 0;
    let mut newest = String::new();
    for n in 0..10_000 {
        if n == 500 {
            before = server.memory_kb();
        }
        newest = server.open_session(Some("eve")).await;
    }
    let grown = server.memory_kb().saturating_sub(before);
    assert!(grown < 8192, "{grown} kB more than before");
    let hello = |session: &str, token: &str| {
        legacy(session, "tools/call", json!({"name": "hello", "arguments": {}})).bearer(token)
    };
    assert_eq!(
        server.send(&hello(&of_ada, "ada")).await.status,
        200,
        "the caller with the most sessions loses one first"
    );
    assert_eq!(server.send(&hello(&newest, "eve")).await.status, 200);
    server.assert_alive_as(Some("ada")).await;
}
