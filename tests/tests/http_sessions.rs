//! Sessions of older clients over HTTP: each is its caller's alone, and there are no more than so many.

use std::process::Command;

use candor_tests::http::{Ask, Site, call, initialize, legacy, tokens};
use serde_json::json;

fn web() -> Command {
    Command::new(env!("CARGO_BIN_EXE_web"))
}

#[tokio::test]
async fn a_session_is_its_callers_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = tokens(folder.path(), &[("ada", "ada", ""), ("eve", "eve", "")]);
    let site = Site::start(web(), &["--tokens", &file]).await;
    let held = site.session(Some("ada")).await;
    let asks = [
        legacy(&held, "tools/list", json!({})),
        legacy(&held, "tools/call", json!({"name": "hello", "arguments": {}})),
        initialize().with("mcp-session-id", &held),
        Ask { line: "GET /mcp".to_owned(), ..legacy(&held, "", json!({})) },
        Ask { line: "DELETE /mcp".to_owned(), ..legacy(&held, "", json!({})) },
    ];
    for ask in asks {
        let elsewhere = site.ask(&ask.clone().bearer("eve")).await;
        let nowhere = site.ask(&ask.bearer("eve").with("mcp-session-id", "no-such")).await;
        assert_eq!((elsewhere.status, &elsewhere.body), (404, &nowhere.body));
    }
    // A handshake that says the newest revision is one all the same.
    let sly = initialize().with("mcp-session-id", &held).with("mcp-protocol-version", "2026-07-28");
    assert_ne!(site.ask(&sly.bearer("eve")).await.status, 200);
    let hello = legacy(&held, "tools/call", json!({"name": "hello", "arguments": {}}));
    assert_eq!(
        site.ask(&hello.clone().bearer("ada")).await.message()["result"]["content"][0]["text"],
        "hello ada"
    );
    let ended = Ask { line: "DELETE /mcp".to_owned(), body: String::new(), ..hello.clone() };
    assert_eq!(site.ask(&ended.bearer("ada")).await.status / 100, 2);
    assert_eq!(site.ask(&hello.bearer("ada")).await.status, 404, "it has ended");
    // The newest revision has no sessions, and the header means nothing there.
    assert_eq!(
        site.ask(&call("hello", json!({})).bearer("eve").with("mcp-session-id", &held)).await.status,
        200
    );
}

#[tokio::test]
async fn sessions_that_nobody_ends_are_bounded_by_their_cap() {
    let folder = tempfile::tempdir().unwrap();
    let file = tokens(folder.path(), &[("ada", "ada", ""), ("eve", "eve", "")]);
    let site = Site::start(web(), &["--tokens", &file, "--max-sessions", "50"]).await;
    let adas = site.session(Some("ada")).await;
    let mut before = 0;
    let mut last = String::new();
    for n in 0..10_000 {
        if n == 500 {
            before = site.memory();
        }
        last = site.session(Some("eve")).await;
    }
    let grown = site.memory().saturating_sub(before);
    assert!(grown < 8192, "{grown} kB more than before");
    let hello = |held: &str, token: &str| {
        legacy(held, "tools/call", json!({"name": "hello", "arguments": {}})).bearer(token)
    };
    assert_eq!(site.ask(&hello(&adas, "ada")).await.status, 200, "whoever has the most loses first");
    assert_eq!(site.ask(&hello(&last, "eve")).await.status, 200);
    site.is_alive_for(Some("ada")).await;
}
