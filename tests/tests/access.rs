//! What a caller was granted → what it sees and may call.

use candor::{Revision, Server, Service, mcp_tool, testing::Client, tools};
use candor_tests::{
    messages::{call, modern},
    raw_client::{RawClient, for_each_revision},
};
use serde_json::json;

/// Read the vault.
#[mcp_tool(read_only, closed_world, scope = "read:vault")]
fn read_vault() -> &'static str {
    "gold"
}

/// Empty the vault.
#[mcp_tool(destructive, closed_world, scope = "read:vault write:vault")]
fn empty_vault() -> &'static str {
    "empty"
}

/// Say the time.
#[mcp_tool(read_only, public)]
fn clock() -> &'static str {
    "noon"
}

fn server() -> Server {
    Server::new("vault", "1.0.0").unaudited().tools(tools![read_vault, empty_vault, clock])
}

async fn names(client: &Client) -> Vec<String> {
    let tools = client.tools().await.unwrap();
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn nothing_is_granted_by_default() {
    for_each_revision(&server().build().unwrap(), async |_, client| {
        assert_eq!(names(&client).await, ["clock"]);
        assert_eq!(client.call("clock", json!({})).await.unwrap().text(), "noon");
        for tool in ["read_vault", "empty_vault"] {
            assert_eq!(client.call(tool, json!({})).await.unwrap_err().code, -31403);
        }
    })
    .await;
}

#[tokio::test]
async fn the_list_and_the_calls_follow_the_grants() {
    let service = server().build().unwrap();
    for (grant, listed) in [
        ("read:vault", vec!["clock", "read_vault"]),
        ("write:vault", vec!["clock"]),
        ("read:vault write:vault", vec!["clock", "empty_vault", "read_vault"]),
        (" write:vault   read:vault\n", vec!["clock", "empty_vault", "read_vault"]),
        ("read:vaul read: READ:VAULT read:vault:x", vec!["clock"]),
    ] {
        let client = Client::to(service.clone().grant(grant), Revision::V2026_07_28).await;
        assert_eq!(names(&client).await, listed, "{grant}");
        for tool in ["read_vault", "empty_vault", "clock"] {
            let answered = client.call(tool, json!({})).await.is_ok();
            assert_eq!(answered, listed.contains(&tool), "{tool} with {grant}");
        }
    }
}

#[tokio::test]
async fn grants_add_up_and_stay_with_one_connection() {
    let service = server().build().unwrap();
    let both = service.clone().grant("read:vault").grant("write:vault");
    let client = Client::to(both, Revision::V2025_11_25).await;
    assert_eq!(names(&client).await.len(), 3);
    let client = Client::to(service, Revision::V2025_11_25).await;
    assert_eq!(names(&client).await, ["clock"], "the server that was cloned is as it was");
}

#[tokio::test]
async fn a_refusal_names_what_is_missing_and_the_flag() {
    let service = server().build().unwrap().grant("read:vault");
    let client = Client::to(service, Revision::V2026_07_28).await;
    let refused = client.call("empty_vault", json!({})).await.unwrap_err();
    assert_eq!(
        refused.message,
        "tool `empty_vault` needs a scope that this caller was not granted: `write:vault`\nhelp: on stdio, start the server with `--grant \"write:vault\"`"
    );
    assert_eq!(
        refused.data.unwrap(),
        json!({
            "reason": "insufficient_scope",
            "requiredScopes": ["read:vault", "write:vault"],
            "missingScopes": ["write:vault"],
        })
    );
    let client = Client::of(server()).await;
    let refused = client.call("empty_vault", json!({})).await.unwrap_err();
    assert!(refused.message.contains("`read:vault`, `write:vault`"), "{}", refused.message);
    assert!(refused.message.contains("--grant \"read:vault write:vault\""), "{}", refused.message);
}

/// Everything a server says to the same lines.
async fn heard(service: Service) -> String {
    let mut wire = RawClient::initialized(service).await;
    for tool in ["read_vault", "empty_vault", "read_vaul", "clok", "nothing"] {
        for arguments in [json!({}), json!({"x": 1}), json!([])] {
            wire.exchange(call(&json!(1), tool, arguments)).await;
        }
    }
    wire.exchange(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).await;
    wire.received().to_owned()
}

#[tokio::test]
async fn a_concealed_tool_is_byte_for_byte_one_that_does_not_exist() {
    let without = Server::new("vault", "1.0.0").unaudited().tools(tools![clock]);
    let concealed = heard(server().conceal().build().unwrap()).await;
    assert_eq!(concealed, heard(without.build().unwrap()).await);
    assert!(concealed.contains("Unknown tool: read_vault"));
    assert_ne!(concealed, heard(server().build().unwrap()).await);
}

#[tokio::test]
async fn a_hidden_tool_is_never_the_nearest_name() {
    for server in [server(), server().conceal()] {
        let client = Client::of(server).await;
        let refused = client.call("read_vaul", json!({})).await.unwrap_err();
        assert!(!refused.message.contains("did you mean"), "{}", refused.message);
    }
    let client = Client::to(server().build().unwrap().grant("read:vault"), Revision::V2026_07_28).await;
    let refused = client.call("read_vaul", json!({})).await.unwrap_err();
    assert!(refused.message.contains("did you mean `read_vault`?"), "{}", refused.message);
}

#[tokio::test]
async fn a_broader_scope_carries_the_narrower() {
    let service = server()
        .scope_implies("admin", "write:vault")
        .scope_implies("write:vault", "read:vault")
        .scope_implies("read:vault", "admin")
        .build()
        .unwrap();
    for grant in ["admin", "write:vault", "read:vault"] {
        let service = service.clone().grant(grant);
        assert_eq!(service.hidden(), [], "{grant}");
        assert_eq!(service.idle_grants(), [], "{grant}");
        let client = Client::to(service, Revision::V2025_11_25).await;
        assert_eq!(names(&client).await, ["clock", "empty_vault", "read_vault"], "{grant}");
        assert_eq!(client.call("read_vault", json!({})).await.unwrap().text(), "gold");
        client.call("empty_vault", json!({})).await.unwrap();
    }
    // What is missing is named as the tool names it.
    let client = Client::to(service, Revision::V2026_07_28).await;
    let refused = client.call("empty_vault", json!({})).await.unwrap_err();
    assert_eq!(refused.data.unwrap()["missingScopes"], json!(["read:vault", "write:vault"]));
}

#[test]
fn an_implication_that_no_tool_needs_is_told_of() {
    let server = server()
        .scope_implies("admin", "operator")
        .scope_implies("operator", "read:vault")
        .scope_implies("operator", "read:vualt")
        .scope_implies("write:vault", "archive");
    let manifest: serde_json::Value = serde_json::from_str(&server.manifest().unwrap()).unwrap();
    assert_eq!(manifest["scope_implies"]["operator"], json!(["read:vault", "read:vualt"]));
    let service = server.build().unwrap().grant("admin archive");
    let idle = [("operator", "read:vualt", Some("read:vault")), ("write:vault", "archive", None)];
    assert_eq!(service.idle_implications(), idle);
    assert_eq!(
        service.idle_grants(),
        [("archive", None)],
        "what `admin` carries is needed, and `archive` is not"
    );
}

#[test]
fn basic_scopes_stand_in_the_manifest() {
    let server = server().basic_scopes(["read:vault"]);
    let manifest: serde_json::Value = serde_json::from_str(&server.manifest().unwrap()).unwrap();
    assert_eq!(manifest["basic_scopes"], json!(["read:vault"]));
}

#[tokio::test]
async fn a_list_of_all_tools_holds_their_scopes_and_opens_nothing() {
    let service = server().conceal().list_all().build().unwrap();
    for_each_revision(&service, async |revision, client| {
        assert_eq!(names(&client).await, ["clock", "empty_vault", "read_vault"], "{revision}");
        let tools = client.tools().await.unwrap();
        assert_eq!(tools[1]["_meta"]["candor/scopes"], json!(["read:vault", "write:vault"]));
        let refused = client.call("empty_vault", json!({})).await.unwrap_err();
        assert_eq!(refused.code, -31403, "{revision}");
    })
    .await;
    for (server, scope) in [(server(), "private"), (server().list_all(), "public")] {
        let mut wire = RawClient::connect(server.build().unwrap());
        let list = wire.exchange(modern(&json!(1), "2026-07-28", "tools/list", json!({}))).await;
        assert_eq!(list["result"]["cacheScope"], scope, "{list}");
    }
    assert_eq!(
        names(&Client::to(server().list_all().conceal().build().unwrap(), Revision::V2026_07_28).await).await,
        ["clock"]
    );
}
