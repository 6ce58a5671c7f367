//! One call that is wrong in every way, mended stage by stage: the first stage that objects is the one that answers.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use candor::{Revision, Server, State, mcp_tool, tools};
use candor_tests::wire::{Wire, request};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Value, json};

/// How often a handler ran.
#[derive(State)]
struct App {
    runs: Arc<AtomicUsize>,
}

/// Says that it is a small number, and need not be.
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
    /// Which shelf; beyond 200 there is none.
    #[param(max = 250)]
    shelf: u8,
) -> Result<Small, String> {
    runs.fetch_add(1, Ordering::Relaxed);
    assert!(shelf < 240, "a shelf like that is a defect");
    if shelf > 200 { Err(format!("no shelf of that number: {}", 200 - 1)) } else { Ok(Small(shelf.into())) }
}

#[expect(clippy::needless_pass_by_value, reason = "a `json!` is read better where it is sent than lent")]
fn params(name: &str, key: &str, arguments: Value) -> Value {
    json!({"name": name, "_meta": {"candor/idempotency-key": key}, "arguments": arguments})
}

#[tokio::test]
async fn each_stage_answers_before_the_next() {
    let runs = Arc::new(AtomicUsize::new(0));
    let server = || {
        let server = Server::new("s", "1").unaudited().state(App { runs: Arc::clone(&runs) });
        server.tools(tools![open_vault]).build().unwrap()
    };
    let key = "0123456789abcdef";
    let wrong = || json!({"shelf": 999});
    let steps = [
        // No request at all, and then a call of nothing.
        ("", json!([]), json!({"code": -32602, "starts": "`params` is no object"})),
        (
            "",
            params("open_valt", "!", json!([])),
            json!({"code": -32602, "starts": "this is no `tools/call`"}),
        ),
        ("", params("open_valt", "!", wrong()), json!({"code": -32602, "starts": "Unknown tool"})),
        // A tool, and no right to it.
        (
            "",
            params("open_vault", "!", wrong()),
            json!({"code": -31403, "starts": "tool `open_vault` needs"}),
        ),
        // The right to it, and a key that is none.
        ("open:vault", params("open_vault", "!", wrong()), json!({"code": -32602, "starts": "`_meta["})),
        // A key, and arguments that do not fit: first the schema.
        (
            "open:vault",
            params("open_vault", key, wrong()),
            json!({"reason": "invalid_arguments", "starts": "these arguments"}),
        ),
        // They fit: now the handler has the word.
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
        // It answers, and not as it promised.
        (
            "open:vault",
            params("open_vault", key, json!({"shelf": 11})),
            json!({"reason": "output_schema", "starts": "tool `open_vault` returned"}),
        ),
        ("open:vault", params("open_vault", key, json!({"shelf": 10})), json!({"starts": "10"})),
    ];
    for (at, (grant, params, expected)) in steps.into_iter().enumerate() {
        let mut wire = Wire::to(server().grant(grant));
        wire.initialize(Revision::V2025_11_25).await;
        let answer = wire.ask(request(&json!(at), "tools/call", params.clone())).await;
        let text =
            answer["error"]["message"].as_str().or(answer["result"]["content"][0]["text"].as_str()).unwrap();
        assert!(text.starts_with(expected["starts"].as_str().unwrap()), "{params} {answer}");
        assert_eq!(answer["error"]["code"], expected["code"], "{params} {answer}");
        assert_eq!(answer["result"]["_meta"]["candor/reason"], expected["reason"], "{params} {answer}");
        // Nothing before the arguments' stage runs a handler, and everything after it does.
        let ran = runs.swap(0, Ordering::Relaxed);
        assert_eq!(ran, usize::from(at >= 6), "{params}");
    }
}
