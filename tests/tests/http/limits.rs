//! Limits of the HTTP server: on time, size, connections and memory. After each violation the next valid request works.

use std::{process::Command, time::Duration};

use candor_tests::{
    http::{HttpConnection, HttpRequest, HttpServer, call, initialize, legacy, modern, write_token_file},
    wait::wait_until,
};
use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::{Value, json};

/// The pause between two pieces of a request that is sent too slowly, or of a response that is read slowly.
const SLOW_PAUSE: Duration = Duration::from_millis(100);

fn web() -> Command {
    Command::new(env!("CARGO_BIN_EXE_web"))
}

/// A request whose body is chunked, and not sent with it.
fn chunked() -> HttpRequest {
    let request = call("measure", json!({})).with("transfer-encoding", "chunked");
    HttpRequest { body: String::new(), ..request }
}

#[tokio::test]
async fn request_head_that_is_too_slow_times_out_and_delays_no_other() {
    let server = HttpServer::start(web(), &["--idle-timeout", "1s"]).await;
    let mut slow = Vec::new();
    for _ in 0..200 {
        let mut connection = server.connect().await;
        connection.send(b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\n").await;
        slow.push(connection);
    }
    for _ in 0..15 {
        // Single headers do not extend the time.
        for connection in &mut slow {
            connection.send(b"x-slow: 1\r\n").await;
        }
        server.assert_alive().await;
        tokio::time::sleep(SLOW_PAUSE).await;
    }
    for mut connection in slow {
        assert!(connection.response().await.is_none_or(|response| response.status == 408));
    }
    server.assert_alive().await;
}

#[tokio::test]
async fn slow_request_heads_at_the_connection_limit_do_not_delay_calls_or_health() {
    let server = HttpServer::start(web(), &["--max-connections", "50"]).await;
    let mut slow = Vec::new();
    for _ in 0..120 {
        let mut connection = server.connect().await;
        connection.send(b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\n").await;
        slow.push(connection);
    }
    let health = async { server.send(&HttpRequest::get("/livez")).await.status };
    let status = tokio::time::timeout(Duration::from_secs(5), health).await;
    assert_eq!(status.expect("health answers at once"), 200);
    tokio::time::timeout(Duration::from_secs(5), server.assert_alive())
        .await
        .expect("calls are answered at once");
}

/// Raises the limit of open files of this process and its children as far as it may. Returns how many sockets a test can
/// then open.
fn max_sockets() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
    // Other tests of this process open files at the same time.
    let current = getrlimit(Resource::Nofile).current;
    current.map_or(usize::MAX, |current| usize::try_from(current).unwrap() / 2)
}

#[tokio::test]
async fn thousand_slow_sockets_do_not_delay_calls_or_health() {
    let sockets = max_sockets().min(1_100);
    let server = HttpServer::start(web(), &[]).await;
    let half_sent = call("measure", json!({})).with("content-length", "1000").bytes(server.address);
    let mut slow = Vec::new();
    for n in 0..sockets {
        let mut connection = server.connect().await;
        // Some send nothing, some a part of a head, and some a part of a body.
        match n % 3 {
            0 => {}
            1 => connection.send(b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\n").await,
            _ => connection.send(&half_sent).await,
        }
        slow.push(connection);
    }
    let health = async {
        for path in ["/livez", "/readyz"] {
            assert_eq!(server.send(&HttpRequest::get(path)).await.status, 200);
        }
        server.assert_alive().await;
    };
    tokio::time::timeout(Duration::from_secs(5), health)
        .await
        .expect("health and calls are answered at once");
}

#[tokio::test]
async fn request_body_that_never_ends_times_out() {
    let server = HttpServer::start(web(), &["--body-timeout", "1s"]).await;
    let mut stalled = server.connect().await;
    let request = call("measure", json!({"text": "x"})).with("content-length", "1000000");
    stalled.send(&request.bytes(server.address)).await;
    let mut endless = server.connect().await;
    endless.send(&chunked().bytes(server.address)).await;
    let feed = async {
        for _ in 0..15 {
            endless.send(b"1\r\n \r\n").await;
            tokio::time::sleep(SLOW_PAUSE).await;
        }
        endless.response().await
    };
    let (stalled, endless) = tokio::join!(stalled.response(), feed);
    assert_eq!(stalled.unwrap().status, 408);
    assert_eq!(endless.unwrap().status, 408);
    server.assert_alive().await;
}

#[tokio::test]
async fn request_body_that_is_too_large_is_refused_unread() {
    let server = HttpServer::start(web(), &[]).await;
    let before = server.memory_kb();
    let text = "x".repeat(5 * 1024 * 1024);
    for _ in 0..20 {
        let refused = server.send(&call("measure", json!({"text": text}))).await;
        assert_eq!((refused.status, &refused.message()["error"]["code"]), (413, &json!(-32600)));
    }
    // The size of a chunked body is not known beforehand.
    let mut connection = server.connect().await;
    connection.send(&chunked().bytes(server.address)).await;
    for _ in 0..80 {
        connection.send(format!("10000\r\n{}\r\n", " ".repeat(0x10000)).as_bytes()).await;
    }
    assert!(connection.response().await.is_none_or(|response| response.status == 413));
    // A body below the limit is read.
    let large = "x".repeat(3 * 1024 * 1024);
    let answer = server.send(&call("measure", json!({"text": large}))).await;
    assert_eq!(answer.message()["result"]["structuredContent"], 3 * 1024 * 1024);
    let grown = server.memory_kb().saturating_sub(before);
    assert!(grown < 64 * 1024, "{grown} kB more than before");
    server.assert_alive().await;
}

#[tokio::test]
async fn request_that_is_not_http_is_refused() {
    let server = HttpServer::start(web(), &[]).await;
    for (bytes, status) in [
        (&b"nonsense\r\n\r\n"[..], 400),
        (b"GET /mcp HTTP/9.9\r\n\r\n", 400),
        (b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", 400),
        (
            b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabcdefgh\r\n",
            400,
        ),
        (
            b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcde",
            400,
        ),
        // A size that overflows, a negative size, and an unknown transfer coding.
        (
            b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
            400,
        ),
        (b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\n-1\r\n", 400),
        (b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked, xyz\r\n\r\n", 400),
        (b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: -1\r\n\r\n", 400),
        (b"POST /mcp HTTP/1.1\r\nhost: a\r\nhost: 127.0.0.1\r\ncontent-length: 0\r\n\r\n", 400),
        (b"POST /mcp HTTP/1.1\r\ncontent-length: 0\r\n\r\n", 400),
        (b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\nbad header\r\n\r\n", 400),
        (b"PUT /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n", 405),
        (b"GET /elsewhere HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n", 404),
    ] {
        let mut connection = server.connect().await;
        connection.send(bytes).await;
        let response = connection.response().await.expect("a response");
        assert_eq!(response.status, status, "{}", String::from_utf8_lossy(bytes));
        server.assert_alive().await;
    }
    // Chunk extensions and trailers are limited, too.
    let head = "POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\n";
    for rest in [format!("1;{}", "x".repeat(100_000)), format!("0\r\n{}", "a: b\r\n".repeat(100_000))] {
        let mut connection = server.connect().await;
        connection.send(format!("{head}{rest}").as_bytes()).await;
        assert!(connection.response().await.is_none_or(|response| response.status == 400), "{}", &rest[..9]);
        server.assert_alive().await;
    }
    let many_headers: String = (0..200).map(|n| format!("x-{n}: 1\r\n")).collect();
    let long_header = format!("x-long: {}\r\n", "x".repeat(200_000));
    for headers in [many_headers, long_header] {
        let mut connection = server.connect().await;
        connection.send(format!("POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\n{headers}\r\n").as_bytes()).await;
        assert_eq!(connection.response().await.expect("a response").status, 431);
        server.assert_alive().await;
    }
}

#[tokio::test]
async fn request_body_that_is_not_a_message_gets_an_error_with_its_id() {
    let server = HttpServer::start(web(), &[]).await;
    let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"hello","arguments":{deep}}}}}"#
    );
    for (body, code, id) in [
        ("", -32600, Value::Null),
        ("{", -32700, Value::Null),
        ("\u{feff}", -32600, Value::Null),
        ("[]", -32600, Value::Null),
        ("{}", -32600, Value::Null),
        ("null", -32600, Value::Null),
        (r#"{"jsonrpc":"1.0","id":1,"method":"tools/list"}"#, -32600, json!(1)),
        (r#"{"jsonrpc":"2.0","id":{},"method":"tools/list"}"#, -32600, Value::Null),
        (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"tools/list"}"#, -32600, Value::Null),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"hello","arguments":{"a":1,"a":2}}}"#,
            -32600,
            json!(1),
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"hello","arguments":{"a":1e999}}}"#,
            -32602,
            json!(1),
        ),
        (&deep, -32602, json!(1)),
    ] {
        for request in
            [HttpRequest::post(body), HttpRequest::post(body).with("mcp-protocol-version", "2026-07-28")]
        {
            let response = server.send(&request).await;
            let start = body.chars().take(100).collect::<String>();
            assert_eq!(response.status, 400, "{start} {response:?}");
            let message = response.message();
            assert_eq!((&message["error"]["code"], &message["id"]), (&json!(code), &id), "{start}");
            server.assert_alive().await;
        }
    }
    let json = call("hello", json!({}));
    assert_eq!(server.send(&json.clone().with("content-type", "text/plain")).await.status, 415);
    assert_eq!(server.send(&json.with("accept", "text/html")).await.status, 406);
    server.assert_alive().await;
}

#[tokio::test]
async fn client_that_disconnects_frees_its_slot_and_memory() {
    let mut command = web();
    command.env("WEB", "memory");
    let server = HttpServer::start(command, &[]).await;
    let request = call("alone", json!({"time": 30_000})).bytes(server.address);
    for end in [10, request.len() / 2, request.len() - 1] {
        for _ in 0..100 {
            let mut connection = server.connect().await;
            connection.send(&request[..end]).await;
        }
    }
    // A closed connection cancels its call, which frees the slot long before the call would have ended (MCP 2026-07-28).
    for _ in 0..20 {
        let mut connection = server.connect().await;
        connection.send(&request).await;
        wait_until(async || server.in_flight().await == 1).await;
        drop(connection);
        wait_until(async || server.send(&call("alone", json!({"time": 0}))).await.status == 200).await;
    }
    // Large responses that the client does not read.
    let requests = call("fill", json!({"length": 1_000_000})).bytes(server.address).repeat(10);
    let send_round = async || {
        for _ in 0..10 {
            server.connect().await.send(&requests).await;
        }
        server.assert_alive().await;
    };
    server.send(&call("fill", json!({"length": 1_000_000}))).await;
    let before = server.live_memory().await;
    for _ in 0..30 {
        send_round().await;
    }
    // Far less than one of the 300 responses.
    wait_until(async || server.live_memory().await < before + 256 * 1024).await;
}

#[tokio::test]
async fn hundred_thousand_invalid_tokens_leave_no_memory_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let file = write_token_file(folder.path(), &[("good", "good", "")]);
    let server = HttpServer::start(web(), &["--tokens", &file]).await;
    let mut before = 0;
    let mut connections: Vec<HttpConnection> = Vec::new();
    for _ in 0..16 {
        connections.push(server.connect().await);
    }
    let request = call("hello", json!({})).bearer("TOKEN").bytes(server.address);
    let request = String::from_utf8(request).unwrap();
    let (head, rest) = request.split_once("TOKEN").unwrap();
    for round in 0..6_250_u32 {
        if round == 625 {
            before = server.memory_kb();
        }
        for (n, connection) in connections.iter_mut().enumerate() {
            let request = format!("{head}candor_{round}-{n}-{}{rest}", "x".repeat(64));
            connection.send(request.as_bytes()).await;
        }
        for connection in &mut connections {
            assert_eq!(connection.response().await.expect("a response").status, 401);
        }
    }
    let grown = server.memory_kb().saturating_sub(before);
    assert!(grown < 4096, "{grown} kB more than before");
    server.assert_alive_as(Some("good")).await;
}

#[tokio::test]
async fn connection_over_the_limit_replaces_an_idle_one() {
    let server = HttpServer::start(web(), &["--max-connections", "4"]).await;
    let mut idle = Vec::new();
    for _ in 0..4 {
        let mut connection = server.connect().await;
        connection.send(&call("hello", json!({})).bytes(server.address)).await;
        assert_eq!(connection.response().await.unwrap().status, 200);
        idle.push(connection);
    }
    let mut next = server.connect().await;
    next.send(&call("hello", json!({})).bytes(server.address)).await;
    assert_eq!(next.response().await.unwrap().status, 200);
    // Only the connection that was idle the longest is closed.
    let mut open = 0;
    for mut connection in idle {
        connection.send(&call("hello", json!({})).bytes(server.address)).await;
        open += usize::from(connection.response().await.is_some());
    }
    assert_eq!(open, 3);
}

#[tokio::test]
async fn client_that_does_not_read_its_responses_is_disconnected() {
    let server = HttpServer::start(web(), &["--max-connections", "4", "--write-timeout", "1s"]).await;
    let before = server.memory_kb();
    // The responses are larger than the buffers between server and client.
    let requests = call("fill", json!({"length": 1_000_000})).bytes(server.address).repeat(50);
    let (mut stalled, mut slow) = (Vec::new(), server.connect().await);
    slow.send(&requests).await;
    for _ in 0..3 {
        let mut connection = server.connect().await;
        connection.send(&requests).await;
        stalled.push(connection);
    }
    // A client that reads slowly keeps its connection.
    for _ in 0..20 {
        assert_eq!(slow.response().await.expect("a response").status, 200);
        tokio::time::sleep(SLOW_PAUSE).await;
    }
    // The server has closed the connections of the others.
    server.assert_alive().await;
    let grown = server.memory_kb().saturating_sub(before);
    assert!(grown < 64 * 1024, "{grown} kB more than before");
    server.assert_alive().await;
    drop(stalled);
}

#[tokio::test]
async fn each_revision_over_http_answers_as_over_stdio() {
    let server = HttpServer::start(web(), &[]).await;
    let list = server.send(&modern("tools/list", json!({}))).await.message();
    assert_eq!(list["result"]["cacheScope"], "private");
    let unknown = server.send(&modern("prompts/list", json!({}))).await;
    assert_eq!((unknown.status, &unknown.message()["error"]["code"]), (404, &json!(-32601)));
    let wrong =
        server.send(&modern("tools/list", json!({})).with("mcp-protocol-version", "2025-11-25")).await;
    assert_eq!(wrong.status, 400);
    let request = call("wait", json!({"time": 10}));
    let with_progress = HttpRequest {
        body: request.body.replace("\"_meta\":{", "\"_meta\":{\"progressToken\":1,"),
        ..request
    };
    let response = server.send(&with_progress).await;
    assert!(response.body.contains("notifications/progress"), "{response:?}");
    assert_eq!(response.message()["result"]["content"][0]["text"], "waited 10");
    for revision in ["2025-06-18", "2025-11-25"] {
        let handshake = server
            .send(&HttpRequest { body: initialize().body.replace("2025-11-25", revision), ..initialize() })
            .await;
        assert_eq!(handshake.message()["result"]["protocolVersion"], revision);
        let session = handshake.header("mcp-session-id").unwrap();
        let request = |method, params| legacy(session, method, params).with("mcp-protocol-version", revision);
        let response = server.send(&request("tools/call", json!({"name": "hello", "arguments": {}}))).await;
        assert_eq!(response.message()["result"]["content"][0]["text"], "hello local", "{response:?}");
        let answer = server.send(&request("tools/call", json!({"name": 5}))).await.message();
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
    }
}
