//! The threads of handlers: each handler has the rights that it declares, and one that blocks delays no answer.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use candor::{Revision, Server, State, mcp_tool, testing::Client, tools};
use candor_tests::{
    http::{self, HttpRequest, HttpServer},
    messages::{call, request},
    raw_client::RawClient,
    stdio_server::StdioServer,
};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

/// Tools, and whether each may write and may connect.
const TOOLS: [(&str, bool, bool); 10] = [
    ("closed", false, false),
    ("closed_blocking", false, false),
    ("closed_in_a_task", false, false),
    ("open", true, true),
    ("open_blocking", true, true),
    ("open_in_a_task", true, true),
    ("writes", true, false),
    ("writes_blocking", true, false),
    ("connects", false, true),
    ("connects_blocking", false, true),
];

/// The two ways to serve over the process's stdin and stdout.
const MODES: [&[&str]; 2] = [&["serve", "--quiet"], &["stdio"]];

struct Rig {
    child: Child,
    client: Client,
}

impl Rig {
    async fn new(mode: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_handler_threads"));
        command
            .args(mode)
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        let (read, write) = (child.stdout.take().unwrap(), child.stdin.take().unwrap());
        let client = Client::connect(read, write, None).await.unwrap();
        Self { child, client }
    }

    /// The reason of a failure, or the text.
    async fn call(&self, tool: &str, arguments: Value) -> String {
        let answer = self.client.call(tool, arguments).await.unwrap();
        answer.reason().map_or_else(|| answer.text(), str::to_owned)
    }

    /// Has a tool write and connect, and checks that exactly what it may do succeeded.
    async fn check(&self, (tool, may_write, may_connect): (&str, bool, bool), folder: &Path) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let path = folder.join(tool);
        let expected = |may: bool| if may { "done" } else { "permission_denied" };
        assert_eq!(self.call(tool, json!({"path": path})).await, expected(may_write), "{tool} writes");
        assert_eq!(path.exists(), may_write, "{tool}");
        let _ = fs::remove_file(path);
        let port = listener.local_addr().unwrap().port();
        assert_eq!(self.call(tool, json!({"port": port})).await, expected(may_connect), "{tool} connects");
        assert_eq!(listener.accept().is_ok(), may_connect, "{tool}");
    }

    /// The names of all threads, each with whether it is under a filter of system calls.
    fn threads(&self) -> Vec<(String, bool)> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id().unwrap())).unwrap();
        let thread = |task: fs::DirEntry| {
            let status = fs::read_to_string(task.path().join("status")).ok()?;
            let value = |key| status.lines().find_map(|line: &str| line.strip_prefix(key)).map(str::trim);
            Some((value("Name:")?.to_owned(), value("Seccomp:")? != "0"))
        };
        tasks.filter_map(|task| thread(task.unwrap())).collect()
    }
}

#[tokio::test]
async fn tools_get_the_rights_they_declare_whichever_is_called_first() {
    for first in 0..TOOLS.len() {
        let folder = tempfile::tempdir().unwrap();
        let rig = Rig::new(MODES[first % 2]).await;
        for at in 0..2 * TOOLS.len() {
            rig.check(TOOLS[(first + at) % TOOLS.len()], folder.path()).await;
        }
    }
}

#[tokio::test]
async fn service_has_no_thread_in_a_sandbox_and_shares_none_with_handlers() {
    for mode in MODES {
        let rig = Rig::new(mode).await;
        for (tool, ..) in TOOLS {
            rig.call(tool, json!({})).await;
        }
        let threads = rig.threads();
        let named = |name: &'static str| threads.iter().filter(move |thread| thread.0.starts_with(name));
        for name in ["sandboxed-rw-ne", "sandboxed-rw", "sandboxed-net", "handler"] {
            assert!(named(name).count() >= 4, "{name} in {threads:?}");
        }
        assert!(named("sandboxed").all(|(_, is_filtered)| *is_filtered), "{threads:?}");
        assert!(named("handler").all(|(_, is_filtered)| !is_filtered), "{threads:?}");
        assert!(named("tokio-rt-worker").count() > 0, "{threads:?}");
        assert!(named("tokio-rt-worker").all(|(_, is_filtered)| !is_filtered), "{threads:?}");
    }
}

/// Tools that hold their thread past their timeout.
const HOLDERS: [&str; 4] = ["hold", "hold_open", "hold_blocking", "hold_open_blocking"];
/// More calls than there are threads for `async` handlers.
const HELD_CALLS: usize = 24;
/// The time in which calls are answered that hold a thread for longer.
const LATEST: Duration = Duration::from_secs(30);

fn server() -> std::process::Command {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_handler_threads"));
    command.env("RUST_BACKTRACE", "0");
    command
}

#[tokio::test]
async fn handlers_that_block_over_stdio_delay_no_ping_and_are_answered_at_their_deadline() {
    for (mode, holder) in MODES.into_iter().cycle().zip(HOLDERS) {
        let mut command = server();
        command.args(mode);
        let mut server = StdioServer::start(command);
        server.client.initialize(Revision::V2025_11_25).await;
        let start = Instant::now();
        for id in 0..HELD_CALLS {
            server.client.send(call(&json!(id), holder, json!({}))).await;
        }
        let answer = server.client.exchange(request(&json!("ping"), "ping", json!({}))).await;
        assert_eq!(answer["id"], "ping", "{holder}: {answer}");
        for _ in 0..HELD_CALLS {
            let answer = server.client.receive().await;
            let reason = &answer["result"]["_meta"]["io.github.candor-mcp/reason"];
            assert_eq!(reason, "deadline_exceeded", "{holder}: {answer}");
        }
        assert!(start.elapsed() < LATEST, "{holder}: {:?}", start.elapsed());
    }
}

#[tokio::test]
async fn handlers_that_block_over_http_delay_no_health_check_and_are_answered_at_their_deadline() {
    for holder in HOLDERS {
        let mut command = server();
        command.env("BLOCKING_CHECK", "1");
        let server = HttpServer::start(command, &[]).await;
        let ready = server.send(&HttpRequest::get("/readyz")).await;
        assert_eq!(ready.message(), json!({"ready": false, "failed": ["blocks"]}), "{holder}");
        let start = Instant::now();
        let mut connections = Vec::new();
        for _ in 0..HELD_CALLS {
            let mut connection = server.connect().await;
            connection.send(&http::call(holder, json!({})).bytes(server.address)).await;
            connections.push(connection);
        }
        for _ in 0..5 {
            assert_eq!(server.send(&HttpRequest::get("/livez")).await.status, 200);
        }
        let first = tokio::time::timeout(Duration::ZERO, connections[0].response()).await;
        assert!(first.is_err(), "{holder}: the calls are still held: {first:?}");
        for mut connection in connections {
            let response = connection.response().await.expect("a response");
            let reason = &response.message()["result"]["_meta"]["io.github.candor-mcp/reason"];
            assert_eq!(reason, "deadline_exceeded", "{holder}: {response:?}");
        }
        assert!(start.elapsed() < LATEST, "{holder}: {:?}", start.elapsed());
    }
}

#[tokio::test]
async fn handlers_that_log_to_a_pipe_that_nothing_reads_delay_no_ping_and_no_stop() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_handler_threads"));
    command.args(MODES[0]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.kill_on_drop(true).spawn().unwrap();
    let _stderr_that_nothing_reads = child.stderr.take();
    let mut client = RawClient::over(child.stdout.take().unwrap(), child.stdin.take().unwrap());
    client.initialize(Revision::V2025_11_25).await;
    for (id, tool) in ["shout", "shout_blocking"].into_iter().enumerate() {
        client.send(call(&json!(id), tool, json!({}))).await;
    }
    let answer = client.exchange(request(&json!("ping"), "ping", json!({}))).await;
    assert_eq!(answer["id"], "ping", "{answer}");
    for _ in 0..2 {
        let answer = client.receive().await;
        assert_eq!(answer["result"]["isError"], true, "{answer}");
    }
    let id = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
    let ended = tokio::time::timeout(LATEST, child.wait()).await;
    assert!(ended.expect("it stops").unwrap().code().is_some());
}

/// Hold the thread until the test ends.
#[mcp_tool(additive, public, timeout = "3s")]
async fn hold_in_memory(latch: &Arc<Latch>) {
    let start = Instant::now();
    while !latch.0.load(Ordering::Acquire) && start.elapsed() < LATEST {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Releases threads that hold.
#[derive(Default)]
struct Latch(AtomicBool);

#[derive(State)]
struct App {
    latch: Arc<Latch>,
}

#[tokio::test]
async fn handlers_that_block_delay_no_ping_on_a_runtime_with_one_thread() {
    let latch = Arc::<Latch>::default();
    let server = Server::new("s", "1").unaudited().state(App { latch: Arc::clone(&latch) });
    let mut client = RawClient::initialized(server.tools(tools![hold_in_memory]).build().unwrap()).await;
    for id in 0..3 {
        client.send(call(&json!(id), "hold_in_memory", json!({}))).await;
    }
    let answer = client.exchange(request(&json!("ping"), "ping", json!({}))).await;
    assert_eq!(answer["id"], "ping", "{answer}");
    for _ in 0..3 {
        let answer = client.receive().await;
        assert_eq!(answer["result"]["isError"], true, "{answer}");
    }
    latch.0.store(true, Ordering::Release);
}

#[tokio::test]
async fn panics_and_timeouts_are_answered() {
    let rig = Rig::new(MODES[0]).await;
    for _ in 0..3 {
        assert_eq!(rig.call("panics", json!({})).await, "internal");
        assert_eq!(rig.call("panics_openly", json!({})).await, "internal");
        assert_eq!(rig.call("late", json!({})).await, "deadline_exceeded");
    }
    assert_eq!(rig.call("closed", json!({})).await, "done");
}

#[tokio::test]
async fn call_in_flight_at_sigterm_is_answered() {
    let mut rig = Rig::new(MODES[0]).await;
    let id = rig.child.id().unwrap().to_string();
    let stop = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        Command::new("kill").args(["-TERM", &id]).status().await.unwrap()
    };
    let (answer, _) = tokio::join!(rig.call("slow", json!({"ms": 1500})), stop);
    assert_eq!(answer, "slept");
    let start = Instant::now();
    assert_eq!(rig.child.wait().await.unwrap().code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[tokio::test]
async fn call_cut_off_by_the_drain_timeout_ends_the_process_with_a_failure() {
    let rig = Rig::new(&["serve", "--quiet", "--drain-timeout", "200ms"]).await;
    let id = rig.child.id().unwrap().to_string();
    let stop = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        Command::new("kill").args(["-TERM", &id]).status().await.unwrap()
    };
    let start = Instant::now();
    let (cut, _) = tokio::join!(rig.client.call("slow", json!({"ms": 20_000})), stop);
    // The connection ends before the answer, or right after an answer that says so.
    match &cut {
        Ok(answer) => assert_eq!(answer.reason(), Some("cancelled"), "{answer:?}"),
        Err(error) => assert!(error.to_string().contains("Transport closed"), "{error}"),
    }
    let ended = rig.child.wait_with_output().await.unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    let stderr = String::from_utf8(ended.stderr).unwrap();
    assert!(stderr.contains("closed in order"), "{stderr}");
}
