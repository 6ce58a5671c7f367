//! The revisions that a server speaks, pinned by name: what the handshake, `server/discover` and requests say of them.

use candor::{Revision, Server};
use candor_tests::{
    fixture,
    wire::{Wire, each_revision, initialize, modern},
};
use serde_json::{Value, json};

fn wire(server: Server) -> Wire {
    Wire::to(server.build().unwrap())
}

async fn discovered(wire: &mut Wire) -> Value {
    wire.ask(modern(&json!(1), "2026-07-28", "server/discover", json!({}))).await
}

#[tokio::test]
async fn there_are_three() {
    assert_eq!(Revision::ALL.map(Revision::as_str), ["2025-06-18", "2025-11-25", "2026-07-28"]);
    assert!(Revision::ALL.is_sorted());
    for revision in Revision::ALL {
        assert_eq!(Revision::named(revision.as_str()), Some(revision));
        assert_eq!(revision.to_string(), revision.as_str());
    }
    assert_eq!(Revision::named("2024-11-05"), None);
    each_revision(&fixture::server().build().unwrap(), async |revision, client| {
        assert_eq!(client.revision().as_deref(), Some(revision.as_str()));
    })
    .await;
}

#[tokio::test]
async fn the_handshake_echoes_what_is_spoken() {
    for revision in ["2025-06-18", "2025-11-25"] {
        let answer = wire(fixture::server()).ask(initialize(revision)).await;
        assert_eq!(answer["result"]["protocolVersion"], revision);
        assert_eq!(answer["result"]["serverInfo"]["name"], "fixture");
    }
    // 2025-03-26 and before are none of ours, and 2026-07-28 has no handshake.
    for revision in ["2025-03-26", "2024-11-05", "2026-07-28"] {
        let answer = wire(fixture::server()).ask(initialize(revision)).await;
        assert_eq!(answer["result"]["protocolVersion"], "2025-11-25", "{revision}");
    }
}

#[tokio::test]
async fn discovery_names_all_and_leaves_both_ways_open() {
    let mut wire = wire(fixture::server());
    for _ in 0..2 {
        let result = discovered(&mut wire).await["result"].take();
        assert_eq!(
            result["supportedVersions"],
            json!(["2025-06-18", "2025-11-25", "2026-07-28"]),
            "{result}"
        );
        assert_eq!(result["capabilities"], json!({"tools": {}}));
        assert!(result["ttlMs"].is_u64() && result["cacheScope"].is_string(), "{result}");
    }
    wire.initialize(Revision::V2025_11_25).await;
    wire.is_alive().await;
}

#[tokio::test]
async fn one_connection_may_mix_them() {
    let mut wire = wire(fixture::server());
    wire.initialize(Revision::V2025_11_25).await;
    let call =
        modern(&json!(1), "2026-07-28", "tools/call", json!({"name": "add", "arguments": {"a": 2, "b": 3}}));
    assert_eq!(wire.ask(&call).await["result"]["structuredContent"], 5);
    wire.is_alive().await;
}

#[tokio::test]
async fn a_narrowed_server_speaks_what_it_was_left() {
    use Revision::{V2025_06_18, V2025_11_25, V2026_07_28};
    for (left, newest_handshake) in [
        (vec![V2025_06_18], Some("2025-06-18")),
        (vec![V2025_11_25], Some("2025-11-25")),
        (vec![V2026_07_28, V2025_06_18, V2025_06_18], Some("2025-06-18")),
        (vec![V2026_07_28], None),
    ] {
        let server = || fixture::server().revisions(left.clone());
        let mut sorted: Vec<_> = left.iter().map(|revision| revision.as_str()).collect();
        sorted.sort_unstable();
        sorted.dedup();
        let manifest: Value = serde_json::from_str(&server().manifest().unwrap()).unwrap();
        assert_eq!(manifest["protocol_revisions"], json!(sorted));
        for asked in ["2025-06-18", "2025-11-25", "2026-07-28", "1999-01-01"] {
            let answer = wire(server()).ask(initialize(asked)).await;
            match newest_handshake {
                Some(newest) => {
                    assert_eq!(answer["result"]["protocolVersion"], newest, "{left:?} {asked} {answer}");
                }
                None => {
                    assert_eq!(answer["error"]["code"], -32022, "{left:?} {asked} {answer}");
                    assert_eq!(answer["error"]["data"]["supported"], json!(sorted));
                }
            }
        }
        let answer = discovered(&mut wire(server())).await;
        if sorted.contains(&"2026-07-28") {
            assert_eq!(answer["result"]["supportedVersions"], json!(sorted), "{left:?} {answer}");
        } else {
            assert_eq!(answer["error"]["code"], -32022, "{left:?} {answer}");
            assert_eq!(answer["error"]["data"]["supported"], json!(sorted), "{left:?} {answer}");
        }
    }
}

#[tokio::test]
async fn a_modern_server_turns_a_handshake_away_and_serves_the_next_request() {
    let mut wire = wire(fixture::server().revisions([Revision::V2026_07_28]));
    let answer = wire.ask(initialize("2025-11-25")).await;
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!("initialize"), &json!(-32022)), "{answer}");
    wire.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    let call =
        modern(&json!(1), "2026-07-28", "tools/call", json!({"name": "add", "arguments": {"a": 2, "b": 3}}));
    assert_eq!(wire.ask(&call).await["result"]["structuredContent"], 5);
    let answer = wire.ask(initialize("2025-11-25")).await;
    assert_eq!(answer["error"]["code"], -32022, "{answer}");
    assert_eq!(wire.ask(&call).await["result"]["structuredContent"], 5);
}

#[tokio::test]
async fn a_revision_that_was_taken_away_is_refused_in_a_request() {
    let mut wire = wire(fixture::server().revisions([Revision::V2025_11_25]));
    wire.initialize(Revision::V2025_11_25).await;
    for method in ["tools/call", "tools/list", "no/such"] {
        let line =
            modern(&json!(1), "2026-07-28", method, json!({"name": "add", "arguments": {"a": 2, "b": 3}}));
        let answer = wire.ask(line).await;
        assert_eq!(answer["error"]["code"], -32022, "{method} {answer}");
    }
    wire.is_alive().await;
}
