//! A server process that gets invalid input over its pipes: it repeats no argument's value on stdout or stderr.

use std::process::Command;

use candor::Revision;
use candor_tests::{
    fixture::SECRET,
    messages::{call, initialize, modern, request},
    stdio_server::{Exit, StdioServer},
};
use serde_json::{Value, json};

/// Starts a server that logs as much as it can.
fn start(arguments: &[&str]) -> StdioServer {
    start_with_filter(arguments, "trace")
}

fn start_with_filter(arguments: &[&str], filter: &str) -> StdioServer {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fixture"));
    command.arg("serve").args(arguments).env("RUST_LOG", filter);
    StdioServer::start(command)
}

/// Checks that the server ended well, and wrote neither the secret nor a panic.
fn assert_clean(exit: &Exit) {
    assert_eq!(exit.status.code(), Some(0), "{}", exit.stderr);
    assert!(!exit.stdout.contains(SECRET), "{}", exit.stdout);
    assert!(!exit.stderr.contains(SECRET), "{}", exit.stderr);
    assert!(!exit.stderr.contains("panicked"), "{}", exit.stderr);
}

/// Invalid lines that contain the secret, each with whether the server must answer it.
fn invalid_lines() -> Vec<(Vec<u8>, bool)> {
    let call = |tool: &str, arguments: Value| call(&json!(1), tool, arguments);
    let mut not_utf8 = call("measure", json!({"text": format!("{SECRET}!")})).into_bytes();
    let at = not_utf8.iter().position(|&byte| byte == b'!').unwrap();
    not_utf8[at] = 0xff;
    let lines = [
        call(
            "book",
            json!({"place": SECRET, "nights": SECRET, "guests": SECRET, "code": SECRET.repeat(3), "more": SECRET}),
        ),
        call("book", json!({"place": "ayr", "nights": 1, "guests": [{"name": SECRET}]})),
        call("add", json!({"a": SECRET})),
        call("vault", json!({"shelf": SECRET})),
        call("no_such_tool", json!({"shelf": SECRET})),
        call("measure", json!([SECRET])),
        call("measure", json!({"text": SECRET, "deep": SECRET})),
        call("measure", json!({"text": "HERE"})).replace("HERE", &format!("{SECRET}\\ud800")),
        call("book", json!({"place": SECRET, "price": "HERE"})).replace("\"HERE\"", "1e999"),
        call("depth", json!({"value": [SECRET, "HERE"], "x": SECRET}))
            .replace("\"HERE\"", &format!("{}{}", "[".repeat(200), "]".repeat(200))),
        call("measure", json!({"text": SECRET.repeat(500_000)})).replace("\"text\"", "\"txet\""),
        call("measure", json!({"text": SECRET.repeat(2_000_000)})),
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"measure","arguments":{{"text":"{SECRET}","text":"{SECRET}"}}}}}}"#
        ),
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":"{SECRET}"}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":["{SECRET}"],"method":"tools/call"}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{"cursor":"{SECRET}"}}}}"#),
        format!(r#"[{{"jsonrpc":"2.0","id":1,"method":"{SECRET}"}}]"#),
        format!("{SECRET} is not JSON"),
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"measure","_meta":{{"io.github.candor-mcp/idempotency-key":"{SECRET}\n"}},"arguments":{{"text":"{SECRET}"}}}}}}"#
        ),
        modern(
            &json!(1),
            "2099-01-01",
            "tools/call",
            json!({"name": "measure", "arguments": {"text": SECRET}}),
        ),
    ];
    let notification =
        format!(r#"{{"jsonrpc":"2.0","method":"notifications/{SECRET}","params":{{"a":"{SECRET}"}}}}"#);
    let requests = lines.into_iter().map(|line| (line.into_bytes(), true));
    requests.chain([(not_utf8, true), (notification.into_bytes(), false)]).collect()
}

#[tokio::test]
async fn invalid_lines_are_answered_without_an_argument_on_either_stream() {
    let mut server = start(&[]);
    server.client.initialize(Revision::V2025_11_25).await;
    for (line, wants_answer) in invalid_lines() {
        let start = String::from_utf8_lossy(&line[..line.len().min(150)]).into_owned();
        server.client.send(line).await;
        if wants_answer {
            let answer = server.client.receive().await;
            assert!(answer["error"].is_object() || answer["result"]["isError"] == true, "{start} {answer}");
        }
        server.client.assert_alive().await;
    }
    let exit = server.close().await;
    assert_eq!(exit.remaining, Vec::<Value>::new());
    assert_clean(&exit);
}

#[tokio::test]
async fn id_can_be_used_again_as_soon_as_its_answer_is_read() {
    let mut server = start(&[]);
    server.client.initialize(Revision::V2025_11_25).await;
    for _ in 0..500 {
        let answer = server.client.exchange(request(&json!("again"), "tools/list", json!({}))).await;
        assert!(answer["result"]["tools"].is_array(), "{answer}");
    }
    assert_clean(&server.close().await);
}

#[tokio::test]
async fn handshake_works_after_invalid_lines() {
    let mut server = start(&[]);
    for (line, wants_answer) in invalid_lines() {
        server.client.send(line).await;
        if wants_answer {
            let answer = server.client.receive().await;
            assert!(answer["error"].is_object(), "{answer}");
        }
    }
    server.client.initialize(Revision::V2025_11_25).await;
    server.client.assert_alive().await;
    assert_clean(&server.close().await);
}

#[tokio::test]
async fn input_that_ends_inside_a_line_gets_a_parse_error_and_exit_code_0() {
    for _ in 0..10 {
        let mut server = start_with_filter(&["--quiet"], "");
        server.client.initialize(Revision::V2025_06_18).await;
        server.client.send_bytes(&call(&json!(1), "measure", json!({"text": SECRET}))[..80]).await;
        let exit = server.close().await;
        assert_eq!(exit.remaining.len(), 1, "{:?}", exit.remaining);
        assert_eq!(exit.remaining[0]["error"]["code"], -32700);
        assert_eq!(exit.stderr, "");
        assert_clean(&exit);
    }
}

#[tokio::test]
async fn call_in_flight_at_the_end_of_input_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wait");
    let socket = tokio::net::UnixListener::bind(&path).unwrap();
    let mut server = start(&[]);
    server.client.initialize(Revision::V2025_11_25).await;
    server.client.send(call(&json!("waits"), "wait", json!({"socket": path}))).await;
    let (mut handler, _) = socket.accept().await.unwrap();
    let ending = tokio::spawn(server.close());
    tokio::io::AsyncWriteExt::write_all(&mut handler, &[7]).await.unwrap();
    let exit = ending.await.unwrap();
    assert_eq!(exit.remaining.len(), 1, "{:?}", exit.remaining);
    assert_eq!(exit.remaining[0]["result"]["content"][0]["text"], "received 7");
    assert_clean(&exit);
}

#[tokio::test]
async fn closed_stdout_ends_the_process_without_a_panic() {
    let mut server = start(&["--quiet"]);
    server.client.initialize(Revision::V2025_11_25).await;
    server.client.stop_reading();
    for id in 0..20 {
        server.client.send(call(&json!(id), "measure", json!({"text": SECRET}))).await;
    }
    assert_clean(&server.close().await);
}

#[tokio::test]
async fn empty_input_ends_the_process_with_exit_code_0() {
    let exit = start_with_filter(&["--quiet"], "").close().await;
    assert_eq!(exit.stderr, "");
    assert_clean(&exit);
    let mut server = start(&["--quiet"]);
    server.client.exchange(initialize("2025-11-25")).await;
    assert_clean(&server.close().await);
}
