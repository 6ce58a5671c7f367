//! Plants a word in every text that a caller can send, and checks that no file and no line of the server contains it.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
};

use candor::Revision;
use candor_tests::{
    child_process::send_signal,
    messages::{modern, request},
    stdio_server::StdioServer,
};
use serde_json::{Value, json};

const MARK: &str = "MARK3R";
/// Characters that control a terminal, are invisible, or end a line.
const HOSTILE: &str = "MARK3R\n\r\0\u{1b}[2J\u{1b}]0;x\u{7}\u{9b}31m\u{202e}\u{2066}\u{85}\u{2028}\"\\é🦀٣";

fn ledger(log: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ledger"));
    command.args(["serve", "--audit"]).arg(log).args(arguments).env("RUST_LOG", "trace");
    command
}

/// Checks that no file in `folder` contains the mark and that each line of a log is a record of printable ASCII. Returns the
/// records.
fn clean_records(folder: &Path) -> Vec<Value> {
    let mut records = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            records.extend(clean_records(&path));
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(MARK) && !text.contains("4711471147"), "{}: {text}", path.display());
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            assert!(bytes.iter().all(|&byte| byte == b'\n' || (b' '..=b'~').contains(&byte)));
            records.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
        }
    }
    records
}

#[tokio::test]
async fn log_and_stderr_contain_no_text_of_a_caller() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut process = StdioServer::start(ledger(&log, &["--grant", "read:x"]));
    let wire = &mut process.client;
    wire.initialize(Revision::V2025_11_25).await;
    let key = format!("{MARK}-key-0123456789");
    let ask = |name: &str, arguments: Value| {
        json!({"name": name, "arguments": arguments, "_meta": {
            "io.github.candor-mcp/idempotency-key": key, "progressToken": MARK, "traceparent": format!("00-{MARK}-1"),
            "authorization": format!("Bearer {MARK}"), MARK: MARK,
        }})
    };
    let enter = json!({"n": 1, "text": HOSTILE, "word": MARK});
    for params in [
        ask("enter", enter.clone()),
        ask("enter", json!({"n": 1, "word": "4711471147"})),
        ask("enter", json!({"n": MARK, "text": [MARK], MARK: {MARK: MARK}})),
        ask("enter", json!({"n": 1, HOSTILE: HOSTILE})),
        ask(HOSTILE, json!({})),
        ask(MARK, enter.clone()),
        ask("open_drawer", json!({MARK: MARK})),
        json!({"name": "enter", "arguments": {"n": 1}, "_meta": {"io.github.candor-mcp/idempotency-key": MARK}}),
        json!({"name": "enter", "arguments": {"n": 1, "text": "x".repeat(10_000_000) + MARK}}),
        json!({"name": "look", "arguments": {"n": 1, "text": "\u{1b}".repeat(1_000_000)}}),
    ] {
        let answer = wire.exchange(request(&json!(MARK), "tools/call", params)).await;
        assert!(answer.is_object());
    }
    wire.exchange(modern(&json!(MARK), "2026-07-28", "tools/call", ask("enter", enter))).await;
    let ended = process.close().await;
    assert!(!ended.stderr.contains(MARK), "{}", ended.stderr);
    let records = clean_records(folder.path());
    let count = |kind: &str| records.iter().filter(|record| record["kind"] == kind).count();
    // Of the calls with one key, the second differs from the first, and the last replays it.
    assert_eq!((count("intent"), count("outcome"), count("denied")), (3, 3, 8), "{records:?}");
    assert!(records.iter().all(|record| record.to_string().len() < 100_000));
    // `audit hash` prints the digest to search for.
    let hashed = |value: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ledger"));
        let output = command.args(["audit", "hash", value]).arg(&log).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(
        records.iter().find(|record| record["kind"] == "intent").unwrap()["args"]["word"],
        hashed(MARK)
    );
    assert!(records.iter().any(|record| record["tool"] == hashed(MARK)));
}

#[tokio::test]
async fn client_name_cannot_control_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut process = StdioServer::start(ledger(&log, &[]));
    let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": &HOSTILE[6..], "version": "0"}});
    process.client.exchange(request(&json!(0), "initialize", hello)).await;
    process.client.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    process.client.call("enter", json!({"n": 1})).await;
    process.close().await;
    let records = clean_records(&log);
    assert!(
        records.iter().any(|record| record["caller"]["client"]
            .as_str()
            .is_some_and(|client| client.contains('\u{1b}')))
    );
    for arguments in [&["audit", "show"][..], &["audit", "show", "--json"], &["audit", "verify"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_ledger"))
            .args(arguments)
            .arg(&log)
            .env("LC_ALL", "ar_EG.UTF-8")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0));
        let text = String::from_utf8(output.stdout).unwrap();
        let acts = |c: char| (c.is_control() && c != '\n') || ('\u{2028}'..='\u{2069}').contains(&c);
        assert!(!text.is_empty() && !text.contains(acts), "{text:?}");
    }
}

#[test]
fn log_contains_no_token_cookie_or_header_of_an_http_request() {
    let folder = tempfile::tempdir().unwrap();
    let (log, tokens) = (folder.path().join("log"), tempfile::tempdir().unwrap());
    let file = tokens.path().join("tokens.toml");
    let key = Command::new(env!("CARGO_BIN_EXE_ledger"))
        .args(["token", "new", "--subject", "ada", "--file"])
        .arg(&file)
        .output()
        .unwrap();
    let key = String::from_utf8(key.stdout).unwrap().trim().to_owned();
    let mut child = ledger(&log, &["--http", "127.0.0.1:0", "--tokens", file.to_str().unwrap()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut lines = String::new();
    let address = loop {
        let mut line = String::new();
        assert_ne!(std::io::BufRead::read_line(&mut stderr, &mut line).unwrap(), 0, "{lines}");
        lines += &line;
        if let Some(url) = line.split_once("http://") {
            break url.1.split('/').next().unwrap().to_owned();
        }
    };
    let post = |token: &str, params: Value| {
        let mut meta = params;
        meta["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "0"},
            "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        });
        let name = meta["name"].as_str().unwrap().to_owned();
        let body = request(&json!(1), "tools/call", meta);
        let mut stream = TcpStream::connect(&address).unwrap();
        write!(
            stream,
            "POST /mcp HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nCookie: session={MARK}\r\n\
             X-Api-Key: {MARK}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
             MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: {name}\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let enter = json!({"name": "enter", "arguments": {"n": 5, "text": MARK, "word": MARK}});
    let answer = post(&key, enter.clone());
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(r#""structuredContent":5"#), "{answer}");
    assert!(post(&format!("cnd_{MARK}"), enter).starts_with("HTTP/1.1 401"));
    assert!(post(&key, json!({"name": "open_drawer", "arguments": {}})).starts_with("HTTP/1.1 403"));
    // No denial waits for its record.
    send_signal(child.id(), "TERM");
    stderr.read_to_string(&mut lines).unwrap();
    child.wait().unwrap();
    assert!(!lines.contains(MARK) && !lines.contains(&key), "{lines}");
    let records = clean_records(folder.path());
    let text = format!("{records:?}");
    assert!(!text.contains(&key));
    let denied: Vec<&str> =
        records.iter().filter_map(|record| record["decision"]["denied_by"].as_str()).collect();
    assert_eq!(denied, ["auth", "scope"], "{text}");
    let intent = records.iter().find(|record| record["kind"] == "intent").unwrap();
    assert_eq!((&intent["caller"]["sub"], &intent["transport"]), (&json!("ada"), &json!("http")));
    assert_eq!(intent["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
}
