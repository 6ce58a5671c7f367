//! The fixture as a real process, mistreated over its pipes: nothing of an argument's value on stdout or stderr.

use std::process::Command;

use candor::Revision;
use candor_tests::wire::{Ended, Process, call, initialize, modern};
use serde_json::{Value, json};

const MARKER: &str = "s3cr3t-4711";

fn fixture(arguments: &[&str]) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fixture"));
    command.arg("serve").args(arguments).env("RUST_LOG", "trace");
    Process::start(command)
}

fn quiet(ended: &Ended) {
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert!(!ended.stdout.contains(MARKER), "{}", ended.stdout);
    assert!(!ended.stderr.contains(MARKER), "{}", ended.stderr);
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
}

/// Lines that are wrong, each with a value that nobody may repeat, and whether one waits for an answer.
fn wrong_lines() -> Vec<(Vec<u8>, bool)> {
    let call = |tool: &str, arguments: Value| call(&json!(1), tool, arguments);
    let mut broken = call("measure", json!({"text": format!("{MARKER}!")})).into_bytes();
    let at = broken.iter().position(|&byte| byte == b'!').unwrap();
    broken[at] = 0xff;
    let lines = [
        call(
            "book",
            json!({"place": MARKER, "nights": MARKER, "guests": MARKER, "code": MARKER.repeat(3), "more": MARKER}),
        ),
        call("book", json!({"place": "ayr", "nights": 1, "guests": [{"name": MARKER}]})),
        call("add", json!({"a": MARKER})),
        call("vault", json!({"shelf": MARKER})),
        call("no_such_tool", json!({"shelf": MARKER})),
        call("measure", json!([MARKER])),
        call("measure", json!({"text": MARKER, "deep": MARKER})),
        call("measure", json!({"text": "HERE"})).replace("HERE", &format!("{MARKER}\\ud800")),
        call("book", json!({"place": MARKER, "price": "HERE"})).replace("\"HERE\"", "1e999"),
        call("depth", json!({"value": [MARKER, "HERE"], "x": MARKER}))
            .replace("\"HERE\"", &format!("{}{}", "[".repeat(200), "]".repeat(200))),
        call("measure", json!({"text": MARKER.repeat(500_000)})).replace("\"text\"", "\"txet\""),
        call("measure", json!({"text": MARKER.repeat(2_000_000)})),
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"measure","arguments":{{"text":"{MARKER}","text":"{MARKER}"}}}}}}"#
        ),
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":"{MARKER}"}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":["{MARKER}"],"method":"tools/call"}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{"cursor":"{MARKER}"}}}}"#),
        format!(r#"[{{"jsonrpc":"2.0","id":1,"method":"{MARKER}"}}]"#),
        format!("{MARKER} is no JSON"),
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"measure","_meta":{{"candor/idempotency-key":"{MARKER}\n"}},"arguments":{{"text":"{MARKER}"}}}}}}"#
        ),
        modern(
            &json!(1),
            "2099-01-01",
            "tools/call",
            json!({"name": "measure", "arguments": {"text": MARKER}}),
        ),
    ];
    let answered = lines.into_iter().map(|line| (line.into_bytes(), true));
    let silent =
        [format!(r#"{{"jsonrpc":"2.0","method":"notifications/{MARKER}","params":{{"a":"{MARKER}"}}}}"#)
            .into_bytes()];
    answered.chain([(broken, true)]).chain(silent.into_iter().map(|line| (line, false))).collect()
}

#[tokio::test]
async fn wrong_lines_are_answered_without_a_value_on_either_stream() {
    let mut process = fixture(&[]);
    process.wire.initialize(Revision::V2025_11_25).await;
    for (line, answered) in wrong_lines() {
        let shown = String::from_utf8_lossy(&line[..line.len().min(150)]).into_owned();
        process.wire.say(line).await;
        if answered {
            let answer = process.wire.hear().await;
            assert!(answer["error"].is_object() || answer["result"]["isError"] == true, "{shown} {answer}");
        }
        process.wire.is_alive().await;
    }
    let ended = process.end().await;
    assert_eq!(ended.rest, Vec::<Value>::new());
    quiet(&ended);
}

#[tokio::test]
async fn wrong_lines_before_the_handshake_do_no_harm() {
    let mut process = fixture(&[]);
    for (line, answered) in wrong_lines() {
        process.wire.say(line).await;
        if answered {
            let answer = process.wire.hear().await;
            assert!(answer["error"].is_object(), "{answer}");
        }
    }
    process.wire.initialize(Revision::V2025_11_25).await;
    process.wire.is_alive().await;
    quiet(&process.end().await);
}

#[tokio::test]
async fn an_end_in_the_middle_of_a_line_is_answered_and_the_process_ends_well() {
    for _ in 0..10 {
        let mut process = fixture(&["--quiet"]);
        process.wire.initialize(Revision::V2025_06_18).await;
        process.wire.say_bytes(&call(&json!(1), "measure", json!({"text": MARKER}))[..80]).await;
        let ended = process.end().await;
        assert_eq!(ended.rest.len(), 1, "{:?}", ended.rest);
        assert_eq!(ended.rest[0]["error"]["code"], -32700);
        assert_eq!(ended.stderr, "");
        quiet(&ended);
    }
}

#[tokio::test]
async fn a_call_in_flight_at_the_end_of_input_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wait");
    let socket = tokio::net::UnixListener::bind(&path).unwrap();
    let mut process = fixture(&[]);
    process.wire.initialize(Revision::V2025_11_25).await;
    process.wire.say(call(&json!("waits"), "wait", json!({"socket": path}))).await;
    let (mut handler, _) = socket.accept().await.unwrap();
    let ending = tokio::spawn(process.end());
    tokio::io::AsyncWriteExt::write_all(&mut handler, &[7]).await.unwrap();
    let ended = ending.await.unwrap();
    assert_eq!(ended.rest.len(), 1, "{:?}", ended.rest);
    assert_eq!(ended.rest[0]["result"]["content"][0]["text"], "heard 7");
    quiet(&ended);
}

#[tokio::test]
async fn a_closed_stdout_ends_the_process_without_a_panic() {
    let mut process = fixture(&["--quiet"]);
    process.wire.initialize(Revision::V2025_11_25).await;
    process.wire.deafen();
    for id in 0..20 {
        process.wire.say(call(&json!(id), "measure", json!({"text": MARKER}))).await;
    }
    quiet(&process.end().await);
}

#[tokio::test]
async fn nothing_at_all_is_no_error() {
    let ended = fixture(&["--quiet"]).end().await;
    assert_eq!(ended.stderr, "");
    quiet(&ended);
    let mut process = fixture(&["--quiet"]);
    process.wire.ask(initialize("2025-11-25")).await;
    quiet(&process.end().await);
}
