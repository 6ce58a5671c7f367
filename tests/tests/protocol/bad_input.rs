//! Invalid lines and requests get the error of the protocol, and the connection goes on.

use candor::Revision;
use candor_tests::{
    fixture::{self, SECRET},
    messages::{INITIALIZED, call, initialize, modern},
    raw_client::RawClient,
};
use serde_json::{Value, json};

fn new_client() -> RawClient {
    RawClient::connect(fixture::server().build().unwrap())
}

async fn initialized_client() -> RawClient {
    RawClient::initialized(fixture::server().build().unwrap()).await
}

/// Sends `line`, and checks the code and id of the error. Also checks that the next request works and that no answer has
/// repeated the secret. Returns the error's message.
async fn assert_error(client: &mut RawClient, line: impl AsRef<[u8]>, code: i32, id: Value) -> String {
    let start = String::from_utf8_lossy(&line.as_ref()[..line.as_ref().len().min(200)]).into_owned();
    let answer = client.exchange(line).await;
    assert_eq!(answer["error"]["code"], code, "{start} {answer}");
    assert_eq!(answer.get("id").cloned().unwrap_or_default(), id, "{start} {answer}");
    client.assert_alive().await;
    assert!(!client.received().contains(SECRET), "{start} {answer}");
    answer["error"]["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn line_that_is_not_json_gets_a_parse_error() {
    let mut client = initialized_client().await;
    client.assert_alive().await;
    for line in ["garbage", "{", "}", "\"", "{\"a\":}", "tru", "{}}", SECRET, "\u{0}", "{'id': 1}"] {
        assert_error(&mut client, line, -32700, Value::Null).await;
    }
}

#[tokio::test]
async fn json_that_is_not_a_message_is_an_invalid_request() {
    let mut client = initialized_client().await;
    for line in ["1", "null", "true", "\"s3cr3t-4711\""] {
        assert_error(&mut client, line, -32600, Value::Null).await;
    }
    assert_error(&mut client, r#"{"jsonrpc":"1.0","id":3,"method":"ping"}"#, -32600, json!(3)).await;
    assert_error(&mut client, r#"{"id":3,"method":"ping"}"#, -32600, json!(3)).await;
    assert_error(&mut client, r#"{"jsonrpc":"2.0","id":3,"method":5}"#, -32600, json!(3)).await;
    assert_error(&mut client, r#"{"jsonrpc":"2.0","id":3}"#, -32600, json!(3)).await;
}

#[tokio::test]
async fn notification_gets_no_answer() {
    let mut client = initialized_client().await;
    for line in [
        "",
        "   \t ",
        r#"{"jsonrpc":"2.0","method":"notifications/unknown"}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"never sent"}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":5}"#,
        r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"fail"}}"#,
        r#"{"jsonrpc":"2.0","id":77,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":77,"error":{"code":-1,"message":"no"}}"#,
        "{}",
    ] {
        client.send(line).await;
        client.assert_alive().await;
    }
}

#[tokio::test]
async fn batch_is_refused() {
    let mut client = initialized_client().await;
    for line in ["[]", r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, "[1,2]"] {
        let message = assert_error(&mut client, line, -32600, Value::Null).await;
        assert!(message.contains("batch"), "{message}");
    }
}

#[tokio::test]
async fn line_that_is_not_utf8_gets_a_parse_error() {
    let mut client = initialized_client().await;
    let mut line = call(&json!(1), "measure", json!({"text": SECRET})).into_bytes();
    let at = line.len() - 5;
    line[at] = 0xff;
    assert_error(&mut client, line, -32700, Value::Null).await;
    assert_error(&mut client, [0xff, 0xfe], -32700, Value::Null).await;
}

#[tokio::test]
async fn argument_with_half_a_surrogate_pair_is_refused_with_the_request_id() {
    let mut client = initialized_client().await;
    for half in [r"\ud800", r"\udc00", r"\ud800\u0041", r"\ud800 "] {
        let line = call(&json!(8), "measure", json!({"text": "HERE"})).replace("HERE", half);
        let message = assert_error(&mut client, line, -32602, json!(8)).await;
        assert!(message.contains("surrogate"), "{message}");
    }
}

#[tokio::test]
async fn line_of_twenty_megabytes_is_refused_and_the_next_is_read() {
    let mut client = initialized_client().await;
    let line = call(&json!(1), "measure", json!({"text": "x".repeat(20_000_000)}));
    let message = assert_error(&mut client, line, -32600, Value::Null).await;
    assert!(message.contains("16 MiB"), "{message}");
}

#[tokio::test]
async fn call_with_malformed_params_names_the_fault() {
    let mut client = initialized_client().await;
    for (params, says) in [
        (None, "`params` is missing"),
        (Some(json!([])), "`params` is not an object"),
        (Some(json!(SECRET)), "`params` is not an object"),
        (Some(json!({})), "`name` is missing"),
        (Some(json!({"arguments": {"a": SECRET}})), "`name` is missing"),
        (Some(json!({"name": 5})), "`name` is not a string"),
        (Some(json!({"name": [SECRET]})), "`name` is not a string"),
        (Some(json!({"name": null})), "`name` is not a string"),
        (Some(json!({"name": "add", "arguments": [1, 2]})), "`arguments` is not an object"),
        (Some(json!({"name": "add", "arguments": SECRET})), "`arguments` is not an object"),
        (Some(json!({"name": "add", "arguments": {}, "_meta": SECRET})), "`_meta` is not an object"),
    ] {
        let mut line = json!({"jsonrpc": "2.0", "id": 4, "method": "tools/call"});
        if let Some(params) = &params {
            line["params"] = params.clone();
        }
        let message = assert_error(&mut client, line.to_string(), -32602, json!(4)).await;
        assert!(message.contains(says), "{params:?} {message}");
    }
}

#[tokio::test]
async fn unknown_tool_and_unknown_method_get_different_errors() {
    let mut client = initialized_client().await;
    let line = call(&json!(1), "ad", json!({"a": SECRET}));
    let message = assert_error(&mut client, line, -32602, json!(1)).await;
    assert_eq!(message, "Unknown tool: ad\nhelp: did you mean `add`?");
    let line = call(&json!(1), "zzz\u{202e}\n", json!({}));
    let message = assert_error(&mut client, line, -32602, json!(1)).await;
    assert_eq!(message, "Unknown tool: zzz\\u{202e}\\n\nhelp: `tools/list` names the tools you may call");
    assert_error(&mut client, r#"{"jsonrpc":"2.0","id":2,"method":"tools/cal"}"#, -32601, json!(2)).await;
    assert_error(&mut client, r#"{"jsonrpc":"2.0","id":2,"method":""}"#, -32601, json!(2)).await;
}

#[tokio::test]
async fn cursor_that_was_never_returned_is_refused() {
    let mut client = initialized_client().await;
    let line = |cursor: Value| {
        json!({"jsonrpc":"2.0","id":3,"method":"tools/list","params":{"cursor":cursor}}).to_string()
    };
    assert_error(&mut client, line(json!(SECRET)), -32602, json!(3)).await;
    let answer = client.exchange(line(json!(""))).await;
    assert!(answer["result"]["tools"].is_array(), "the empty cursor is the first page: {answer}");
}

#[tokio::test]
async fn request_id_is_returned_unchanged_or_refused() {
    let mut client = initialized_client().await;
    for id in
        [json!(0), json!(-1), json!(i64::MAX), json!(""), json!("Ω"), json!("x".repeat(10_000)), json!("1")]
    {
        let answer = client.exchange(call(&id, "add", json!({"a": 1, "b": 1}))).await;
        assert_eq!(answer["id"], id);
    }
    for id in [json!(1.5), json!(true), json!({"a": SECRET}), json!([SECRET])] {
        let line = call(&id, "add", json!({"a": 1, "b": 1}));
        assert_error(&mut client, line, -32600, Value::Null).await;
    }
    let huge = r#"{"jsonrpc":"2.0","id":99999999999999999999999999,"method":"ping"}"#;
    assert_error(&mut client, huge, -32600, Value::Null).await;
    // JSON-RPC 2.0 §4 discourages a `null` id and MCP forbids it. The message is not a notification, so it gets an answer.
    assert_error(&mut client, r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600, Value::Null).await;
}

#[tokio::test]
async fn handshake_of_an_unsupported_revision_gets_a_supported_one() {
    for version in ["1999-01-01", "2099-01-01", "", "nonsense", "2026-07-28", "2024-11-05"] {
        let mut client = new_client();
        let answer = client.exchange(initialize(version)).await;
        assert_eq!(answer["result"]["protocolVersion"], "2025-11-25", "{version} {answer}");
        client.assert_alive().await;
    }
}

#[tokio::test]
async fn request_of_an_unknown_revision_is_refused_with_the_supported_ones() {
    let mut client = new_client();
    for method in ["tools/call", "tools/list", "server/discover", "prompts/list"] {
        let params = json!({"name": "add", "arguments": {"a": 1, "b": 2}});
        let answer = client.exchange(modern(&json!(1), "2099-01-01", method, params)).await;
        assert_eq!(answer["error"]["code"], -32022, "{method} {answer}");
        assert_eq!(
            answer["error"]["data"],
            json!({"supported": ["2025-06-18", "2025-11-25", "2026-07-28"], "requested": "2099-01-01"})
        );
    }
    let call =
        modern(&json!(2), "2026-07-28", "tools/call", json!({"name": "add", "arguments": {"a": 1, "b": 2}}));
    let answer = client.exchange(&call).await;
    assert_eq!(answer["result"]["structuredContent"], 3, "{answer}");
    // Later on the connection, too.
    let answer = client.exchange(modern(&json!(3), "2099-01-01", "tools/list", json!({}))).await;
    assert_eq!(answer["error"]["code"], -32022, "{answer}");
    let answer = client.exchange(&call).await;
    assert_eq!(answer["result"]["structuredContent"], 3, "{answer}");
}

#[tokio::test]
async fn modern_request_without_metadata_is_refused() {
    let mut client = new_client();
    let call =
        modern(&json!(2), "2026-07-28", "tools/call", json!({"name": "add", "arguments": {"a": 1, "b": 2}}));
    assert_eq!(client.exchange(&call).await["result"]["structuredContent"], 3);
    let mut request: Value = serde_json::from_str(&call).unwrap();
    request["params"]["_meta"].as_object_mut().unwrap().remove("io.modelcontextprotocol/clientCapabilities");
    let answer = client.exchange(request.to_string()).await;
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    request["params"].as_object_mut().unwrap().remove("_meta");
    let answer = client.exchange(request.to_string()).await;
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    assert_eq!(client.exchange(&call).await["result"]["structuredContent"], 3);
}

#[tokio::test]
async fn request_before_the_handshake_is_refused_and_the_handshake_still_works() {
    let mut client = new_client();
    for line in [
        call(&json!(1), "add", json!({"a": 1, "b": 2})),
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#.to_owned(),
    ] {
        let answer = client.exchange(line).await;
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(1), &json!(-32602)), "{answer}");
    }
    let answer = client.exchange(r#"{"jsonrpc":"2.0","id":1,"method":"no/such"}"#).await;
    assert!(answer["error"]["code"].is_number(), "{answer}");
    let answer = client.exchange(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).await;
    assert_eq!(answer["result"], json!({}));
    client.initialize(Revision::V2025_06_18).await;
    client.assert_alive().await;
}

#[tokio::test]
async fn handshake_works_after_garbage_notifications_and_a_broken_handshake() {
    let mut client = new_client();
    client.send(INITIALIZED).await;
    client.send(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#).await;
    assert_eq!(client.exchange("garbage").await["error"]["code"], -32700);
    assert_eq!(client.exchange([0xff]).await["error"]["code"], -32700);
    let answer = client.exchange(r#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#).await;
    assert_eq!(answer["id"], 1, "{answer}");
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    client.send(INITIALIZED).await;
    client.send(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#).await;
    let answer = client
        .exchange(r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":5}}"#)
        .await;
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    let answer = client.initialize(Revision::V2025_11_25).await;
    assert_eq!(answer["result"]["protocolVersion"], "2025-11-25", "{answer}");
    client.assert_alive().await;
    // A second handshake changes nothing.
    client.exchange(initialize("2025-11-25")).await;
    client.assert_alive().await;
}
