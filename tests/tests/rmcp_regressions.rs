//! What bare rmcp 3.9 does to a tools-only server, and this one does not; the numbers are those of the list in the
//! design.

use std::time::Duration;

use candor::{Revision, Server, mcp_tool, testing::Client, tools};
use candor_tests::{
    fixture,
    wire::{Wire, each_revision, initialize, modern, request},
};
use serde_json::{Value, json};

/// Panic with words.
#[mcp_tool(read_only, closed_world, public)]
fn panic_with_words() -> u8 {
    panic!("the password is {}", "hunter2")
}

/// Panic with a number.
#[mcp_tool(destructive, closed_world, public)]
fn panic_with_a_number() -> u8 {
    std::panic::panic_any(42)
}

/// Panic after a wait.
#[mcp_tool(read_only, closed_world, public)]
async fn panic_later() -> u8 {
    tokio::task::yield_now().await;
    panic!("hunter2")
}

struct Silent;

impl std::fmt::Display for Silent {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("hunter2")
    }
}

/// Fail with an error that panics when it is read.
#[mcp_tool(read_only, closed_world, public)]
fn panic_in_the_error() -> Result<u8, Silent> {
    Err(Silent)
}

#[tokio::test]
async fn trap_1_a_panic_is_answered_with_a_fixed_text() {
    let tools = tools![panic_with_words, panic_with_a_number, panic_later, panic_in_the_error];
    let service = Server::new("s", "1").unaudited().yes_destructive().tools(tools).build().unwrap();
    each_revision(&service, async |_, client| {
        for tool in ["panic_with_words", "panic_with_a_number", "panic_later", "panic_in_the_error"] {
            for _ in 0..2 {
                // Bare rmcp would leave the client waiting for ever.
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
async fn trap_3_a_malformed_call_has_invalid_params_under_every_revision() {
    let broken = [json!({}), json!({"name": 5}), json!({"name": "add", "arguments": []})];
    for revision in [Revision::V2025_06_18, Revision::V2025_11_25] {
        let mut wire = Wire::to(fixture::server().build().unwrap());
        wire.initialize(revision).await;
        for params in &broken {
            let answer = wire.ask(request(&json!(1), "tools/call", params.clone())).await;
            assert_eq!(answer["error"]["code"], -32602, "{answer}");
        }
        wire.is_alive().await;
    }
    let mut wire = Wire::to(fixture::server().build().unwrap());
    for params in &broken {
        let answer = wire.ask(modern(&json!(1), "2026-07-28", "tools/call", params.clone())).await;
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
    }
}

#[tokio::test]
async fn trap_6_the_list_is_private_sorted_and_one_page() {
    let mut wire = Wire::to(fixture::server().build().unwrap());
    let list = |params| modern(&json!(1), "2026-07-28", "tools/list", params);
    let result = wire.ask(list(json!({}))).await["result"].take();
    assert_eq!(result["cacheScope"], "private");
    assert_eq!(result["resultType"], "complete");
    assert!(result["ttlMs"].is_u64(), "{result}");
    assert!(result.get("nextCursor").is_none());
    let names: Vec<_> =
        result["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert!(names.is_sorted() && names.len() == 10, "{names:?}");
    assert_eq!(wire.ask(list(json!({}))).await["result"]["tools"], result["tools"], "the same each time");
    assert_eq!(wire.ask(list(json!({"cursor": ""}))).await["result"]["tools"], result["tools"]);
    let answer = wire.ask(list(json!({"cursor": "2"}))).await;
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    // The older revisions have no such words.
    let client = Client::to(fixture::server().build().unwrap(), Revision::V2025_06_18).await;
    let list = serde_json::to_value(client.peer().list_tools(None).await.unwrap()).unwrap();
    assert!(list.get("cacheScope").is_none() && list.get("ttlMs").is_none(), "{list}");
}

#[tokio::test]
async fn trap_7_constraints_and_unknown_fields_are_enforced_and_no_value_comes_back() {
    each_revision(&fixture::server().build().unwrap(), async |_, client| {
        let arguments = json!({"place": "hunter2", "nights": 31, "guests": [], "more": "hunter2"});
        let answer = client.call("book", arguments).await.unwrap();
        assert!(answer.is_error && answer.structured.is_none());
        for says in
            ["`place` does not match", "`nights` is above", "`guests` holds fewer", "`more` is no parameter"]
        {
            assert!(answer.text().contains(says), "{}", answer.text());
        }
        assert!(!answer.raw.to_string().contains("hunter2"));
    })
    .await;
}

#[tokio::test]
async fn trap_9_what_is_not_declared_is_not_there() {
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
    let mut legacy = Wire::to(fixture::server().build().unwrap());
    let opened = legacy.ask(initialize("2025-11-25")).await;
    assert_eq!(opened["result"]["capabilities"], json!({"tools": {}}));
    let mut newest = Wire::to(fixture::server().build().unwrap());
    for method in methods {
        let answer = legacy.ask(request(&json!(1), method, params(method))).await;
        assert_eq!(answer["error"]["code"], -32601, "{method} {answer}");
        let answer = newest.ask(modern(&json!(1), "2026-07-28", method, params(method))).await;
        assert_eq!(answer["error"]["code"], -32601, "{method} {answer}");
    }
    legacy.is_alive().await;
}

#[tokio::test]
async fn trap_12_every_modern_result_says_which_server_it_is_from() {
    let mut wire = Wire::to(fixture::server().build().unwrap());
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
        let result = wire.ask(&line).await["result"].take();
        let said = &result["_meta"]["io.modelcontextprotocol/serverInfo"];
        assert_eq!(
            (&said["name"], &said["version"]),
            (&json!("fixture"), &json!("1.0.0")),
            "{line} {result}"
        );
        assert_eq!(result["resultType"], "complete", "{line}");
    }
    let mut wire = Wire::to(fixture::server().build().unwrap());
    wire.initialize(Revision::V2025_11_25).await;
    let result = wire.call("add", json!({"a": 1, "b": 2})).await["result"].take();
    assert!(result.get("_meta").is_none() && result.get("resultType").is_none(), "{result}");
}

#[tokio::test]
async fn the_four_hints_are_always_said() {
    let client = Client::of(fixture::server()).await;
    for tool in client.tools().await.unwrap() {
        for hint in ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"] {
            assert!(tool["annotations"][hint].is_boolean(), "{hint} of {tool}");
        }
    }
}
