//! A service at home on sandboxed threads: what runs there is sandboxed, and what runs elsewhere is not more than it declares.
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

/// Tools, and whether each may write and connect.
const TOOLS: [(&str, bool, bool); 10] = [
    ("at_home", false, false),
    ("at_home_blocking", false, false),
    ("at_home_in_a_task", false, false),
    ("open", true, true),
    ("open_blocking", true, true),
    ("open_in_a_task", true, true),
    ("writes", true, false),
    ("writes_blocking", true, false),
    ("connects", false, true),
    ("connects_blocking", false, true),
];

/// Served in both ways that go over the process's own wire.
const MODES: [&[&str]; 2] = [&["serve", "--quiet"], &["stdio"]];

struct Rig {
    child: Child,
    client: Client,
}

impl Rig {
    async fn new(mode: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_home"));
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

    /// Has a tool write and connect, and sees that it could do what it may and nothing else.
    async fn check(&self, (tool, may_write, may_connect): (&str, bool, bool), folder: &Path) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let path = folder.join(tool);
        let said = |may: bool| if may { "done" } else { "permission_denied" };
        assert_eq!(self.call(tool, json!({"path": path})).await, said(may_write), "{tool} writes");
        assert_eq!(path.exists(), may_write, "{tool}");
        let _ = fs::remove_file(path);
        let port = listener.local_addr().unwrap().port();
        assert_eq!(self.call(tool, json!({"port": port})).await, said(may_connect), "{tool} connects");
        assert_eq!(listener.accept().is_ok(), may_connect, "{tool}");
    }

    /// How often threads with and without a sandbox have waited so far.
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
async fn each_tool_may_what_it_declares_whichever_is_called_first() {
    for first in 0..TOOLS.len() {
        let folder = tempfile::tempdir().unwrap();
        let rig = Rig::new(MODES[first % 2]).await;
        for at in 0..2 * TOOLS.len() {
            rig.check(TOOLS[(first + at) % TOOLS.len()], folder.path()).await;
        }
    }
}

#[tokio::test]
async fn calls_at_home_wake_no_thread_without_a_sandbox() {
    for mode in MODES {
        let rig = Rig::new(mode).await;
        rig.call("at_home", json!({})).await;
        let before = rig.waits();
        for _ in 0..200 {
            assert_eq!(rig.call("at_home", json!({})).await, "done");
        }
        let after = rig.waits();
        assert!(after[0] - before[0] >= 100, "they are read and answered by sandboxed threads");
        assert!(after[1] - before[1] < 20, "{before:?} {after:?}");
        for _ in 0..200 {
            rig.call("open", json!({})).await;
        }
        assert!(rig.waits()[1] - after[1] >= 100, "those without a sandbox are seen where they work");
    }
}

#[tokio::test]
async fn panics_and_deadlines_are_answered_as_ever() {
    let rig = Rig::new(MODES[0]).await;
    for _ in 0..3 {
        assert_eq!(rig.call("panics", json!({})).await, "internal");
        assert_eq!(rig.call("panics_openly", json!({})).await, "internal");
        assert_eq!(rig.call("late", json!({})).await, "deadline_exceeded");
    }
    assert_eq!(rig.call("at_home", json!({})).await, "done");
}

#[tokio::test]
async fn a_call_under_way_is_answered_when_the_server_is_told_to_stop() {
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
async fn a_call_that_is_cut_off_ends_the_process_with_a_failure() {
    let rig = Rig::new(&["serve", "--quiet", "--drain-timeout", "200ms"]).await;
    let id = rig.child.id().unwrap().to_string();
    let stop = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        Command::new("kill").args(["-TERM", &id]).status().await.unwrap()
    };
    let start = Instant::now();
    let (cut, _) = tokio::join!(rig.client.call("slow", json!({"ms": 20_000})), stop);
    // What is written last may still arrive.
    assert!(cut.as_ref().map_or(true, |answer| answer.reason() == Some("cancelled")), "{cut:?}");
    let ended = rig.child.wait_with_output().await.unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(said.contains("closed in order"), "{said}");
}
