//! Access over HTTP: the status and the challenge of each refusal.

use std::{path::Path, process::Command};

use candor_tests::{
    http::{HttpRequest, HttpServer, call, legacy, modern, write_token_file},
    wait::wait_until,
};
use serde_json::{Value, json};

const LOW: &str = "mcp-conformance-scope-low";
const FULL: &str = "mcp-conformance-scope-full";
const BOTH: &str = "mcp:conformance:tools:call mcp:conformance:tools:test_simple_text";

fn web() -> Command {
    Command::new(env!("CARGO_BIN_EXE_web"))
}

async fn with_tokens(folder: &Path) -> HttpServer {
    let full = format!("mcp:conformance:baseline {BOTH}");
    let file = write_token_file(folder, &[(LOW, "low", "mcp:conformance:baseline"), (FULL, "full", &full)]);
    HttpServer::start(web(), &["--tokens", &file]).await
}

#[tokio::test]
async fn calls_with_insufficient_scope_get_403_and_all_needed_scopes() {
    let folder = tempfile::tempdir().unwrap();
    let site = with_tokens(folder.path()).await;
    let (low, full) = (site.open_session(Some(LOW)).await, site.open_session(Some(FULL)).await);
    let name = json!({"name": "test_simple_text", "arguments": {}});
    for (low, full) in [
        (call("test_simple_text", json!({})), call("test_simple_text", json!({}))),
        (legacy(&low, "tools/call", name.clone()), legacy(&full, "tools/call", name)),
    ] {
        let refused = site.send(&low.bearer(LOW)).await;
        assert_eq!(refused.status, 403);
        let challenge = refused.header("www-authenticate").unwrap();
        let starts = format!("Bearer error=\"insufficient_scope\", scope=\"{BOTH}\"");
        assert!(challenge.starts_with(&starts), "{challenge}");
        let message = refused.message();
        assert_eq!((&message["id"], &message["error"]["code"]), (&json!(7), &json!(-31403)), "{message}");
        assert_eq!(message["error"]["data"]["requiredScopes"], json!(BOTH.split(' ').collect::<Vec<_>>()));
        let answered = site.send(&full.bearer(FULL)).await;
        assert_eq!(answered.status, 200);
        assert_eq!(answered.message()["result"]["content"][0]["text"], "simple");
    }
}

#[tokio::test]
async fn calls_without_a_valid_token_get_401_and_a_challenge() {
    let folder = tempfile::tempdir().unwrap();
    let site = with_tokens(folder.path()).await;
    let hello = || call("hello", json!({}));
    let secret = "candor_not-one-of-ours";
    for (ask, error) in [
        (hello(), None),
        (hello().with("authorization", "Basic YTpi"), None),
        (hello().bearer(secret), Some("invalid_token")),
        (hello().bearer(&"x".repeat(20_000)), Some("invalid_token")),
        (modern("tools/list", json!({})), None),
        (HttpRequest::get("/mcp").with("accept", "text/event-stream"), None),
        (HttpRequest::post("not even JSON"), None),
    ] {
        let refused = site.send(&ask).await;
        assert_eq!(refused.status, 401, "{ask:?}");
        let challenge = refused.header("www-authenticate").unwrap();
        assert_eq!(challenge.contains("error="), error.is_some(), "{challenge}");
        assert!(error.is_none_or(|error| challenge.contains(error)), "{challenge}");
        assert!(!format!("{refused:?}").contains(secret), "the token is repeated");
    }
    let twice = hello().bearer(FULL);
    let mut twice = twice.clone();
    twice.headers.push(("authorization".to_owned(), format!("Bearer {LOW}")));
    assert_eq!(site.send(&twice).await.status, 401, "two tokens are not accepted");
    let answered = site.send(&hello().with("authorization", &format!("bearer  {FULL}"))).await;
    assert_eq!(answered.message()["result"]["content"][0]["text"], "hello full");
}

#[tokio::test]
async fn tool_lists_are_filtered_by_scope_and_private() {
    let folder = tempfile::tempdir().unwrap();
    let site = with_tokens(folder.path()).await;
    let names = |list: &Value| -> Vec<String> {
        let tools = list["result"]["tools"].as_array().unwrap().iter();
        tools.map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
    };
    let low = site.send(&modern("tools/list", json!({})).bearer(LOW)).await.message();
    let full = site.send(&modern("tools/list", json!({})).bearer(FULL)).await.message();
    assert_eq!(low["result"]["cacheScope"], "private");
    let public = ["alone", "fill", "hello", "in_flight", "late_report", "linger", "measure", "twice", "wait"];
    assert_eq!(names(&low), public);
    let mut all = [&public[..], &["test_simple_text"]].concat();
    all.sort_unstable();
    assert_eq!(names(&full), all);
}

#[tokio::test]
async fn concealed_tools_and_unknown_tools_get_identical_http_answers() {
    let mut command = web();
    command.env("WEB", "conceal");
    let site = HttpServer::start(command, &[]).await;
    let concealed = site.send(&call("test_simple_text", json!({}))).await;
    let unknown = site.send(&call("test_simple_tent", json!({}))).await;
    assert_eq!(concealed.body, unknown.body.replace("tent", "text"));
    let date = |answer: &candor_tests::http::HttpResponse| {
        answer.head.lines().filter(|line| !line.starts_with("date")).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(date(&concealed), date(&unknown));
    assert_eq!((concealed.status, &concealed.message()["error"]["code"]), (200, &json!(-32602)));
}

#[tokio::test]
async fn calls_over_a_limit_are_told_when_to_retry() {
    let site = HttpServer::start(web(), &[]).await;
    let held = site.open_session(None).await;
    assert_eq!(site.send(&call("twice", json!({}))).await.status, 200);
    let in_session = legacy(&held, "tools/call", json!({"name": "twice", "arguments": {}}));
    assert_eq!(site.send(&in_session).await.status, 200, "one call counts once");
    // Before 2026-07-28, some clients end their session at an error status.
    for (ask, status) in [(call("twice", json!({})), 429), (in_session, 200)] {
        let refused = site.send(&ask).await;
        assert_eq!((refused.status, refused.header("retry-after")), (status, Some("30")), "{refused:?}");
        let message = refused.message();
        assert_eq!((&message["id"], &message["error"]["code"]), (&json!(7), &json!(-31429)));
        assert_eq!(
            message["error"]["data"],
            json!({"reason": "rate_limited", "limit": "tool", "retryAfterSeconds": 30})
        );
    }
    let mut busy = site.connect().await;
    busy.send(&call("alone", json!({"time": 3_000})).bytes(site.address)).await;
    wait_until(async || {
        site.send(&call("in_flight", json!({}))).await.message()["result"]["structuredContent"] == 1
    })
    .await;
    let refused = site.send(&call("alone", json!({"time": 0}))).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")));
    assert_eq!(refused.message()["error"]["data"]["reason"], "too_many_in_flight");
    assert_eq!(busy.response().await.unwrap().status, 200);
    assert_eq!(site.send(&call("alone", json!({"time": 0}))).await.status, 200, "its place is free again");
}

#[tokio::test]
async fn headers_that_contradict_the_body_get_400() {
    let folder = tempfile::tempdir().unwrap();
    let site = with_tokens(folder.path()).await;
    for (method, name) in [
        ("tools/call", "hello"),
        ("tools/list", "test_simple_text"),
        ("tools/call", "=?base64?aGVsbG8=?="),
        ("tools/call", "test_simple_text\u{e9}"),
    ] {
        for token in [LOW, FULL] {
            let ask = call("test_simple_text", json!({})).with("mcp-method", method).with("mcp-name", name);
            let refused = site.send(&ask.bearer(token)).await;
            assert_eq!(
                (refused.status, &refused.message()["error"]["code"]),
                (400, &json!(-32020)),
                "{refused:?}"
            );
        }
    }
    let mut nameless = call("test_simple_text", json!({})).bearer(FULL);
    nameless.headers.retain(|(name, _)| name != "mcp-name");
    assert_eq!(site.send(&nameless).await.status, 400);
    let coded = call("test_simple_text", json!({})).with("mcp-name", "=?base64?dGVzdF9zaW1wbGVfdGV4dA==?=");
    assert_eq!(site.send(&coded.clone().bearer(LOW)).await.status, 403);
    assert_eq!(site.send(&coded.bearer(FULL)).await.status, 200);
    // The name said twice in the body, where readers differ on which one counts.
    let twice = call("hello", json!({})).bearer(LOW);
    let twice = HttpRequest {
        body: twice.body.replace("\"name\":\"hello\"", "\"name\":\"test_simple_text\",\"name\":\"hello\""),
        ..twice
    };
    assert_eq!(site.send(&twice).await.status, 400);
}

#[tokio::test]
async fn requests_from_unknown_hosts_and_origins_get_403() {
    let site = HttpServer::start(
        web(),
        &["--allow-host", "prices.example", "--allow-origin", "https://app.example"],
    )
    .await;
    let hello = || call("hello", json!({}));
    for (name, value, status) in [
        ("host", "evil.example", 403),
        ("host", "127.0.0.1.evil.example", 403),
        ("host", "prices.example", 200),
        ("host", "localhost:1", 200),
        ("origin", "https://evil.example", 403),
        ("origin", "null", 403),
        ("origin", "http://localhost:3000", 200),
        ("origin", "https://app.example", 200),
        ("origin", "http://app.example", 403),
    ] {
        assert_eq!(site.send(&hello().with(name, value)).await.status, status, "{name}: {value}");
    }
    for (name, value, fact, flag) in [
        ("host", "evil.example", "this `Host` is not a name of this server", "--allow-host"),
        (
            "origin",
            "https://evil.example",
            "pages of this `Origin` may not call this server",
            "--allow-origin",
        ),
    ] {
        let refused = site.send(&hello().with(name, value)).await;
        assert!(refused.body.contains(fact) && refused.body.contains(flag), "{}", refused.body);
    }
    // The address of the request line differs from `Host`. A proxy may have read either.
    let mut ask = hello();
    ask.line = "POST http://evil.example/mcp".to_owned();
    assert_eq!(site.send(&ask).await.status, 403);
    site.assert_alive().await;
}

#[tokio::test]
async fn servers_that_others_reach_are_warned_without_allow_host() {
    let folder = tempfile::tempdir().unwrap();
    let file = write_token_file(folder.path(), &[(LOW, "low", "x")]);
    let start = async |flags: &[&str]| {
        let mut command = web();
        command.args(["serve", "--tokens", &file, "--http"]).args(flags);
        HttpServer::start_command(command).await
    };
    let warning = "--allow-host";
    let site = start(&["0.0.0.0:0"]).await;
    assert!(site.stderr().contains(warning), "{}", site.stderr());
    let hello = |host: &str| call("hello", json!({})).bearer(LOW).with("host", host);
    assert_eq!(site.send(&hello("prices.example")).await.status, 403);
    assert_eq!(site.send(&hello("localhost")).await.status, 200);
    let site = start(&["0.0.0.0:0", "--allow-host", "prices.example"]).await;
    assert!(!site.stderr().contains(warning), "{}", site.stderr());
    assert_eq!(site.send(&hello("prices.example")).await.status, 200);
    for quiet in [&["127.0.0.1:0"][..], &["0.0.0.0:0", "--quiet"]] {
        assert!(!start(quiet).await.stderr().contains(warning), "{quiet:?}");
    }
}

#[tokio::test]
async fn token_files_are_read_again_on_hang_up() {
    let folder = tempfile::tempdir().unwrap();
    let file = write_token_file(folder.path(), &[(LOW, "low", "x")]);
    let site = HttpServer::start(web(), &["--tokens", &file]).await;
    site.assert_alive_as(Some(LOW)).await;
    write_token_file(folder.path(), &[(FULL, "full", "x")]);
    assert_eq!(site.send(&call("hello", json!({})).bearer(FULL)).await.status, 401);
    site.process.signal("HUP");
    wait_until(async || site.send(&call("hello", json!({})).bearer(FULL)).await.status != 401).await;
    assert_eq!(site.send(&call("hello", json!({})).bearer(LOW)).await.status, 401, "it was taken away");
    std::fs::write(&file, "nonsense").unwrap();
    site.process.signal("HUP");
    wait_until(async || {
        site.assert_alive_as(Some(FULL)).await;
        site.stderr().contains("the tokens that were read earlier remain valid")
    })
    .await;
    site.assert_alive_as(Some(FULL)).await;
}

/// The error of `serve` with these flags.
fn start_error(flags: &[&str]) -> String {
    let ended = web().arg("serve").args(flags).output().unwrap();
    assert_eq!(ended.status.code(), Some(2), "{flags:?}");
    String::from_utf8(ended.stderr).unwrap()
}

#[test]
fn unsafe_flags_are_refused_with_the_flag_that_helps() {
    let folder = tempfile::tempdir().unwrap();
    let file = write_token_file(folder.path(), &[(LOW, "low", "x")]);
    for (flags, fix) in [
        (&["--http", "0.0.0.0:0"][..], "--tokens FILE"),
        (&["--http", "[::]:0"], "--public-without-auth"),
        (&["--http", "0.0.0.0:0", "--grant", "a"], "127.0.0.1"),
        (&["--http", "0.0.0.0:0", "--public-without-auth"], "--tokens FILE"),
        (&["--http", "127.0.0.1:0", "--tokens", &file, "--grant", "a"], "remove `--grant`"),
        (&["--http", "127.0.0.1:0", "--tokens", "/no/such/file"], "token new"),
        (&["--http", "here"], "127.0.0.1:8080"),
        (&["--http", "127.0.0.1:0", "--allow-origin", "evil"], "https://app.example.com"),
        (&["--http", "127.0.0.1:0", "--allow-host", "a b"], "prices.example.com"),
        (&["--http", "127.0.0.1:0", "--oauth-issuer", "http://id.example", "--oauth-audience", "x"], "https"),
        (&["--http", "127.0.0.1:0", "--oauth-issuer", "https://id.example"], "--oauth-audience"),
        (&["--http", "127.0.0.1:0", "--public-url", "api://prices"], "https://prices.example.com/mcp"),
        (&["--http", "127.0.0.1:0", "--public-url", "https://a@prices.example/mcp"], "expected an `http`"),
        (&["--tokens", "x"], "--http"),
        (&["--drain-timeout", "ages"], "30s"),
    ] {
        let error = start_error(flags);
        assert!(error.contains(fix), "{flags:?}: {error}");
    }
}
