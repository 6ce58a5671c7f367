//! Clients that dawdle, overflow, lie or leave: each has the right answer, and the next honest request is served.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use candor_tests::http::{Ask, Connection, Site, call, initialize, legacy, modern, tokens, until};
use serde_json::{Value, json};

fn web() -> Command {
    Command::new(env!("CARGO_BIN_EXE_web"))
}

#[tokio::test]
async fn heads_that_trickle_in_are_given_up_and_hold_up_nobody() {
    let site = Site::start(web(), &[]).await;
    let mut slow = Vec::new();
    for _ in 0..200 {
        let mut connection = site.connect().await;
        connection.send(b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\n").await;
        slow.push(connection);
    }
    let start = Instant::now();
    // A word every second keeps none of them alive.
    let mut rounds = 0;
    while rounds < 35 && start.elapsed() < Duration::from_secs(36) {
        for connection in &mut slow {
            connection.send(b"x-slow: 1\r\n").await;
        }
        site.is_alive().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        rounds += 1;
    }
    for mut connection in slow {
        assert!(connection.answer().await.is_none_or(|answer| answer.status == 408));
    }
    site.is_alive().await;
}

#[tokio::test]
async fn a_body_that_never_ends_is_given_up() {
    let site = Site::start(web(), &[]).await;
    let mut stalled = site.connect().await;
    let ask = call("measure", json!({"text": "x"})).with("content-length", "1000000");
    stalled.send(&ask.bytes(site.address)).await;
    let mut endless = site.connect().await;
    let ask = Ask { body: String::new(), ..call("measure", json!({})).with("transfer-encoding", "chunked") };
    endless.send(&ask.bytes(site.address)).await;
    let feed = async {
        for _ in 0..34 {
            endless.send(b"1\r\n \r\n").await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        endless.answer().await
    };
    let (stalled, endless) = tokio::join!(stalled.answer(), feed);
    assert_eq!(stalled.unwrap().status, 408);
    assert_eq!(endless.unwrap().status, 408);
    site.is_alive().await;
}

#[tokio::test]
async fn a_body_that_is_too_large_is_not_read_to_its_end() {
    let site = Site::start(web(), &[]).await;
    let before = site.memory();
    let text = "x".repeat(5 * 1024 * 1024);
    for _ in 0..20 {
        let refused = site.ask(&call("measure", json!({"text": text}))).await;
        assert_eq!((refused.status, &refused.message()["error"]["code"]), (413, &json!(-32600)));
    }
    // In chunks, where nobody says how large it is.
    let mut connection = site.connect().await;
    let ask = Ask { body: String::new(), ..call("measure", json!({})).with("transfer-encoding", "chunked") };
    connection.send(&ask.bytes(site.address)).await;
    for _ in 0..80 {
        connection.send(format!("10000\r\n{}\r\n", " ".repeat(0x10000)).as_bytes()).await;
    }
    assert!(connection.answer().await.is_none_or(|answer| answer.status == 413));
    // What is just small enough is an argument like any other.
    let most = "x".repeat(3 * 1024 * 1024);
    let answer = site.ask(&call("measure", json!({"text": most}))).await;
    assert_eq!(answer.message()["result"]["structuredContent"], 3 * 1024 * 1024);
    let grown = site.memory().saturating_sub(before);
    assert!(grown < 64 * 1024, "{grown} kB more than before");
    site.is_alive().await;
}

#[tokio::test]
async fn what_is_no_http_or_no_message_is_told_so() {
    let site = Site::start(web(), &[]).await;
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
        // A size that no number holds, one below nothing, two codings of which the last is none that is known.
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
        let mut connection = site.connect().await;
        connection.send(bytes).await;
        let answer = connection.answer().await.expect("an answer");
        assert_eq!(answer.status, status, "{}", String::from_utf8_lossy(bytes));
        site.is_alive().await;
    }
    // What may stand beside chunks and after them has an end too.
    let head = "POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\n";
    for rest in [format!("1;{}", "x".repeat(100_000)), format!("0\r\n{}", "a: b\r\n".repeat(100_000))] {
        let mut connection = site.connect().await;
        connection.send(format!("{head}{rest}").as_bytes()).await;
        assert!(connection.answer().await.is_none_or(|answer| answer.status == 400), "{}", &rest[..9]);
        site.is_alive().await;
    }
    let many: String = (0..200).map(|n| format!("x-{n}: 1\r\n")).collect();
    let long = format!("x-long: {}\r\n", "x".repeat(200_000));
    for headers in [many, long] {
        let mut connection = site.connect().await;
        connection.send(format!("POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\n{headers}\r\n").as_bytes()).await;
        assert_eq!(connection.answer().await.expect("an answer").status, 431);
        site.is_alive().await;
    }
}

#[tokio::test]
async fn a_message_that_is_none_has_an_answer_that_says_why() {
    let site = Site::start(web(), &[]).await;
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
        for ask in [Ask::post(body), Ask::post(body).with("mcp-protocol-version", "2026-07-28")] {
            let answer = site.ask(&ask).await;
            let shown = body.chars().take(100).collect::<String>();
            assert_eq!(answer.status, 400, "{shown} {answer:?}");
            let message = answer.message();
            assert_eq!((&message["error"]["code"], &message["id"]), (&json!(code), &id), "{shown}");
            site.is_alive().await;
        }
    }
    let json = call("hello", json!({}));
    assert_eq!(site.ask(&json.clone().with("content-type", "text/plain")).await.status, 415);
    assert_eq!(site.ask(&json.with("accept", "text/html")).await.status, 406);
    site.is_alive().await;
}

#[tokio::test]
async fn clients_that_hang_up_in_the_middle_leave_nothing_behind() {
    let site = Site::start(web(), &[]).await;
    let whole = call("alone", json!({"time": 30_000})).bytes(site.address);
    for end in [10, whole.len() / 2, whole.len() - 1] {
        for _ in 0..100 {
            let mut connection = site.connect().await;
            connection.send(&whole[..end]).await;
        }
    }
    // With the client goes the call: its place is free long before it would have ended (MCP 2026-07-28).
    for _ in 0..20 {
        let mut connection = site.connect().await;
        connection.send(&whole).await;
        until(async || {
            site.ask(&call("at_work", json!({}))).await.message()["result"]["structuredContent"] == 1
        })
        .await;
        drop(connection);
        until(async || site.ask(&call("alone", json!({"time": 0}))).await.status == 200).await;
    }
    // With answers on their way, of which nobody reads a word.
    let long = call("fill", json!({"length": 1_000_000})).bytes(site.address).repeat(10);
    let mut before = 0;
    for round in 0..30 {
        if round == 5 {
            before = site.memory();
        }
        for _ in 0..10 {
            site.connect().await.send(&long).await;
        }
        site.is_alive().await;
    }
    let grown = site.memory().saturating_sub(before);
    assert!(grown < 64 * 1024, "{grown} kB more than before");
}

#[tokio::test]
async fn a_hundred_thousand_tokens_that_are_made_up_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let file = tokens(folder.path(), &[("good", "good", "")]);
    let site = Site::start(web(), &["--tokens", &file]).await;
    let mut before = 0;
    let mut connections: Vec<Connection> = Vec::new();
    for _ in 0..16 {
        connections.push(site.connect().await);
    }
    for round in 0..6_250_u32 {
        if round == 625 {
            before = site.memory();
        }
        for (n, connection) in connections.iter_mut().enumerate() {
            let token = format!("candor_{round}-{n}-{}", "x".repeat(64));
            connection.send(&call("hello", json!({})).bearer(&token).bytes(site.address)).await;
        }
        for connection in &mut connections {
            assert_eq!(connection.answer().await.expect("an answer").status, 401);
        }
    }
    let grown = site.memory().saturating_sub(before);
    assert!(grown < 4096, "{grown} kB more than before");
    site.is_alive_for(Some("good")).await;
}

#[tokio::test]
async fn connections_are_bounded_and_the_next_waits_for_its_turn() {
    let site = Site::start(web(), &["--max-connections", "4"]).await;
    let mut held = Vec::new();
    for _ in 0..4 {
        let mut connection = site.connect().await;
        connection.send(&call("hello", json!({})).bytes(site.address)).await;
        assert_eq!(connection.answer().await.unwrap().status, 200);
        held.push(connection);
    }
    let mut next = site.connect().await;
    next.send(&call("hello", json!({})).bytes(site.address)).await;
    let waits = tokio::time::timeout(Duration::from_millis(300), next.answer()).await;
    assert!(waits.is_err(), "it is not served yet");
    held.pop();
    assert_eq!(next.answer().await.unwrap().status, 200);
}

#[tokio::test]
async fn clients_that_take_nothing_of_their_answers_lose_their_places() {
    let site = Site::start(web(), &["--max-connections", "4"]).await;
    let before = site.memory();
    // More than the buffers on the way hold.
    let all = call("fill", json!({"length": 1_000_000})).bytes(site.address).repeat(50);
    let (mut deaf, mut slow) = (Vec::new(), site.connect().await);
    slow.send(&all).await;
    for _ in 0..3 {
        let mut connection = site.connect().await;
        connection.send(&all).await;
        deaf.push(connection);
    }
    let start = Instant::now();
    let next = async {
        site.is_alive().await;
        start.elapsed()
    };
    // One that takes an answer a second is no such client.
    let rest = async {
        for _ in 0..40 {
            assert_eq!(slow.answer().await.expect("an answer").status, 200);
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let (waited, ()) = tokio::join!(next, rest);
    assert!(waited > Duration::from_secs(25), "every place was taken: {waited:?}");
    let grown = site.memory().saturating_sub(before);
    assert!(grown < 64 * 1024, "{grown} kB more than before");
    site.is_alive().await;
    drop(deaf);
}

#[tokio::test]
async fn each_revision_speaks_as_it_does_on_stdio() {
    let site = Site::start(web(), &[]).await;
    let listed = site.ask(&modern("tools/list", json!({}))).await.message();
    assert_eq!(listed["result"]["cacheScope"], "private");
    let unknown = site.ask(&modern("prompts/list", json!({}))).await;
    assert_eq!((unknown.status, &unknown.message()["error"]["code"]), (404, &json!(-32601)));
    let wrong = site.ask(&modern("tools/list", json!({})).with("mcp-protocol-version", "2025-11-25")).await;
    assert_eq!(wrong.status, 400);
    let reports = call("wait", json!({"time": 10}));
    let reports =
        Ask { body: reports.body.replace("\"_meta\":{", "\"_meta\":{\"progressToken\":1,"), ..reports };
    let answer = site.ask(&reports).await;
    assert!(answer.body.contains("notifications/progress"), "{answer:?}");
    assert_eq!(answer.message()["result"]["content"][0]["text"], "waited 10");
    for revision in ["2025-06-18", "2025-11-25"] {
        let begun =
            site.ask(&Ask { body: initialize().body.replace("2025-11-25", revision), ..initialize() }).await;
        assert_eq!(begun.message()["result"]["protocolVersion"], revision);
        let held = begun.header("mcp-session-id").unwrap();
        let ask = |method, params| legacy(held, method, params).with("mcp-protocol-version", revision);
        let answer = site.ask(&ask("tools/call", json!({"name": "hello", "arguments": {}}))).await;
        assert_eq!(answer.message()["result"]["content"][0]["text"], "hello local", "{answer:?}");
        let answer = site.ask(&ask("tools/call", json!({"name": 5}))).await.message();
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
    }
}
