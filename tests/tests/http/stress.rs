//! HTTP requests that real clients and attackers send: each gets a true answer, and harms no other request.

use std::{process::Command, time::Duration};

use candor_tests::{
    event_stream::EventStream,
    http::{HttpConnection, HttpRequest, HttpServer, call, initialize, legacy, modern, write_token_file},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

fn web() -> Command {
    Command::new(env!("CARGO_BIN_EXE_web"))
}

fn concealing() -> Command {
    let mut command = web();
    command.env("WEB", "conceal");
    command
}

#[tokio::test]
async fn second_request_with_an_id_in_flight_is_refused_and_the_first_is_answered() {
    let server = HttpServer::start(web(), &[]).await;
    let session = server.open_session(None).await;
    let wait =
        |time: u64| legacy(&session, "tools/call", json!({"name": "wait", "arguments": {"time": time}}));
    let mut first = EventStream::open(server.address, &wait(700)).await.expect("a response");
    first.next().await.expect("the start of the stream");
    // Several clients of this revision end on any status but 200.
    let refused = server.send(&wait(1)).await;
    assert_eq!((refused.status, &refused.message()["error"]["code"]), (200, &json!(-32600)), "{refused:?}");
    let answer = loop {
        let event = first.next().await.expect("an answer");
        if event.is_answer() {
            break event.message.expect("an answer has a message");
        }
    };
    assert_eq!(answer["result"]["content"][0]["text"], "waited 700", "{answer}");
    // The id is free again.
    assert_eq!(server.send(&wait(1)).await.message()["result"]["content"][0]["text"], "waited 1");
}

#[tokio::test]
async fn session_limit_holds_against_odd_and_concurrent_handshakes() {
    let server = HttpServer::start(web(), &["--max-sessions", "3"]).await;
    let odd = |n: u64| {
        let params = json!({
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}, "name": n,
        });
        HttpRequest::post(
            json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}).to_string(),
        )
    };
    let mut sessions = Vec::new();
    for n in 0..6 {
        let answer = server.send(&odd(n)).await;
        sessions.push(answer.header("mcp-session-id").expect("a session").to_owned());
    }
    let (address, mut handshakes) = (server.address, tokio::task::JoinSet::new());
    for _ in 0..64 {
        handshakes.spawn(async move {
            let mut connection = HttpConnection::open(address).await;
            connection.send(&initialize().bytes(address)).await;
            connection.response().await
        });
    }
    for answer in handshakes.join_all().await.into_iter().flatten() {
        sessions.extend(answer.header("mcp-session-id").map(str::to_owned));
    }
    let mut open = 0;
    for session in &sessions {
        open += usize::from(server.send(&legacy(session, "tools/list", json!({}))).await.status == 200);
    }
    assert!(open <= 3, "{open} sessions are open");
    assert!(open > 0);
}

#[tokio::test]
async fn caller_at_the_session_limit_replaces_its_own_idle_session() {
    let folder = tempfile::tempdir().unwrap();
    let file = write_token_file(folder.path(), &[("ada", "ada", ""), ("eve", "eve", "")]);
    let server = HttpServer::start(web(), &["--tokens", &file, "--max-sessions", "4"]).await;
    // Eve holds three sessions, each with an open stream.
    let mut streams = Vec::new();
    for _ in 0..3 {
        let session = server.open_session(Some("eve")).await;
        let get = HttpRequest {
            line: "GET /mcp".to_owned(),
            body: String::new(),
            ..legacy(&session, "", json!({}))
        };
        let mut stream = server.connect().await;
        stream.send(&get.bearer("eve").bytes(server.address)).await;
        streams.push(stream);
    }
    let first = server.open_session(Some("ada")).await;
    let second = server.open_session(Some("ada")).await;
    let list = |session: &str| legacy(session, "tools/list", json!({})).bearer("ada");
    assert_eq!(server.send(&list(&first)).await.status, 404, "it made room for the second");
    assert_eq!(server.send(&list(&second)).await.status, 200);
}

#[tokio::test]
async fn malformed_known_method_is_answered_with_the_name_of_the_field() {
    let server = HttpServer::start(web(), &[]).await;
    for (params, field) in [
        (json!({"capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}), "protocolVersion"),
        (json!({"protocolVersion": "2025-11-25", "capabilities": {}}), "clientInfo"),
        (
            json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": 7}}),
            "clientInfo.name",
        ),
        (json!({"protocolVersion": 1, "capabilities": {}, "clientInfo": {}}), "protocolVersion"),
        (json!([]), "params"),
    ] {
        let body = json!({"jsonrpc": "2.0", "id": 5, "method": "initialize", "params": params}).to_string();
        let answer = server.send(&HttpRequest::post(body)).await;
        let error = &answer.message()["error"];
        assert_eq!((answer.status, &error["code"]), (400, &json!(-32602)), "{answer:?}");
        assert!(error["message"].as_str().unwrap().contains(&format!("`{field}`")), "{answer:?}");
        assert_eq!(answer.message()["id"], 5);
    }
}

#[tokio::test]
async fn handshake_with_a_future_version_header_is_negotiated_and_old_versions_are_refused() {
    let server = HttpServer::start(web(), &[]).await;
    let future = initialize().with("mcp-protocol-version", "2099-01-01");
    let answer = server.send(&future).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let session = answer.header("mcp-session-id").expect("a session").to_owned();
    for old in ["2025-03-26", "2024-11-05", "nonsense"] {
        let ask = legacy(&session, "tools/list", json!({})).with("mcp-protocol-version", old);
        let answer = server.send(&ask).await;
        assert_eq!(answer.status, 400, "{old} {answer:?}");
    }
    assert_eq!(server.send(&legacy(&session, "tools/list", json!({}))).await.status, 200);
}

#[tokio::test]
async fn refusal_of_a_large_request_reaches_a_client_that_is_still_sending() {
    let folder = tempfile::tempdir().unwrap();
    let file = write_token_file(folder.path(), &[("good", "good", "")]);
    let server = HttpServer::start(web(), &["--tokens", &file]).await;
    let large = call("measure", json!({"text": "x".repeat(3_900_000)}));
    for (request, status) in [(large.clone(), "401"), (large.with("host", "evil.example"), "403")] {
        let bytes = request.bytes(server.address);
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        // The server knows its answer after the head. Many clients read nothing before the whole body is sent.
        for piece in bytes.chunks(1_000_000) {
            stream.write_all(piece).await.expect("the server takes the whole body");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.expect("the answer is not lost");
        assert_eq!(answer, *format!("HTTP/1.1 {status}").as_bytes());
    }
}

#[tokio::test]
async fn limits_before_2026_07_28_are_told_with_status_200() {
    let server = HttpServer::start(web(), &[]).await;
    let session = server.open_session(None).await;
    let ask = |tool: &str| legacy(&session, "tools/call", json!({"name": tool, "arguments": {}}));
    for _ in 0..2 {
        assert_eq!(server.send(&ask("twice")).await.status, 200);
    }
    let limited = server.send(&ask("twice")).await;
    assert_eq!((limited.status, &limited.message()["error"]["code"]), (200, &json!(-31429)), "{limited:?}");
    assert!(limited.header("retry-after").is_some());
    // Without tokens, no scope can be had.
    let refused = server.send(&ask("test_simple_text")).await;
    assert_eq!((refused.status, &refused.message()["error"]["code"]), (200, &json!(-31403)), "{refused:?}");
}

#[tokio::test]
async fn harmless_deviations_are_accepted() {
    let server = HttpServer::start(web(), &[]).await;
    let hello = call("hello", json!({}));
    let slash = HttpRequest { line: "POST /mcp/".to_owned(), ..hello.clone() };
    let bom = HttpRequest { body: format!("\u{feff}{}", hello.body), ..hello.clone() };
    let any = hello.clone().with("accept", "*/*");
    let mut none = hello.clone();
    none.headers.retain(|(name, _)| name != "accept");
    for ask in [slash, bom, any, none] {
        let answer = server.send(&ask).await;
        assert_eq!(answer.status, 200, "{ask:?} {answer:?}");
        assert_eq!(answer.message()["result"]["content"][0]["text"], "hello local");
    }
}

#[tokio::test]
async fn header_mismatch_names_the_header_and_repeats_no_value() {
    let server = HttpServer::start(web(), &[]).await;
    let marked = "marker".repeat(5_000);
    let list = modern("tools/list", json!({}));
    for (request, header, value) in [
        (call("hello", json!({})), "mcp-name", &*marked),
        (call("hello", json!({})), "mcp-method", "tools/marker"),
        (list.clone(), "mcp-method", &*marked),
        (list, "mcp-protocol-version", "2099-marker"),
        (modern("tasks/get", json!({"taskId": "marker"})), "mcp-name", "other"),
    ] {
        let answer = server.send(&request.with(header, value)).await;
        assert_eq!((answer.status, &answer.message()["error"]["code"]), (400, &json!(-32020)), "{header}");
        assert!(answer.body.len() < 1_000 && !answer.body.contains("marker"), "{}", answer.body.len());
    }
}

#[tokio::test]
async fn concealed_tool_is_answered_as_an_unknown_one() {
    let server = HttpServer::start(concealing(), &[]).await;
    let session = server.open_session(None).await;
    let asks: [fn(&str, &str) -> HttpRequest; 2] = [
        |_, tool| call(tool, json!({"a": 1})),
        |session, tool| legacy(session, "tools/call", json!({"name": tool, "arguments": {"a": 1}})),
    ];
    for ask in asks {
        let concealed = server.send(&ask(&session, "test_simple_text")).await;
        let unknown = server.send(&ask(&session, "test_simple_none")).await;
        let same = |answer: &candor_tests::http::HttpResponse| -> Value {
            serde_json::from_str(&answer.message().to_string().replace("_text", "_none")).unwrap()
        };
        assert_eq!((concealed.status, same(&concealed)), (unknown.status, same(&unknown)));
    }
}

#[tokio::test]
async fn long_call_sends_signs_of_life_before_its_answer() {
    let server = HttpServer::start(web(), &["--keep-alive", "100ms"]).await;
    let answer = server.send(&call("wait", json!({"time": 700}))).await;
    assert_eq!(answer.header("content-type"), Some("text/event-stream"), "{answer:?}");
    assert!(answer.body.matches(":\n\n").count() >= 3, "{answer:?}");
    assert_eq!(answer.message()["result"]["content"][0]["text"], "waited 700");
    // Also a call whose client asks for progress that its tool does not report.
    let request = call("alone", json!({"time": 700}));
    let body = request.body.replace("\"_meta\":{", "\"_meta\":{\"progressToken\":1,");
    let answer = server.send(&HttpRequest { body, ..request }).await;
    assert_eq!(answer.header("content-type"), Some("text/event-stream"), "{answer:?}");
    assert!(answer.body.matches(":\n\n").count() >= 3, "{answer:?}");
    assert_eq!(answer.message()["result"]["isError"], false);
    // One that reports something late, and then its answer.
    let request = call("late_report", json!({"time": 300}));
    let body = request.body.replace("\"_meta\":{", "\"_meta\":{\"progressToken\":1,");
    let answer = server.send(&HttpRequest { body, ..request }).await;
    assert!(answer.body.starts_with(":\n\n"), "{answer:?}");
    assert_eq!(answer.body.matches("notifications/progress").count(), 1, "{answer:?}");
    assert_eq!(answer.message()["result"]["isError"], false);
    // In a session of an older revision, the answer is a stream in any case.
    let session = server.open_session(None).await;
    let wait = json!({"name": "wait", "arguments": {"time": 700}});
    let answer = server.send(&legacy(&session, "tools/call", wait)).await;
    assert!(answer.body.lines().filter(|line| line.starts_with(':')).count() >= 3, "{answer:?}");
    assert_eq!(answer.message()["result"]["content"][0]["text"], "waited 700");
    // A short call is answered as before.
    let short = server.send(&call("hello", json!({}))).await;
    assert_eq!(short.header("content-type"), Some("application/json"));
    let list = server.send(&modern("tools/list", json!({}))).await;
    assert_eq!(list.status, 200);
}
