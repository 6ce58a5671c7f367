//! Lines that are no request, or a wrong one → the answer that the protocol names, and a connection that goes on.

use candor::Revision;
use candor_tests::{
    fixture,
    wire::{Wire, call, initialize, modern},
};
use serde_json::{Value, json};

const MARKER: &str = "s3cr3t-4711";

fn unopened() -> Wire {
    Wire::to(fixture::server().build().unwrap())
}

async fn opened() -> Wire {
    let mut wire = unopened();
    wire.initialize(Revision::V2025_11_25).await;
    wire
}

/// Says `line`, and checks the code and id of the error that answers it; the next request works, the marker is not heard.
async fn error(wire: &mut Wire, line: impl AsRef<[u8]>, code: i32, id: Value) -> String {
    let shown = String::from_utf8_lossy(&line.as_ref()[..line.as_ref().len().min(200)]).into_owned();
    let answer = wire.ask(line).await;
    assert_eq!(answer["error"]["code"], code, "{shown} {answer}");
    assert_eq!(answer.get("id").cloned().unwrap_or_default(), id, "{shown} {answer}");
    wire.is_alive().await;
    assert!(!wire.heard().contains(MARKER), "{shown} {answer}");
    answer["error"]["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_line_that_is_no_json_is_answered_between_two_that_are() {
    let mut wire = opened().await;
    wire.is_alive().await;
    for line in ["garbage", "{", "}", "\"", "{\"a\":}", "tru", "{}}", MARKER, "\u{0}", "{'id': 1}"] {
        error(&mut wire, line, -32700, Value::Null).await;
    }
}

#[tokio::test]
async fn json_that_is_no_message_is_an_invalid_request() {
    let mut wire = opened().await;
    for line in ["1", "null", "true", "\"s3cr3t-4711\""] {
        error(&mut wire, line, -32600, Value::Null).await;
    }
    error(&mut wire, r#"{"jsonrpc":"1.0","id":3,"method":"ping"}"#, -32600, json!(3)).await;
    error(&mut wire, r#"{"id":3,"method":"ping"}"#, -32600, json!(3)).await;
    error(&mut wire, r#"{"jsonrpc":"2.0","id":3,"method":5}"#, -32600, json!(3)).await;
    error(&mut wire, r#"{"jsonrpc":"2.0","id":3}"#, -32600, json!(3)).await;
}

#[tokio::test]
async fn what_asks_for_no_answer_gets_none() {
    let mut wire = opened().await;
    for line in [
        "",
        "   \t ",
        r#"{"jsonrpc":"2.0","method":"notifications/nobody/knows"}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"never sent"}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":5}"#,
        r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"fail"}}"#,
        r#"{"jsonrpc":"2.0","id":77,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":77,"error":{"code":-1,"message":"no"}}"#,
        "{}",
    ] {
        wire.say(line).await;
        wire.is_alive().await;
    }
}

#[tokio::test]
async fn batches_are_refused() {
    let mut wire = opened().await;
    for line in ["[]", r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, "[1,2]"] {
        let message = error(&mut wire, line, -32600, Value::Null).await;
        assert!(message.contains("batch"), "{message}");
    }
}

#[tokio::test]
async fn invalid_utf8_is_a_parse_error() {
    let mut wire = opened().await;
    let mut line = call(&json!(1), "measure", json!({"text": MARKER})).into_bytes();
    let at = line.len() - 5;
    line[at] = 0xff;
    error(&mut wire, line, -32700, Value::Null).await;
    error(&mut wire, [0xff, 0xfe], -32700, Value::Null).await;
}

#[tokio::test]
async fn half_a_surrogate_pair_is_answered_with_its_id() {
    let mut wire = opened().await;
    for half in [r"\ud800", r"\udc00", r"\ud800\u0041", r"\ud800 "] {
        let line = call(&json!(8), "measure", json!({"text": "HERE"})).replace("HERE", half);
        let message = error(&mut wire, line, -32602, json!(8)).await;
        assert!(message.contains("surrogate"), "{message}");
    }
}

#[tokio::test]
async fn a_line_of_twenty_megabytes_is_refused_and_the_next_is_read() {
    let mut wire = opened().await;
    let line = call(&json!(1), "measure", json!({"text": "x".repeat(20_000_000)}));
    let message = error(&mut wire, line, -32600, Value::Null).await;
    assert!(message.contains("16 MiB"), "{message}");
}

#[tokio::test]
async fn a_malformed_call_says_what_is_malformed() {
    let mut wire = opened().await;
    for (params, says) in [
        (None, "`params` is missing"),
        (Some(json!([])), "`params` is not an object"),
        (Some(json!(MARKER)), "`params` is not an object"),
        (Some(json!({})), "`name` is missing"),
        (Some(json!({"arguments": {"a": MARKER}})), "`name` is missing"),
        (Some(json!({"name": 5})), "`name` is not a string"),
        (Some(json!({"name": [MARKER]})), "`name` is not a string"),
        (Some(json!({"name": null})), "`name` is not a string"),
        (Some(json!({"name": "add", "arguments": [1, 2]})), "`arguments` is not an object"),
        (Some(json!({"name": "add", "arguments": MARKER})), "`arguments` is not an object"),
        (
            Some(json!({"name": "add", "arguments": {}, "_meta": MARKER})),
            "a field of `params` has the wrong type",
        ),
    ] {
        let mut line = json!({"jsonrpc": "2.0", "id": 4, "method": "tools/call"});
        if let Some(params) = &params {
            line["params"] = params.clone();
        }
        let message = error(&mut wire, line.to_string(), -32602, json!(4)).await;
        assert!(message.contains(says), "{params:?} {message}");
    }
}

#[tokio::test]
async fn an_unknown_tool_and_an_unknown_method_are_told_apart() {
    let mut wire = opened().await;
    let line = call(&json!(1), "ad", json!({"a": MARKER}));
    let message = error(&mut wire, line, -32602, json!(1)).await;
    assert_eq!(message, "Unknown tool: ad\nhelp: did you mean `add`?");
    let line = call(&json!(1), "zzz\u{202e}\n", json!({}));
    let message = error(&mut wire, line, -32602, json!(1)).await;
    assert_eq!(message, "Unknown tool: zzz\\u{202e}\\n\nhelp: `tools/list` names the tools you may call");
    error(&mut wire, r#"{"jsonrpc":"2.0","id":2,"method":"tools/cal"}"#, -32601, json!(2)).await;
    error(&mut wire, r#"{"jsonrpc":"2.0","id":2,"method":""}"#, -32601, json!(2)).await;
}

#[tokio::test]
async fn a_cursor_that_was_never_handed_out_is_refused() {
    let mut wire = opened().await;
    let line = |cursor: Value| {
        json!({"jsonrpc":"2.0","id":3,"method":"tools/list","params":{"cursor":cursor}}).to_string()
    };
    error(&mut wire, line(json!(MARKER)), -32602, json!(3)).await;
    let answer = wire.ask(line(json!(""))).await;
    assert!(answer["result"]["tools"].is_array(), "the empty cursor is the first page: {answer}");
}

#[tokio::test]
async fn ids_come_back_as_they_were_sent_or_are_refused() {
    let mut wire = opened().await;
    for id in
        [json!(0), json!(-1), json!(i64::MAX), json!(""), json!("Ω"), json!("x".repeat(10_000)), json!("1")]
    {
        let answer = wire.ask(call(&id, "add", json!({"a": 1, "b": 1}))).await;
        assert_eq!(answer["id"], id);
    }
    for id in [json!(1.5), json!(true), json!({"a": MARKER}), json!([MARKER])] {
        let line = call(&id, "add", json!({"a": 1, "b": 1}));
        error(&mut wire, line, -32600, Value::Null).await;
    }
    let huge = r#"{"jsonrpc":"2.0","id":99999999999999999999999999,"method":"ping"}"#;
    error(&mut wire, huge, -32600, Value::Null).await;
    // JSON-RPC 2.0 §4 discourages a `null` id and MCP forbids it: it is no notification, so it is answered.
    error(&mut wire, r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600, Value::Null).await;
}

#[tokio::test]
async fn a_revision_that_is_not_spoken_is_answered_with_one_that_is() {
    for version in ["1999-01-01", "2099-01-01", "", "nonsense", "2026-07-28", "2024-11-05"] {
        let mut wire = unopened();
        let answer = wire.ask(initialize(version)).await;
        assert_eq!(answer["result"]["protocolVersion"], "2025-11-25", "{version} {answer}");
        wire.is_alive().await;
    }
}

#[tokio::test]
async fn an_unknown_modern_revision_is_refused_with_those_that_are_spoken() {
    let mut wire = unopened();
    for method in ["tools/call", "tools/list", "server/discover", "prompts/list"] {
        let params = json!({"name": "add", "arguments": {"a": 1, "b": 2}});
        let answer = wire.ask(modern(&json!(1), "2099-01-01", method, params)).await;
        assert_eq!(answer["error"]["code"], -32022, "{method} {answer}");
        assert_eq!(
            answer["error"]["data"],
            json!({"supported": ["2025-06-18", "2025-11-25", "2026-07-28"], "requested": "2099-01-01"})
        );
    }
    let call =
        modern(&json!(2), "2026-07-28", "tools/call", json!({"name": "add", "arguments": {"a": 1, "b": 2}}));
    let answer = wire.ask(&call).await;
    assert_eq!(answer["result"]["structuredContent"], 3, "{answer}");
    // Once the connection is under way, too.
    let answer = wire.ask(modern(&json!(3), "2099-01-01", "tools/list", json!({}))).await;
    assert_eq!(answer["error"]["code"], -32022, "{answer}");
    let answer = wire.ask(&call).await;
    assert_eq!(answer["result"]["structuredContent"], 3, "{answer}");
}

#[tokio::test]
async fn a_modern_request_without_its_metadata_is_refused() {
    let mut wire = unopened();
    let call =
        modern(&json!(2), "2026-07-28", "tools/call", json!({"name": "add", "arguments": {"a": 1, "b": 2}}));
    assert_eq!(wire.ask(&call).await["result"]["structuredContent"], 3);
    let mut bare: Value = serde_json::from_str(&call).unwrap();
    bare["params"]["_meta"].as_object_mut().unwrap().remove("io.modelcontextprotocol/clientCapabilities");
    let answer = wire.ask(bare.to_string()).await;
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    bare["params"].as_object_mut().unwrap().remove("_meta");
    let answer = wire.ask(bare.to_string()).await;
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    assert_eq!(wire.ask(&call).await["result"]["structuredContent"], 3);
}

#[tokio::test]
async fn a_request_before_the_handshake_is_refused_and_the_handshake_still_works() {
    let mut wire = unopened();
    for line in [
        call(&json!(1), "add", json!({"a": 1, "b": 2})),
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#.to_owned(),
    ] {
        let answer = wire.ask(line).await;
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(1), &json!(-32602)), "{answer}");
    }
    let answer = wire.ask(r#"{"jsonrpc":"2.0","id":1,"method":"no/such"}"#).await;
    assert!(answer["error"]["code"].is_number(), "{answer}");
    let answer = wire.ask(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).await;
    assert_eq!(answer["result"], json!({}));
    wire.initialize(Revision::V2025_06_18).await;
    wire.is_alive().await;
}

#[tokio::test]
async fn garbage_notifications_and_a_broken_handshake_before_the_handshake_do_no_harm() {
    let mut wire = unopened();
    wire.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    wire.say(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#).await;
    assert_eq!(wire.ask("garbage").await["error"]["code"], -32700);
    assert_eq!(wire.ask([0xff]).await["error"]["code"], -32700);
    let answer = wire.ask(r#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#).await;
    assert_eq!(answer["id"], 1, "{answer}");
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    wire.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    wire.say(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#).await;
    let answer =
        wire.ask(r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":5}}"#).await;
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    let answer = wire.initialize(Revision::V2025_11_25).await;
    assert_eq!(answer["result"]["protocolVersion"], "2025-11-25", "{answer}");
    wire.is_alive().await;
    // A second handshake changes nothing, whatever it is answered with.
    wire.ask(initialize("2025-11-25")).await;
    wire.is_alive().await;
}
