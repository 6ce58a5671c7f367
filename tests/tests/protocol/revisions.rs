//! The protocol revisions of a server, in the handshake, in `server/discover` and in requests.

use candor::{Revision, Server};
use candor_tests::{
    fixture,
    messages::{INITIALIZED, initialize, modern},
    raw_client::{RawClient, for_each_revision},
};
use serde_json::{Value, json};

fn connect(server: Server) -> RawClient {
    RawClient::connect(server.build().unwrap())
}

async fn discover(client: &mut RawClient) -> Value {
    client.exchange(modern(&json!(1), "2026-07-28", "server/discover", json!({}))).await
}

#[tokio::test]
async fn revisions_are_three_and_all_can_be_used() {
    assert_eq!(Revision::ALL.map(Revision::as_str), ["2025-06-18", "2025-11-25", "2026-07-28"]);
    assert!(Revision::ALL.is_sorted());
    for revision in Revision::ALL {
        assert_eq!(Revision::named(revision.as_str()), Some(revision));
        assert_eq!(revision.to_string(), revision.as_str());
    }
    assert_eq!(Revision::named("2024-11-05"), None);
    for_each_revision(&fixture::server().build().unwrap(), async |revision, client| {
        assert_eq!(client.revision().as_deref(), Some(revision.as_str()));
    })
    .await;
}

#[tokio::test]
async fn handshake_returns_the_requested_revision_or_the_newest() {
    for revision in ["2025-06-18", "2025-11-25"] {
        let answer = connect(fixture::server()).exchange(initialize(revision)).await;
        assert_eq!(answer["result"]["protocolVersion"], revision);
        assert_eq!(answer["result"]["serverInfo"]["name"], "fixture");
    }
    // Revisions up to 2025-03-26 are not supported, and 2026-07-28 has no handshake.
    for revision in ["2025-03-26", "2024-11-05", "2026-07-28"] {
        let answer = connect(fixture::server()).exchange(initialize(revision)).await;
        assert_eq!(answer["result"]["protocolVersion"], "2025-11-25", "{revision}");
    }
}

#[tokio::test]
async fn server_discover_lists_all_revisions_and_a_handshake_can_follow() {
    let mut client = connect(fixture::server());
    for _ in 0..2 {
        let result = discover(&mut client).await["result"].take();
        assert_eq!(
            result["supportedVersions"],
            json!(["2025-06-18", "2025-11-25", "2026-07-28"]),
            "{result}"
        );
        assert_eq!(result["capabilities"], json!({"tools": {}}));
        assert!(result["ttlMs"].is_u64() && result["cacheScope"].is_string(), "{result}");
    }
    client.initialize(Revision::V2025_11_25).await;
    client.assert_alive().await;
}

#[tokio::test]
async fn connection_can_mix_legacy_and_modern_requests() {
    let mut client = connect(fixture::server());
    client.initialize(Revision::V2025_11_25).await;
    let call =
        modern(&json!(1), "2026-07-28", "tools/call", json!({"name": "add", "arguments": {"a": 2, "b": 3}}));
    assert_eq!(client.exchange(&call).await["result"]["structuredContent"], 5);
    client.assert_alive().await;
}

#[tokio::test]
async fn server_with_some_revisions_offers_only_those() {
    use Revision::{V2025_06_18, V2025_11_25, V2026_07_28};
    for (revisions, newest_handshake) in [
        (vec![V2025_06_18], Some("2025-06-18")),
        (vec![V2025_11_25], Some("2025-11-25")),
        (vec![V2026_07_28, V2025_06_18, V2025_06_18], Some("2025-06-18")),
        (vec![V2026_07_28], None),
    ] {
        let server = || fixture::server().revisions(revisions.clone());
        let mut sorted: Vec<_> = revisions.iter().map(|revision| revision.as_str()).collect();
        sorted.sort_unstable();
        sorted.dedup();
        let manifest: Value = serde_json::from_str(&server().manifest().unwrap()).unwrap();
        assert_eq!(manifest["protocol_revisions"], json!(sorted));
        for requested in ["2025-06-18", "2025-11-25", "2026-07-28", "1999-01-01"] {
            let answer = connect(server()).exchange(initialize(requested)).await;
            match newest_handshake {
                Some(newest) => {
                    assert_eq!(
                        answer["result"]["protocolVersion"], newest,
                        "{revisions:?} {requested} {answer}"
                    );
                }
                None => {
                    assert_eq!(answer["error"]["code"], -32022, "{revisions:?} {requested} {answer}");
                    assert_eq!(answer["error"]["data"]["supported"], json!(sorted));
                }
            }
        }
        let answer = discover(&mut connect(server())).await;
        if sorted.contains(&"2026-07-28") {
            assert_eq!(answer["result"]["supportedVersions"], json!(sorted), "{revisions:?} {answer}");
        } else {
            assert_eq!(answer["error"]["code"], -32022, "{revisions:?} {answer}");
            assert_eq!(answer["error"]["data"]["supported"], json!(sorted), "{revisions:?} {answer}");
        }
    }
}

#[tokio::test]
async fn modern_only_server_refuses_a_handshake_and_serves_the_next_request() {
    let mut client = connect(fixture::server().revisions([Revision::V2026_07_28]));
    let answer = client.exchange(initialize("2025-11-25")).await;
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!("initialize"), &json!(-32022)), "{answer}");
    client.send(INITIALIZED).await;
    let call =
        modern(&json!(1), "2026-07-28", "tools/call", json!({"name": "add", "arguments": {"a": 2, "b": 3}}));
    assert_eq!(client.exchange(&call).await["result"]["structuredContent"], 5);
    let answer = client.exchange(initialize("2025-11-25")).await;
    assert_eq!(answer["error"]["code"], -32022, "{answer}");
    assert_eq!(client.exchange(&call).await["result"]["structuredContent"], 5);
}

#[tokio::test]
async fn request_of_a_disabled_revision_is_refused() {
    let mut client = connect(fixture::server().revisions([Revision::V2025_11_25]));
    client.initialize(Revision::V2025_11_25).await;
    for method in ["tools/call", "tools/list", "no/such"] {
        let line =
            modern(&json!(1), "2026-07-28", method, json!({"name": "add", "arguments": {"a": 2, "b": 3}}));
        let answer = client.exchange(line).await;
        assert_eq!(answer["error"]["code"], -32022, "{method} {answer}");
    }
    client.assert_alive().await;
}
