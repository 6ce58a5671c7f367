//! Tests calls whose arguments do not fit: one answer names every fault and no value, and the server goes on.

use candor_tests::{fixture, messages::call, raw_client::RawClient};
use serde_json::{Value, json};

/// Part of every wrong value. No answer may contain it.
const MARKER: &str = "s3cr3t-4711";

async fn opened() -> RawClient {
    RawClient::initialized(fixture::server().build().unwrap()).await
}

/// Makes a call that does not fit, and gives the text of its refusal.
async fn refused(wire: &mut RawClient, tool: &str, arguments: Value) -> String {
    let answer = wire.call(tool, arguments).await;
    let result = &answer["result"];
    assert_eq!(result["isError"], true, "{answer}");
    assert_eq!(result["_meta"]["io.github.candor-mcp/reason"], "invalid_arguments", "{answer}");
    assert!(result.get("structuredContent").is_none(), "an error carries no structure: {answer}");
    wire.assert_alive().await;
    assert!(!wire.received().contains(MARKER), "a value was repeated: {answer}");
    result["content"][0]["text"].as_str().unwrap().to_owned()
}

/// The lines of a refusal that name a fault.
fn faults(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("- ")).collect()
}

fn fitting() -> Value {
    json!({"place": "lands end", "nights": 2, "guests": ["Ada"]})
}

fn with(name: &str, value: Value) -> Value {
    let mut arguments = fitting();
    arguments[name] = value;
    arguments
}

#[tokio::test]
async fn fitting_arguments_are_accepted() {
    let mut wire = opened().await;
    let mut arguments = fitting();
    arguments["room"] = json!("sea");
    arguments["code"] = json!("12345678");
    arguments["price"] = json!(80);
    let answer = wire.call("book", arguments).await;
    assert_eq!(answer["result"]["structuredContent"], json!({"nights": 2, "guests": 1}));
}

#[tokio::test]
async fn fault_is_named_with_its_rule() {
    let mut wire = opened().await;
    let long = "a".repeat(41);
    for (name, value, says) in [
        ("place", json!(long), "`place` is longer than 40 characters"),
        ("place", json!("x"), "`place` is shorter than 2 characters"),
        ("place", json!("S3CR3T"), "`place` does not match the pattern `^[a-z -]+$`"),
        ("place", json!(7), "`place` is not a string"),
        ("place", json!([MARKER]), "`place` is not a string"),
        ("nights", json!(MARKER), "`nights` is not an integer"),
        ("nights", json!(2.5), "`nights` is not an integer"),
        ("nights", json!(true), "`nights` is not an integer"),
        ("nights", json!(0), "`nights` is below its minimum, 1"),
        ("nights", json!(31), "`nights` is above its maximum, 30"),
        ("nights", json!(-1), "`nights` is below its minimum, 1"),
        ("nights", json!(1e300), "`nights` is above its maximum, 30"),
        ("nights", json!(u64::MAX), "`nights` is above its maximum, 30"),
        ("guests", json!([]), "`guests` holds fewer than 1 items"),
        ("guests", json!(["a", "b", "c", "d", MARKER]), "`guests` holds more than 4 items"),
        ("guests", json!(["a", {"name": MARKER}]), "`guests[1]` is not a string"),
        ("guests", json!(MARKER), "`guests` is not an array"),
        ("guests", json!({"0": MARKER}), "`guests` is not an array"),
        ("room", json!(MARKER), "`room` is not one of \"sea\", \"yard\""),
        ("code", json!(format!("{MARKER}{MARKER}")), "`code` is longer than 8 characters"),
        ("price", json!(-0.5), "`price` is below its minimum, 0.0"),
        ("price", json!(MARKER), "`price` is not a number"),
    ] {
        let text = refused(&mut wire, "book", with(name, value.clone())).await;
        assert_eq!(faults(&text), [says], "{value} for {name}");
    }
}

#[tokio::test]
async fn missing_argument_is_named() {
    let mut wire = opened().await;
    let text = refused(&mut wire, "book", json!({"place": "ayr"})).await;
    assert_eq!(faults(&text), ["`nights` is missing", "`guests` is missing"]);
    // No `arguments` at all is an empty object of them.
    let answer =
        wire.exchange(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add"}}"#).await;
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    assert_eq!(faults(text), ["`a` is missing", "`b` is missing"]);
    wire.assert_alive().await;
}

#[tokio::test]
async fn unknown_argument_is_named_with_the_nearest_parameter() {
    let mut wire = opened().await;
    let text = refused(&mut wire, "book", with("nihgts", json!(MARKER))).await;
    assert_eq!(faults(&text), ["`nihgts` is not a parameter; did you mean `nights`?"]);
    let text = refused(&mut wire, "book", with("zzz", json!({"deep": MARKER}))).await;
    assert_eq!(faults(&text), ["`zzz` is not a parameter"]);
}

#[tokio::test]
async fn long_argument_name_is_cut_and_escaped() {
    let mut wire = opened().await;
    let name = format!("\u{202e}\n{}", "x".repeat(5_000));
    let text = refused(&mut wire, "book", with(&name, json!(1))).await;
    assert!(text.len() < 1_000, "{}", text.len());
    assert!(!text.contains('\u{202e}'));
    assert_eq!(faults(&text).len(), 1);
}

#[tokio::test]
async fn one_answer_lists_all_faults() {
    let mut wire = opened().await;
    let arguments = json!({
        "place": MARKER, "nights": 99, "guests": [1, "a", 2], "room": MARKER,
        "code": format!("{MARKER}-{MARKER}"), "price": -1, "extra": MARKER,
    });
    let text = refused(&mut wire, "book", arguments).await;
    let mut listed = faults(&text);
    listed.sort_unstable();
    assert_eq!(
        listed,
        [
            "`code` is longer than 8 characters",
            "`extra` is not a parameter",
            "`guests[0]` is not a string",
            "`guests[2]` is not a string",
            "`nights` is above its maximum, 30",
            "`place` does not match the pattern `^[a-z -]+$`",
            "`price` is below its minimum, 0.0",
            "`room` is not one of \"sea\", \"yard\"",
        ]
    );
    assert!(text.contains("help: it takes `place` (string, required), `nights` (integer 1 to 30, required)"));
}

#[tokio::test]
async fn answer_lists_at_most_twenty_faults() {
    let mut wire = opened().await;
    let mut arguments = fitting();
    for at in 0..1_000 {
        arguments[format!("extra{at}")] = json!(MARKER);
    }
    let text = refused(&mut wire, "book", arguments).await;
    assert_eq!(faults(&text).len(), 20);
}

#[tokio::test]
async fn null_counts_as_absent_for_optional_parameters() {
    let mut wire = opened().await;
    let mut arguments = fitting();
    arguments["room"] = Value::Null;
    arguments["code"] = Value::Null;
    let answer = wire.call("book", arguments).await;
    assert_eq!(answer["result"]["structuredContent"]["nights"], 2, "{answer}");
    let text = refused(&mut wire, "book", with("nights", Value::Null)).await;
    assert_eq!(faults(&text), ["`nights` is not an integer"]);
    let text = refused(&mut wire, "book", with("guests", json!(["a", null]))).await;
    assert_eq!(faults(&text), ["`guests[1]` is not a string"]);
}

#[tokio::test]
async fn whole_number_in_float_notation_is_accepted() {
    // JSON Schema 2020-12 §6.1.1: 2.0 is an integer, and Python clients send it so.
    let mut wire = opened().await;
    let answer = wire.call("book", with("nights", json!(2.0))).await;
    assert_eq!(answer["result"]["structuredContent"]["nights"], 2, "{answer}");
    let answer = wire.call("add", json!({"a": 2e3, "b": -1.0})).await;
    assert_eq!(answer["result"]["structuredContent"]["result"], 1999, "{answer}");
}

#[tokio::test]
async fn number_outside_its_type_is_a_fault_of_range() {
    let mut wire = opened().await;
    let line = |number: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"add","arguments":{{"a":{number},"b":0}}}}}}"#
        )
    };
    for (number, says) in [
        ("9223372036854775808", "`a` is above its maximum, 9223372036854775807"),
        ("18446744073709551616", "`a` is above its maximum, 9223372036854775807"),
        ("1e300", "`a` is above its maximum, 9223372036854775807"),
        ("-1e300", "`a` is below its minimum, -9223372036854775808"),
    ] {
        let answer = wire.exchange(line(number)).await;
        let text = answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}"));
        assert_eq!(faults(text), [says], "{number}");
        wire.assert_alive().await;
    }
}

#[tokio::test]
async fn number_beyond_floats_is_answered_with_its_id() {
    let mut wire = opened().await;
    for number in ["1e999", "-1e999"] {
        let answer = wire
            .exchange(format!(
                r#"{{"jsonrpc":"2.0","id":"big","method":"tools/call","params":{{"name":"book","arguments":{{"place":"{MARKER}","price":{number}}}}}}}"#
            ))
            .await;
        assert_eq!(answer["id"], "big");
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
        wire.assert_alive().await;
    }
    assert!(!wire.received().contains(MARKER));
}

#[tokio::test]
async fn text_of_five_megabytes_is_accepted_or_refused_briefly() {
    let mut wire = opened().await;
    let long = MARKER.repeat(5_000_000 / MARKER.len());
    let answer = wire.call("measure", json!({"text": long})).await;
    assert_eq!(answer["result"]["structuredContent"]["result"], long.len());
    wire.assert_alive().await;
    let text = refused(&mut wire, "book", with("place", json!(long))).await;
    assert_eq!(faults(&text).len(), 2, "{text}");
    assert!(text.len() < 1_000);
}

#[tokio::test]
async fn tool_name_of_five_megabytes_is_cut() {
    let mut wire = opened().await;
    let long = "n".repeat(5_000_000);
    let answer = wire.call(&long, json!({})).await;
    assert_eq!(answer["error"]["code"], -32602);
    assert!(answer.to_string().len() < 1_000);
    let answer = wire.exchange(format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{long}"}}"#)).await;
    assert_eq!(answer["error"]["code"], -32601);
    assert!(answer.to_string().len() < 1_000, "{}", answer.to_string().len());
    wire.assert_alive().await;
}

#[tokio::test]
async fn nesting_is_accepted_to_a_depth_and_refused_with_its_id_beyond() {
    let mut wire = opened().await;
    let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let line = |depth| call(&json!(9), "depth", json!({"value": "HERE"})).replace("\"HERE\"", &nested(depth));
    let answer = wire.exchange(line(100)).await;
    assert_eq!(answer["result"]["structuredContent"]["result"], 100, "{answer}");
    for depth in [200, 100_000] {
        let answer = wire.exchange(line(depth)).await;
        assert_eq!(answer["id"], 9);
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
        wire.assert_alive().await;
    }
    let unclosed =
        call(&json!(9), "depth", json!({"value": "HERE"})).replace("\"HERE\"", &"[".repeat(100_000));
    let answer = wire.exchange(unclosed).await;
    assert_eq!(answer["error"]["code"], -32700, "{answer}");
    wire.assert_alive().await;
}

#[tokio::test]
async fn duplicate_name_is_refused_at_any_depth() {
    let mut wire = opened().await;
    for line in [
        r#"{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"add","arguments":{"a":1,"a":2,"b":3}}}"#,
        r#"{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"add","arguments":{"a":1,"\u0061":2,"b":3}}}"#,
        r#"{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"depth","arguments":{"value":[{"k":{"x":1,"x":2}}]}}}"#,
        r#"{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"add","name":"vault","arguments":{"a":1,"b":3}}}"#,
        r#"{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"add","arguments":{"a":1,"b":3},"arguments":{}}}"#,
        r#"{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"add","arguments":{}},"params":{}}"#,
    ] {
        let answer = wire.exchange(line).await;
        assert_eq!(answer["id"], 5, "{line} {answer}");
        assert_eq!(answer["error"]["code"], -32600, "{line} {answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains("twice"), "{line} {answer}");
        wire.assert_alive().await;
    }
    for line in [
        r#"{"jsonrpc":"2.0","id":5,"id":6,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":5,"method":"ping","method":"tools/list"}"#,
    ] {
        let answer = wire.exchange(line).await;
        assert_eq!(answer["error"]["code"], -32600, "{line} {answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains("twice"), "{line} {answer}");
        wire.assert_alive().await;
    }
}
