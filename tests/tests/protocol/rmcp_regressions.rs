//! Faults of a tools-only server on bare rmcp 3.9, which a server on Candor must not have.

use std::time::Duration;

use candor::{Revision, Server, mcp_tool, testing::Client, tools};
use candor_tests::{
    fixture,
    messages::{initialize, modern, request},
    raw_client::{RawClient, for_each_revision},
};
use serde_json::{Value, json};

/// Panic with a text.
#[mcp_tool(read_only, closed_world, public)]
fn panic_with_text() -> u8 {
    panic!("the password is {}", "hunter2")
}

/// Panic with a number.
#[mcp_tool(destructive, closed_world, public)]
fn panic_with_number() -> u8 {
    std::panic::panic_any(42)
}

/// Panic after a wait.
#[mcp_tool(read_only, closed_world, public)]
async fn panic_later() -> u8 {
    tokio::task::yield_now().await;
    panic!("hunter2")
}

/// Panics when it is printed.
struct PanickingError;

impl std::fmt::Display for PanickingError {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("hunter2")
    }
}

/// Fail with an error that panics when it is printed.
#[mcp_tool(read_only, closed_world, public)]
fn panic_in_the_error() -> Result<u8, PanickingError> {
    Err(PanickingError)
}

#[tokio::test]
async fn handler_that_panics_gets_an_answer_with_a_fixed_text() {
    let tools = tools![panic_with_text, panic_with_number, panic_later, panic_in_the_error];
    let service = Server::new("s", "1")
        .unaudited()
        .without_idempotency()
        .yes_destructive()
        .tools(tools)
        .build()
        .unwrap();
    for_each_revision(&service, async |_, client| {
        for tool in ["panic_with_text", "panic_with_number", "panic_later", "panic_in_the_error"] {
            for _ in 0..2 {
                // On bare rmcp the client would wait for ever.
                let answer = tokio::time::timeout(Duration::from_secs(20), client.call(tool, json!({})));
                let answer = answer.await.expect("an answer").unwrap();
                assert!(answer.is_error);
                assert_eq!(answer.reason(), Some("internal"));
                assert_eq!(
                    answer.text(),
                    format!(
                        "tool `{tool}` failed inside; the server goes on\nhelp: the server's log says why"
                    )
                );
                assert!(!answer.raw.to_string().contains("hunter2"));
            }
        }
    })
    .await;
}

#[tokio::test]
async fn call_with_malformed_params_is_invalid_params_under_every_revision() {
    let broken = [json!({}), json!({"name": 5}), json!({"name": "add", "arguments": []})];
    for revision in [Revision::V2025_06_18, Revision::V2025_11_25] {
        let mut client = RawClient::connect(fixture::server().build().unwrap());
        client.initialize(revision).await;
        for params in &broken {
            let answer = client.exchange(request(&json!(1), "tools/call", params.clone())).await;
            assert_eq!(answer["error"]["code"], -32602, "{answer}");
        }
        client.assert_alive().await;
    }
    let mut client = RawClient::connect(fixture::server().build().unwrap());
    for params in &broken {
        let answer = client.exchange(modern(&json!(1), "2026-07-28", "tools/call", params.clone())).await;
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
    }
}

#[tokio::test]
async fn tools_list_is_private_sorted_and_one_page() {
    let mut client = RawClient::connect(fixture::server().build().unwrap());
    let list = |params| modern(&json!(1), "2026-07-28", "tools/list", params);
    let result = client.exchange(list(json!({}))).await["result"].take();
    assert_eq!(result["cacheScope"], "private");
    assert_eq!(result["resultType"], "complete");
    assert!(result["ttlMs"].is_u64(), "{result}");
    assert!(result.get("nextCursor").is_none());
    let names: Vec<_> =
        result["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert!(names.is_sorted() && names.len() == 10, "{names:?}");
    assert_eq!(
        client.exchange(list(json!({}))).await["result"]["tools"],
        result["tools"],
        "the same each time"
    );
    assert_eq!(client.exchange(list(json!({"cursor": ""}))).await["result"]["tools"], result["tools"]);
    let answer = client.exchange(list(json!({"cursor": "2"}))).await;
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    // Older revisions have no caching fields.
    let client = Client::to(fixture::server().build().unwrap(), Revision::V2025_06_18).await;
    let list = serde_json::to_value(client.peer().list_tools(None).await.unwrap()).unwrap();
    assert!(list.get("cacheScope").is_none() && list.get("ttlMs").is_none(), "{list}");
}

#[tokio::test]
async fn arguments_that_break_the_schema_are_refused_without_repeating_a_value() {
    for_each_revision(&fixture::server().build().unwrap(), async |_, client| {
        let arguments = json!({"place": "hunter2", "nights": 31, "guests": [], "more": "hunter2"});
        let answer = client.call("book", arguments).await.unwrap();
        assert!(answer.is_error && answer.structured.is_none());
        for fault in [
            "`place` does not match",
            "`nights` is above",
            "`guests` holds fewer",
            "`more` is not a parameter",
        ] {
            assert!(answer.text().contains(fault), "{}", answer.text());
        }
        assert!(!answer.raw.to_string().contains("hunter2"));
    })
    .await;
}

#[tokio::test]
async fn method_without_its_capability_is_not_found() {
    let methods = [
        "prompts/list",
        "prompts/get",
        "resources/list",
        "resources/templates/list",
        "resources/read",
        "resources/subscribe",
        "completion/complete",
        "logging/setLevel",
        "tasks/list",
        "no/such",
    ];
    let params = |method: &str| match method {
        "prompts/get" => json!({"name": "x"}),
        "resources/read" | "resources/subscribe" => json!({"uri": "file:///x"}),
        "completion/complete" => {
            json!({"ref": {"type": "ref/prompt", "name": "x"}, "argument": {"name": "a", "value": ""}})
        }
        "logging/setLevel" => json!({"level": "debug"}),
        _ => json!({}),
    };
    let mut legacy_client = RawClient::connect(fixture::server().build().unwrap());
    let handshake = legacy_client.exchange(initialize("2025-11-25")).await;
    assert_eq!(handshake["result"]["capabilities"], json!({"tools": {}}));
    let mut modern_client = RawClient::connect(fixture::server().build().unwrap());
    for method in methods {
        let answer = legacy_client.exchange(request(&json!(1), method, params(method))).await;
        assert_eq!(answer["error"]["code"], -32601, "{method} {answer}");
        let answer = modern_client.exchange(modern(&json!(1), "2026-07-28", method, params(method))).await;
        assert_eq!(answer["error"]["code"], -32601, "{method} {answer}");
    }
    legacy_client.assert_alive().await;
}

#[tokio::test]
async fn modern_results_carry_the_server_info() {
    let mut client = RawClient::connect(fixture::server().build().unwrap());
    let call = |name: &str, arguments: Value| {
        modern(&json!(1), "2026-07-28", "tools/call", json!({"name": name, "arguments": arguments}))
    };
    for line in [
        modern(&json!(1), "2026-07-28", "server/discover", json!({})),
        modern(&json!(1), "2026-07-28", "tools/list", json!({})),
        call("add", json!({"a": 1, "b": 2})),
        call("add", json!({})),
        call("fail", json!({})),
    ] {
        let result = client.exchange(&line).await["result"].take();
        let server_info = &result["_meta"]["io.modelcontextprotocol/serverInfo"];
        assert_eq!(
            (&server_info["name"], &server_info["version"]),
            (&json!("fixture"), &json!("1.0.0")),
            "{line} {result}"
        );
        assert_eq!(result["resultType"], "complete", "{line}");
    }
    let mut client = RawClient::initialized(fixture::server().build().unwrap()).await;
    let result = client.call("add", json!({"a": 1, "b": 2})).await["result"].take();
    assert!(result.get("_meta").is_none() && result.get("resultType").is_none(), "{result}");
}

#[tokio::test]
async fn tools_list_has_all_four_hints_of_every_tool() {
    let client = Client::of(fixture::server()).await;
    let tools = client.tools().await.unwrap();
    assert_eq!(tools.len(), 10);
    for tool in tools {
        for hint in ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"] {
            assert!(tool["annotations"][hint].is_boolean(), "{hint} of {tool}");
        }
    }
}
