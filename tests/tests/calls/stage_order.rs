//! Sends a call that every stage refuses, then mends it stage by stage: the first stage that refuses must answer.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use candor::{Server, State, mcp_tool, tools};
use candor_tests::{messages::request, raw_client::RawClient};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Value, json};

/// Counts the runs of the handler.
#[derive(State)]
struct App {
    runs: Arc<AtomicUsize>,
}

/// A number that its schema bounds, and its code does not.
#[derive(Serialize)]
struct Small(u64);

impl JsonSchema for Small {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Small".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer", "maximum": 10})
    }
}

/// Open the vault.
#[mcp_tool(additive, closed_world, scope = "open:vault")]
fn open_vault(
    runs: &Arc<AtomicUsize>,
    /// The number of the shelf; the last one is 200.
    #[param(max = 250)]
    shelf: u8,
) -> Result<Small, String> {
    runs.fetch_add(1, Ordering::Relaxed);
    assert!(shelf < 240, "a shelf like that is a defect");
    if shelf > 200 { Err(format!("no shelf of that number: {}", 200 - 1)) } else { Ok(Small(shelf.into())) }
}

#[expect(clippy::needless_pass_by_value, reason = "a `json!` is read better where it is sent than lent")]
fn params(name: &str, key: &str, arguments: Value) -> Value {
    json!({"name": name, "_meta": {"io.github.candor-mcp/idempotency-key": key}, "arguments": arguments})
}

#[tokio::test]
async fn call_is_refused_by_the_first_stage_that_objects() {
    let runs = Arc::new(AtomicUsize::new(0));
    let server = || {
        let server = Server::new("s", "1").unaudited().state(App { runs: Arc::clone(&runs) });
        server.tools(tools![open_vault]).build().unwrap()
    };
    let key = "0123456789abcdef";
    let wrong = || json!({"shelf": 999});
    let steps = [
        // Invalid parameters, then invalid arguments, then an unknown tool.
        ("", json!([]), json!({"code": -32602, "starts": "`params` is not an object"})),
        (
            "",
            params("open_valt", "!", json!([])),
            json!({"code": -32602, "starts": "this `tools/call` is malformed"}),
        ),
        ("", params("open_valt", "!", wrong()), json!({"code": -32602, "starts": "Unknown tool"})),
        // A known tool without its scope.
        (
            "",
            params("open_vault", "!", wrong()),
            json!({"code": -31403, "starts": "tool `open_vault` needs"}),
        ),
        // The scope, and an invalid idempotency key.
        ("open:vault", params("open_vault", "!", wrong()), json!({"code": -32602, "starts": "`_meta["})),
        // A valid key, and arguments that do not fit the schema.
        (
            "open:vault",
            params("open_vault", key, wrong()),
            json!({"reason": "invalid_arguments", "starts": "these arguments"}),
        ),
        // Valid arguments: the handler panics, then fails.
        (
            "open:vault",
            params("open_vault", key, json!({"shelf": 250})),
            json!({"reason": "internal", "starts": "tool `open_vault` failed inside"}),
        ),
        (
            "open:vault",
            params("open_vault", key, json!({"shelf": 210})),
            json!({"reason": null, "starts": "no shelf"}),
        ),
        // The handler's output does not fit its schema, then does.
        (
            "open:vault",
            params("open_vault", key, json!({"shelf": 11})),
            json!({"reason": "output_schema", "starts": "tool `open_vault` returned"}),
        ),
        ("open:vault", params("open_vault", key, json!({"shelf": 10})), json!({"starts": "10"})),
    ];
    for (at, (grant, params, expected)) in steps.into_iter().enumerate() {
        let mut client = RawClient::initialized(server().grant(grant)).await;
        let answer = client.exchange(request(&json!(at), "tools/call", params.clone())).await;
        let text =
            answer["error"]["message"].as_str().or(answer["result"]["content"][0]["text"].as_str()).unwrap();
        assert!(text.starts_with(expected["starts"].as_str().unwrap()), "{params} {answer}");
        assert_eq!(answer["error"]["code"], expected["code"], "{params} {answer}");
        assert_eq!(
            answer["result"]["_meta"]["io.github.candor-mcp/reason"], expected["reason"],
            "{params} {answer}"
        );
        // The handler runs only after the stage that checks the arguments.
        let runs = runs.swap(0, Ordering::Relaxed);
        assert_eq!(runs, usize::from(at >= 6), "{params}");
    }
}
