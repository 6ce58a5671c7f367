//! `stats --from` sums up the metrics of a running server, and says what to type when an address has none.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    process::{Command, Output, Stdio},
    thread,
};

use candor_tests::http::{self, HttpRequest, HttpServer};
use serde_json::{Value, json};

const LEDGER: &str = env!("CARGO_BIN_EXE_ledger");
const TOKEN: &str = "CANDOR_STATS_TOKEN";

fn fixture() -> Command {
    Command::new(env!("CARGO_BIN_EXE_fixture"))
}

fn stats(url: &str, arguments: &[&str], token: Option<&str>) -> Output {
    let mut command = Command::new(LEDGER);
    command.args(["stats", "--from", url]).args(arguments).stdin(Stdio::null()).env_remove(TOKEN);
    command.envs(token.map(|token| (TOKEN, token))).output().unwrap()
}

/// The bounds of the first buckets in microseconds, and as a person reads them. A call takes as long as the machine lets it.
const BOUNDS: [(u64, &str); 7] = [
    (10_000, "≤10.0 ms"),
    (20_000, "≤20.0 ms"),
    (50_000, "≤50.0 ms"),
    (100_000, "≤100 ms"),
    (200_000, "≤200 ms"),
    (500_000, "≤500 ms"),
    (1_000_000, "≤1.00 s"),
];

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Answers every connection with these bytes. Returns the address.
fn answering(bytes: impl Into<Vec<u8>>) -> String {
    let (listener, bytes) = (TcpListener::bind("127.0.0.1:0").unwrap(), bytes.into());
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(&bytes);
        }
    });
    format!("http://{address}/metrics")
}

fn ok(kind: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into()
}

#[tokio::test]
async fn stats_from_a_running_server_are_those_of_its_calls() {
    let server = HttpServer::start(fixture(), &[]).await;
    for _ in 0..3 {
        assert_eq!(server.send(&http::call("measure", json!({"text": "abc"}))).await.status, 200);
    }
    server.send(&http::call("measure", json!({"text": 7}))).await;
    server.send(&http::call("no_such_tool", json!({}))).await;
    let base = format!("http://{}", server.address);
    let mut slowest = "";
    // The path is a detail that a person need not know.
    for url in [format!("{base}/metrics"), base.clone(), format!("{base}/")] {
        let output = stats(&url, &["--format", "json"], None);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["source"], "metrics");
        assert_eq!(
            (&report["calls"], &report["errors"], &report["denied"]),
            (&json!(4), &json!(1), &json!(2))
        );
        let measure = &report["tools"][0];
        assert_eq!((&measure["tool"], &measure["calls"]), (&json!("measure"), &json!(4)));
        assert_eq!(measure["errors_by_reason"], json!({"tool_error": 1}));
        let bound = BOUNDS.iter().find(|(bound, _)| measure["p95_us"] == *bound);
        slowest = bound.unwrap_or_else(|| panic!("{measure}")).1;
        assert_eq!(report["denied_by"], json!({"schema": 1, "unknown_tool": 1}));
    }
    let table = text(&stats(&base, &[], None).stdout);
    assert!(table.contains("4 calls, 75.0 % succeeded, 1 errors, 2 denied"), "{table}");
    assert!(table.contains("since the start of the server"), "{table}");
    assert!(table.lines().any(|line| line.starts_with("measure ") && line.contains(slowest)), "{table}");
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    let other = text(&stats(&base, &["--tool", "other"], None).stdout);
    assert!(other.contains(": 0 calls"), "{other}");

    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("stats.html");
    assert_eq!(stats(&base, &["--html", page.to_str().unwrap()], None).status.code(), Some(0));
    let page = fs::read_to_string(page).unwrap();
    assert!(page.contains("<bdi>measure</bdi>") && page.contains(slowest), "{page}");
    assert!(page.contains("unknown_tool") && !page.contains("within the period"), "{page}");
}

#[tokio::test]
async fn stats_from_a_server_that_is_called_are_refreshed() {
    let server = HttpServer::start(fixture(), &[]).await;
    let url = format!("http://{}/metrics", server.address);
    let mut command = Command::new(LEDGER);
    command.args(["stats", "--follow", "--format", "json", "--from", &url]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut calls =
        || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap()["calls"].as_u64().unwrap();
    // A server without calls is not an error.
    assert_eq!(calls(), 0);
    assert_eq!(server.send(&http::call("measure", json!({"text": "abc"}))).await.status, 200);
    while calls() != 1 {}
    drop(lines);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[tokio::test]
async fn stats_from_a_server_with_tokens_take_one_from_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = http::write_token_file(folder.path(), &[("a-good-token", "ada", "")]);
    let server = HttpServer::start(fixture(), &["--tokens", &tokens]).await;
    let url = format!("http://{}/metrics", server.address);
    assert_eq!(server.send(&HttpRequest::get("/metrics")).await.status, 401);
    for (token, help) in [
        (None, "help: set the environment variable `CANDOR_STATS_TOKEN`"),
        (Some("a-bad-token"), "does not accept the token, and answers 401"),
        (Some("a\nb"), "help: set it to one line"),
    ] {
        let output = stats(&url, &[], token);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(help) && token.is_none_or(|token| !stderr.contains(token)), "{stderr}");
    }
    let output = stats(&url, &[], Some("a-good-token"));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    // A token must not be read on its way.
    let output = stats("http://192.0.2.1/metrics", &[], Some("a-good-token"));
    assert!(text(&output.stderr).contains("sent over `https` or to this machine only"));
}

#[test]
fn addresses_without_metrics_are_refused_with_what_to_type() {
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let page = "<!doctype html><title>metrics</title>";
    let metrics = "# TYPE mcp_server_operation_duration_seconds histogram\n";
    let kind = "application/openmetrics-text";
    let ended = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
    let cases: [(String, &str); 12] = [
        (answering(ended), "has no metrics: it answers with status 404"),
        (answering("HTTP/1.1 302 Found\r\nlocation: /login\r\ncontent-length: 0\r\n\r\n"), "with status 302"),
        (answering("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"), "with status 403"),
        (answering(ok("text/html", page)), "line 1 is not in the format OpenMetrics 1.0"),
        (answering(ok(kind, metrics)), "it does not end with `# EOF`"),
        (answering(ok(kind, "up 1\n# EOF\n")), "are not those of an MCP server"),
        (answering(""), "does not answer: the request failed"),
        (answering(b"\x00\xff\x00"), "does not answer: the request failed"),
        (answering(format!("{}\u{ff}", String::from_utf8(ok(kind, metrics)).unwrap())), "# EOF"),
        (format!("http://{unused}/metrics"), "does not answer: the request failed"),
        ("localhost:8080".to_owned(), "`localhost:8080` is not the address of a server"),
        ("http://".to_owned(), "is not the address of a server"),
    ];
    for (url, fact) in cases {
        let output = stats(&url, &[], None);
        let stderr = text(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{url}: {stderr}");
        assert!(stderr.starts_with("error: ") && stderr.contains(fact), "{url}: {stderr}");
        assert!(stderr.contains("\nhelp: "), "{url}: {stderr}");
    }
    let both = stats("http://127.0.0.1:8080", &["--since", "1d"], None);
    assert_eq!(both.status.code(), Some(2));
}

#[test]
fn names_in_metrics_of_a_foreign_server_are_text() {
    let name = r"\u{1b}[31m</td><script>window.ran = 1</script>\\ \n".replace("\\u{1b}", "\u{1b}");
    let series = format!(
        "mcp_server_operation_duration_seconds_count{{mcp_method_name=\"tools/call\",gen_ai_tool_name=\"{name}\"}} 3\n# EOF\n"
    );
    let url = answering(ok("application/openmetrics-text", &series));
    let output = stats(&url, &[], None);
    let table = text(&output.stdout);
    assert!(table.contains("3 calls") && !table.contains('\u{1b}'), "{table}{}", text(&output.stderr));
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("stats.html");
    assert_eq!(stats(&url, &["--html", page.to_str().unwrap()], None).status.code(), Some(0));
    assert!(!fs::read_to_string(page).unwrap().contains("<script"));
}
