//! Calls that are sent again under revisions with sessions, after the client lost its connection in the middle of one.

use std::process::Command;

use candor::Revision;
use candor_tests::{
    http::{HttpRequest, HttpServer},
    messages,
    orders_site::{OrdersSite, is_replayed, keyed_call, reason},
    stdio_server::StdioServer,
    wait::wait_until,
};
use serde_json::{Value, json};

const ORDERS: &str = env!("CARGO_BIN_EXE_orders");
const KEY: &str = "0123456789abcdef";
const LEGACY: [Revision; 2] = [Revision::V2025_06_18, Revision::V2025_11_25];

fn call(id: u64) -> String {
    keyed_call(&json!(id), KEY, "order_briefly", json!({"item": "tea"}))
}

fn assert_replayed(site: &OrdersSite, again: &Value, revision: Revision) {
    assert_eq!(reason(again), None, "{revision}: {again}");
    assert!(is_replayed(again), "{revision}: {again}");
    assert_eq!(again["result"]["content"][0]["text"], "tea", "{revision}: {again}");
    assert_eq!(site.effects(), ["begun tea", "done tea"], "{revision}");
}

/// Opens a session of a revision.
async fn open_session(server: &HttpServer, revision: Revision) -> String {
    let opened = server.send(&HttpRequest::post(messages::initialize(revision.as_str()))).await;
    assert_eq!(opened.message()["result"]["protocolVersion"], revision.as_str(), "{opened:?}");
    opened.header("mcp-session-id").expect("a session").to_owned()
}

#[tokio::test]
async fn retry_after_a_disconnect_over_http_is_replayed_in_the_same_session_and_in_another() {
    for revision in LEGACY {
        let folder = tempfile::tempdir().unwrap();
        let site = OrdersSite::new(ORDERS, folder.path());
        let mut command: Command = site.serve();
        command.args(["--http", "127.0.0.1:0"]);
        let server = HttpServer::start_command(command).await;
        let request = |session: &str, id: u64| {
            let request = HttpRequest::post(call(id)).with("mcp-session-id", session);
            request.with("mcp-protocol-version", revision.as_str())
        };
        let session = open_session(&server, revision).await;
        let mut connection = server.connect().await;
        connection.send(&request(&session, 1).bytes(server.address)).await;
        wait_until(async || site.effects() == ["begun tea"]).await;
        drop(connection);
        assert_replayed(&site, &server.send(&request(&session, 2)).await.message(), revision);
        // A client that was started again begins another session, and its ids begin anew.
        let session = open_session(&server, revision).await;
        assert_replayed(&site, &server.send(&request(&session, 1)).await.message(), revision);
    }
}

#[tokio::test]
async fn retry_after_a_disconnect_over_stdio_is_replayed_by_the_next_process() {
    for revision in LEGACY {
        let folder = tempfile::tempdir().unwrap();
        let site = OrdersSite::new(ORDERS, folder.path());
        let start = async || {
            let mut server = StdioServer::start(site.serve());
            let opened = server.client.initialize(revision).await;
            assert_eq!(opened["result"]["protocolVersion"], revision.as_str(), "{opened}");
            server
        };
        let mut server = start().await;
        server.client.send(call(1)).await;
        wait_until(async || site.effects() == ["begun tea"]).await;
        // The client closes its end without a word; the process ends when the handler has.
        assert_eq!(server.close().await.status.code(), Some(0));
        let mut server = start().await;
        assert_replayed(&site, &server.client.exchange(call(1)).await, revision);
        server.close().await;
    }
}
