//! A service on sandboxed threads: its tools run in that sandbox, and all others run with the rights that they declare.
#![cfg(target_os = "linux")]

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use candor::testing::Client;
use serde_json::{Value, json};
use tokio::process::{Child, Command};

/// Tools, and whether each may write and may connect.
const TOOLS: [(&str, bool, bool); 10] = [
    ("placed", false, false),
    ("placed_blocking", false, false),
    ("placed_in_a_task", false, false),
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
        let mut command = Command::new(env!("CARGO_BIN_EXE_sandboxed_stdio"));
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

    /// Counts how often threads with and without a sandbox have waited so far.
    fn waits(&self) -> [u64; 2] {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id().unwrap())).unwrap();
        let mut waits = [0, 0];
        for task in tasks {
            let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap_or_default();
            let number = |key| -> u64 {
                let line = status.lines().find_map(|line| line.strip_prefix(key));
                line.and_then(|number| number.trim().parse().ok()).unwrap_or_default()
            };
            waits[usize::from(number("Seccomp:") == 0)] += number("voluntary_ctxt_switches:");
        }
        waits
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
async fn calls_in_the_sandbox_of_the_service_wake_no_unsandboxed_thread() {
    for mode in MODES {
        let rig = Rig::new(mode).await;
        rig.call("placed", json!({})).await;
        let before = rig.waits();
        for _ in 0..200 {
            assert_eq!(rig.call("placed", json!({})).await, "done");
        }
        let after = rig.waits();
        assert!(after[0] - before[0] >= 100, "sandboxed threads read and answer them");
        assert!(after[1] - before[1] < 20, "{before:?} {after:?}");
        for _ in 0..200 {
            rig.call("open", json!({})).await;
        }
        assert!(rig.waits()[1] - after[1] >= 100, "the count includes unsandboxed threads that work");
    }
}

#[tokio::test]
async fn panics_and_timeouts_in_a_sandboxed_service_are_answered() {
    let rig = Rig::new(MODES[0]).await;
    for _ in 0..3 {
        assert_eq!(rig.call("panics", json!({})).await, "internal");
        assert_eq!(rig.call("panics_openly", json!({})).await, "internal");
        assert_eq!(rig.call("late", json!({})).await, "deadline_exceeded");
    }
    assert_eq!(rig.call("placed", json!({})).await, "done");
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
