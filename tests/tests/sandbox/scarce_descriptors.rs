//! Servers whose descriptors run out: no sandbox opens, and everything works again when there are descriptors.

use std::{
    path::Path,
    process::{Command, Stdio},
    thread,
};

use candor::Revision;
use candor_tests::{
    http::{HttpConnection, HttpRequest, HttpResponse, HttpServer, call},
    stdio_server::StdioServer,
    wait::wait_until,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};

/// The server under a limit of open files.
fn scarce(limit: usize) -> Command {
    limited(env!("CARGO_BIN_EXE_scarce"), limit)
}

/// A program under a limit of open files.
fn limited(program: &str, limit: usize) -> Command {
    let mut command = Command::new("sh");
    let script = format!("ulimit -n {limit}; exec \"$0\" \"$@\"");
    command.args(["-c", &script, program]).env("RUST_BACKTRACE", "0");
    command
}

/// The reason of a tool's error.
fn reason(answer: &Value) -> &str {
    answer["result"]["_meta"]["io.github.candor-mcp/reason"].as_str().unwrap_or_default()
}

/// Lets this process open as many connections as the tests need.
fn raise_own_limit() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
}

/// Has tools lie at the same time, each for another folder.
async fn assert_no_lie_succeeds(server: &HttpServer, folder: &Path) {
    let mut connections = Vec::new();
    for at in 0..6 {
        let tool = ["lie", "lie_blocking"][at % 2];
        let mut connection = server.connect().await;
        let request = call(tool, json!({"path": folder.join(format!("{tool}-{at}"))}));
        connection.send(&request.bytes(server.address)).await;
        connections.push(connection);
    }
    for mut connection in connections {
        // Where descriptors are very scarce, the server may close a connection at once.
        if let Some(response) = connection.response().await {
            assert_eq!(reason(&response.message()), "permission_denied", "{response:?}");
        }
    }
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0);
}

#[test]
fn call_without_descriptors_says_what_to_type() {
    for limit in 6..30 {
        let output =
            limited(env!("CARGO_BIN_EXE_fixture"), limit).args(["call", "add", "a=1", "b=2"]).output();
        let output = output.expect("a shell");
        let stderr = String::from_utf8(output.stderr).unwrap();
        let is_answered = output.status.success() && output.stdout == b"3\n";
        assert!(is_answered || stderr.contains("`ulimit -n 4096`"), "{limit}: {:?} {stderr}", output.status);
    }
}

#[test]
fn start_without_descriptors_says_what_to_type_and_leaves_nothing_in_the_way() {
    // The second one makes its state before it serves, in a runtime of its own; the third one must have a log.
    let programs = [env!("CARGO_BIN_EXE_scarce"), env!("CARGO_BIN_EXE_pools"), env!("CARGO_BIN_EXE_ledger")];
    thread::scope(|scope| {
        for program in programs {
            scope.spawn(move || assert_starts_under_any_limit(program));
        }
    });
}

fn assert_starts_under_any_limit(program: &str) {
    for limit in 6..40 {
        let folder = tempfile::tempdir().unwrap();
        let serve = |mut command: Command| {
            command.arg("serve").env("XDG_STATE_HOME", folder.path()).stdin(Stdio::null());
            let output = command.output().unwrap();
            (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
        };
        let (is_served, stderr) = serve(limited(program, limit));
        assert!(is_served || stderr.contains("`ulimit -n 4096`"), "{program}, {limit}: {stderr}");
        assert!(!stderr.contains("panicked"), "{program}, {limit}: {stderr}");
        let (is_served, stderr) = serve(Command::new(program));
        assert!(is_served, "{program}, after {limit}: {stderr}");
    }
}

#[tokio::test]
async fn idle_connections_leave_descriptors_for_handlers_under_any_limit() {
    raise_own_limit();
    for limit in [40, 64, 128, 256, 1_024] {
        let folder = tempfile::tempdir().unwrap();
        let server = HttpServer::start(scarce(limit), &[]).await;
        let mut idle = Vec::new();
        for _ in 0..limit + 50 {
            idle.push(server.connect().await);
        }
        for _ in 0..3 {
            assert_no_lie_succeeds(&server, folder.path()).await;
            let read = server.send(&call("read", json!({}))).await.message();
            assert!(read["result"]["structuredContent"].as_u64() > Some(0), "{limit}: {read}");
            assert_eq!(server.send(&HttpRequest::get("/readyz")).await.status, 200, "{limit}");
        }
        drop(idle);
        let read = server.send(&call("read", json!({}))).await.message();
        assert!(read["result"]["structuredContent"].as_u64() > Some(0), "{limit}: {read}");
        assert!(server.stderr().contains("warning: at most "), "{limit}: {}", server.stderr());
    }
}

#[tokio::test]
async fn threads_that_start_without_a_descriptor_are_sandboxed() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = start(64).await;
    // The threads of the sandbox start, and the next ones inherit.
    assert_eq!(lie(&mut server, "lie", folder.path()).await, "permission_denied");
    server.client.call("hoard", json!({})).await;
    for _ in 0..10 {
        for tool in ["lie", "lie_blocking"] {
            assert_eq!(lie(&mut server, tool, folder.path()).await, "permission_denied", "{tool}");
        }
    }
    let read = server.client.call("read", json!({})).await;
    assert_eq!(read["result"]["isError"], true, "it has no descriptor: {read}");
    server.client.call("release", json!({})).await;
    let read = server.client.call("read", json!({})).await;
    assert_eq!(read["result"]["isError"], false, "{read}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn sandbox_that_cannot_start_refuses_its_calls_and_starts_later() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = start(64).await;
    server.client.call("hoard", json!({})).await;
    for tool in ["lie", "lie_blocking", "lie"] {
        assert_eq!(lie(&mut server, tool, folder.path()).await, "sandbox", "{tool}");
    }
    let read = server.client.call("read", json!({})).await;
    assert_eq!(reason(&read), "sandbox", "{read}");
    let report = "error: threads of `read_only` tools cannot be started\nnote: ";
    wait_until(async || server.stderr().contains(report)).await;
    assert_eq!(server.stderr().matches("error: ").count(), 1, "{}", server.stderr());
    server.client.call("release", json!({})).await;
    for tool in ["lie", "lie_blocking"] {
        assert_eq!(lie(&mut server, tool, folder.path()).await, "permission_denied", "{tool}");
    }
    let read = server.client.call("read", json!({})).await;
    assert_eq!(read["result"]["isError"], false, "{read}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn thread_that_an_unsandboxed_thread_starts_for_a_sandbox_runs_nothing_until_it_is_restricted() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = start(64).await;
    server.client.call("keep_handle", json!({})).await;
    server.client.call("start_unsandboxed", json!({})).await;
    server.client.call("hoard", json!({})).await;
    assert_eq!(lie(&mut server, "lie_through_handle", folder.path()).await, "deadline_exceeded");
    wait_until(async || server.stderr().contains("error: a thread of a sandbox cannot be restricted\n"))
        .await;
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    server.client.call("release", json!({})).await;
    assert_ne!(lie(&mut server, "lie_through_handle", folder.path()).await, "deadline_exceeded");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn sandbox_that_cannot_start_is_not_ready_until_it_can() {
    let server = HttpServer::start(scarce(160), &[]).await;
    let mut control = server.connect().await;
    let mut holders = Vec::new();
    for _ in 0..64 {
        let mut holder = server.connect().await;
        // Without an answer, it may still wait to be accepted, which takes a descriptor.
        assert_eq!(exchange(&mut holder, &server, &HttpRequest::get("/livez")).await.status, 200);
        holders.push(holder);
    }
    exchange(&mut control, &server, &call("hoard", json!({}))).await;
    // They block every thread of their sandbox, and further threads cannot be started.
    for holder in &mut holders {
        holder.send(&call("hold", json!({})).bytes(server.address)).await;
    }
    for holder in &mut holders {
        let answer = holder.response().await.expect("an answer").message();
        assert_eq!(reason(&answer), "deadline_exceeded", "{answer}");
    }
    let passed = exchange(&mut control, &server, &call("pass", json!({}))).await;
    assert_eq!(reason(&passed.message()), "deadline_exceeded", "{passed:?}");
    let passed = exchange(&mut control, &server, &call("pass", json!({}))).await;
    assert_eq!(reason(&passed.message()), "deadline_exceeded", "{passed:?}");
    let ready = exchange(&mut control, &server, &HttpRequest::get("/readyz")).await;
    assert_eq!(ready.message(), json!({"ready": false, "failed": ["sandbox"]}));
    exchange(&mut control, &server, &call("release", json!({}))).await;
    let ready = exchange(&mut control, &server, &HttpRequest::get("/readyz")).await;
    assert_eq!(ready.status, 200, "{ready:?}");
    let passed = exchange(&mut control, &server, &call("pass", json!({}))).await;
    assert_eq!(passed.message()["result"]["isError"], false, "{passed:?}");
    // Another thread writes the lines.
    wait_until(async || server.stderr().contains("are blocked\n")).await;
    let stderr = server.stderr();
    assert_eq!(
        stderr.matches("error: threads of `read_only` and `closed_world` tools ").count(),
        1,
        "{stderr}"
    );
    assert_eq!(stderr.matches("are blocked\n").count(), 1, "{stderr}");
}

async fn start(limit: usize) -> StdioServer {
    let mut command = scarce(limit);
    command.args(["serve", "--quiet"]);
    let mut server = StdioServer::start(command);
    server.client.initialize(Revision::V2025_11_25).await;
    server
}

/// Has a tool make a folder, and returns the reason of its error.
async fn lie(server: &mut StdioServer, tool: &str, folder: &Path) -> String {
    let answer = server.client.call(tool, json!({"path": folder.join(tool)})).await;
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    reason(&answer).to_owned()
}

async fn exchange(
    connection: &mut HttpConnection,
    server: &HttpServer,
    request: &HttpRequest,
) -> HttpResponse {
    connection.send(&request.bytes(server.address)).await;
    connection.response().await.expect("a response")
}
