//! The lines on stderr: their form, and the levels at which they hold texts of tools. No level shows what a client sent besides.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use candor_tests::{
    http::{self, HttpServer},
    messages::{metadata, request},
    raw_client::RawClient,
    stdio_server::{Exit, StdioServer},
    wait::wait_until,
};
use serde_json::{Value, json};

/// Marks in the text of the error, in a secret argument, in `_meta`, and in the token.
const TEXT: &str = "t3xt-4711";
const SECRET: &str = "s3cr3t-4711";
const META: &str = "m3ta-4711";
const TOKEN: &str = "t0ken-4711-0123456789";

fn command(variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_logged"));
    command.env_remove("RUST_LOG").envs(variables.iter().copied());
    command
}

fn call() -> String {
    let mut meta = metadata("2026-07-28", &json!({}));
    for key in ["traceparent", "tracestate", "baggage", "progressToken", META] {
        meta[key] = json!(META);
    }
    let arguments = json!({"text": TEXT, "word": SECRET});
    request(&json!(META), "tools/call", json!({"name": "repeat", "arguments": arguments, "_meta": meta}))
}

/// Calls the tool once over stdio, and sends a request that fails.
async fn over_stdio(flags: &[&str], variables: &[(&str, &str)]) -> Exit {
    let mut command = command(variables);
    command.arg("serve").args(flags);
    let mut server = StdioServer::start(command);
    let answer = server.client.exchange(call()).await;
    assert!(answer["result"]["content"][0]["text"].as_str().unwrap().contains(TEXT), "{answer}");
    server.client.exchange(call().replace("\"repeat\"", &format!("\"{META}\""))).await;
    server.client.exchange(format!("{META} is not JSON")).await;
    server.close().await
}

/// As [`over_stdio`], with a token. Returns its stderr.
async fn over_http(flags: &[&str], variables: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let tokens = http::write_token_file(folder.path(), &[(TOKEN, "ada", "")]);
    let mut server = HttpServer::start(command(variables), &[&["--tokens", &tokens], flags].concat()).await;
    let request = http::call("repeat", json!({"text": TEXT, "word": SECRET}));
    let request = request.bearer(TOKEN).with("x-mark", META).with("traceparent", META);
    assert_eq!(server.send(&request).await.status, 200);
    server.send(&request.clone().bearer(META)).await;
    server.send(&http::HttpRequest::post(META).bearer(TOKEN)).await;
    server.process.signal("TERM");
    server.wait().await;
    let ended =
        async || server.stderr().contains("\"candor::call\"") || server.stderr().contains(" candor::call");
    wait_until(ended).await;
    server.stderr()
}

#[tokio::test]
async fn log_has_texts_of_tools_from_debug_on_and_nothing_else_of_a_client() {
    let exposing = "the log holds error messages and progress texts of tools";
    for (flags, variables, has_texts) in [
        (&[][..], &[][..], false),
        (&["--log-level", "info"], &[("RUST_LOG", "trace")], false),
        (&["--log-level", "debug"], &[], true),
        (&["--log-level", "trace"], &[], true),
        (&[], &[("RUST_LOG", "debug")], true),
        (&[], &[("RUST_LOG", "trace,rmcp=trace,hyper=trace,axum=trace,tower=trace")], true),
        (&["--log-format", "text", "--log-level", "trace"], &[], true),
    ] {
        let stdio = over_stdio(flags, variables).await.stderr;
        let http = over_http(flags, variables).await;
        for stderr in [stdio, http] {
            assert_eq!(stderr.contains(TEXT), has_texts, "{flags:?} {variables:?}: {stderr}");
            assert_eq!(stderr.contains(exposing), has_texts, "{flags:?} {variables:?}: {stderr}");
            for mark in [SECRET, META, TOKEN] {
                assert!(!stderr.contains(mark), "{mark}, {flags:?} {variables:?}: {stderr}");
            }
            // The warning comes before the first line that it is about.
            assert!(!has_texts || stderr.find(exposing) < stderr.find(TEXT), "{stderr}");
        }
    }
}

#[tokio::test]
async fn text_lines_are_for_people_and_json_lines_for_programs() {
    let text = over_stdio(&["--log-format", "text"], &[]).await.stderr;
    let calls: Vec<&str> = text.lines().filter(|line| line.contains(" candor::call: call ")).collect();
    let [call, unknown] = &calls[..] else { panic!("{text}") };
    for part in ["INFO", "tool=\"repeat\"", "outcome=\"error\"", "error_type=\"tool_error\"", "latency_us="] {
        assert!(call.contains(part), "{call}");
    }
    assert!(unknown.contains("denied_by=\"unknown_tool\"") && !unknown.contains("tool="), "{unknown}");
    let own = " INFO logged: the program writes letters=11 colour=\\x1b[31mred\n";
    assert!(text.contains(own) && text.contains("Z  INFO candor::call: call "), "{text}");
    assert!(!text.contains('\u{1b}') && !text.lines().any(|line| line.starts_with('{')), "{text}");

    let json = over_stdio(&["--log-format", "json"], &[]).await.stderr;
    // A log that no terminal shows is JSON in any case.
    let default = over_stdio(&[], &[]).await.stderr;
    for lines in [json, default] {
        // Other programs may read the line by its beginning.
        let line = lines.lines().find(|line| line.contains("\"candor::call\"")).unwrap();
        let (start, rest) = line.split_once("Z\",").unwrap();
        let time: String = start.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(time, "{\"timestamp\":\"0000-00-00T00:00:00.000000", "{line}");
        let start = r#""level":"INFO","message":"call","tool":"repeat","caller":"hmac:"#;
        let end = r#"","outcome":"error","error_type":"tool_error","latency_us":N,"target":"candor::call"}"#;
        let latency: String =
            line.split_once("_us\":").unwrap().1.chars().take_while(char::is_ascii_digit).collect();
        assert!(rest.starts_with(start) && rest.ends_with(&end.replace('N', &latency)), "{line}");
        let lines: Vec<Value> = lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let calls: Vec<&Value> = lines.iter().filter(|line| line["target"] == "candor::call").collect();
        assert_eq!(calls.len(), 2, "{lines:?}");
        assert_eq!((&calls[0]["tool"], &calls[0]["outcome"]), (&json!("repeat"), &json!("error")));
        assert!(calls[0]["latency_us"].is_u64() && calls[0]["level"] == "INFO", "{}", calls[0]);
        assert!(lines.iter().any(|line| line["message"] == "the program writes" && line["letters"] == 11));
    }
}

#[tokio::test]
async fn line_of_a_call_names_the_trace_of_its_client() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let mut command = command(&[]);
    command.arg("serve");
    let mut server = StdioServer::start(command);
    let traceparent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    server
        .client
        .exchange(
            call().replace(
                &format!("\"traceparent\":\"{META}\""),
                &format!("\"traceparent\":\"{traceparent}\""),
            ),
        )
        .await;
    server.client.exchange(call()).await;
    let stderr = server.close().await.stderr;
    let lines = stderr.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let calls: Vec<Value> = lines.filter(|line| line["target"] == "candor::call").collect();
    let traces: Vec<_> = calls.iter().map(|line| line.get("trace_id").and_then(Value::as_str)).collect();
    assert_eq!(traces, [Some(TRACE), None], "{stderr}");
}

#[tokio::test]
async fn lines_are_whole_and_complete_when_the_process_ends() {
    let mut command = command(&[]);
    command.args(["serve", "--log-format", "json"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = tokio::process::Command::from(command).kill_on_drop(true).spawn().unwrap();
    let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut client = RawClient::over(stdout, stdin);
    // More than a pipe holds, so that lines are queued when the process ends.
    for _ in 0..1_000 {
        client.exchange(call()).await;
    }
    // Its stdin ends, and from now on its stderr is read.
    drop(client);
    let output = child.wait_with_output().await.unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    let lines = stderr.lines().filter(|line| line.starts_with("{\"timestamp\""));
    let lines: Vec<Value> = lines.map(|line| serde_json::from_str(line).expect("a whole line")).collect();
    assert_eq!(lines.iter().filter(|line| line["target"] == "candor::call").count(), 1_000, "{stderr}");
}

#[tokio::test]
async fn subscriber_of_the_program_gets_the_lines_instead() {
    let own = [("LOGGED_OWN", "1")];
    let exit = over_stdio(&[], &own).await;
    assert_eq!(exit.status.code(), Some(0));
    let calls = exit.stderr.matches(" candor::call: call ").count();
    assert_eq!(calls, 2, "{}", exit.stderr);
    assert!(!exit.stderr.contains("warning:") && !exit.stderr.contains("{\"level\""), "{}", exit.stderr);
    let exit = over_stdio(&["--log-level", "debug"], &own).await;
    assert!(
        exit.stderr.contains("warning: `--log-format` and `--log-level` have no effect"),
        "{}",
        exit.stderr
    );
    // Nothing listens there; what matters is that the operator is told.
    let exit = over_stdio(&["--otlp-endpoint", "http://127.0.0.1:9"], &own).await;
    assert!(exit.stderr.contains("warning: no spans are sent"), "{}", exit.stderr);
    assert!(exit.stderr.contains("help: add a layer of `tracing-opentelemetry`"), "{}", exit.stderr);
    assert_eq!(exit.status.code(), Some(0), "{}", exit.stderr);
}

#[tokio::test]
async fn lines_that_are_not_read_delay_no_call() {
    let mut command = command(&[]);
    command.args(["serve", "--log-level", "trace"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut command = tokio::process::Command::from(command);
    // The pipe of stderr is held open, and never read.
    let mut child = command.stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut client = RawClient::over(stdout, stdin);
    for _ in 0..2_000 {
        client.exchange(call()).await;
    }
    client.close().await;
    let ended = tokio::time::timeout(Duration::from_secs(60), child.wait()).await;
    assert_eq!(ended.expect("it ends").unwrap().code(), Some(0));
}
