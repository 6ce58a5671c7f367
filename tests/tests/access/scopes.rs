//! Scopes of a caller: which tools it sees and may call.

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
    Server::new("vault", "1.0.0").unaudited().without_idempotency().tools(tools![
        read_vault,
        empty_vault,
        clock
    ])
}

async fn names(client: &Client) -> Vec<String> {
    let tools = client.tools().await.unwrap();
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn default_grant_is_empty() {
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
async fn granted_scopes_decide_what_is_listed_and_callable() {
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
async fn grants_add_up_and_apply_to_one_connection() {
    let service = server().build().unwrap();
    let both = service.clone().grant("read:vault").grant("write:vault");
    let client = Client::to(both, Revision::V2025_11_25).await;
    assert_eq!(names(&client).await.len(), 3);
    let client = Client::to(service, Revision::V2025_11_25).await;
    assert_eq!(names(&client).await, ["clock"], "the grants of a clone do not reach the original");
}

#[tokio::test]
async fn scope_refusals_name_the_missing_scopes_and_the_flag() {
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

/// Everything that a server answers to the same lines.
async fn answers(service: Service) -> String {
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
async fn concealed_tools_and_unknown_tools_get_identical_answers() {
    let without = Server::new("vault", "1.0.0").unaudited().tools(tools![clock]);
    let concealed = answers(server().conceal().build().unwrap()).await;
    assert_eq!(concealed, answers(without.build().unwrap()).await);
    assert!(concealed.contains("Unknown tool: read_vault"));
    assert_ne!(concealed, answers(server().build().unwrap()).await);
}

#[tokio::test]
async fn hidden_tools_are_not_suggested_for_a_misspelled_name() {
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
async fn broader_scopes_imply_the_narrower() {
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
    // Missing scopes are named as the tool declares them.
    let client = Client::to(service, Revision::V2026_07_28).await;
    let refused = client.call("empty_vault", json!({})).await.unwrap_err();
    assert_eq!(refused.data.unwrap()["missingScopes"], json!(["read:vault", "write:vault"]));
}

#[test]
fn scope_implications_that_no_tool_needs_are_reported() {
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
        "a tool needs a scope that `admin` implies, but none needs `archive`"
    );
}

#[test]
fn basic_scopes_are_in_the_manifest() {
    let server = server().basic_scopes(["read:vault"]);
    let manifest: serde_json::Value = serde_json::from_str(&server.manifest().unwrap()).unwrap();
    assert_eq!(manifest["basic_scopes"], json!(["read:vault"]));
}

#[tokio::test]
async fn list_all_shows_the_scopes_of_tools_that_stay_forbidden() {
    let service = server().conceal().list_all().build().unwrap();
    for_each_revision(&service, async |revision, client| {
        assert_eq!(names(&client).await, ["clock", "empty_vault", "read_vault"], "{revision}");
        let tools = client.tools().await.unwrap();
        assert_eq!(tools[1]["_meta"]["io.github.candor-mcp/scopes"], json!(["read:vault", "write:vault"]));
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
