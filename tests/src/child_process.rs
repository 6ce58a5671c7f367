//! Starts a program as a child process, sends it signals, reads its memory, and waits for its end.

use std::{
    fmt::Display,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tempfile::TempDir;
use tokio::process::{Child, Command};

/// A running program, which is killed at the end of the test.
pub struct ChildProcess {
    pub(crate) child: Child,
    /// The folder of its logs and keys, unless its command names one.
    _state: Option<TempDir>,
}

impl ChildProcess {
    /// Starts a command with its stderr piped. Unless it says otherwise, its logs and keys have a folder of their own, since
    /// two servers cannot share one.
    pub(crate) fn start(mut command: std::process::Command, stdin: Stdio, stdout: Stdio) -> Self {
        let names_a_folder = ["HOME", "XDG_STATE_HOME"].map(std::ffi::OsStr::new);
        let is_free = !command.get_envs().any(|(name, _)| names_a_folder.contains(&name));
        let state = is_free.then(|| tempfile::tempdir().expect("a folder"));
        if let Some(folder) = &state {
            command.env("XDG_STATE_HOME", folder.path());
        }
        let mut command = Command::from(command);
        command.stdin(stdin).stdout(stdout).stderr(Stdio::piped()).kill_on_drop(true);
        Self { child: command.spawn().expect("the program starts"), _state: state }
    }

    /// Returns its process id.
    pub fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Sends a signal by its name: `TERM`, `INT`, `HUP`.
    pub fn signal(&self, name: &str) {
        send_signal(self.id(), name);
    }

    /// Sends a signal to its only child, for programs that are started through another one (`unshare`).
    pub fn signal_child(&self, name: &str) {
        let id = self.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        send_signal(children.expect("Linux lists children").trim(), name);
    }

    /// Whether it ends by itself within a time.
    pub async fn ends_within(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.child.wait()).await.is_ok()
    }

    /// Waits until it ends by itself, and fails after `timeout`.
    pub(crate) async fn wait(&mut self, timeout: Duration) -> ExitStatus {
        let status = tokio::time::timeout(timeout, self.child.wait()).await;
        status.expect("it ends by itself").expect("it can be waited for")
    }
}

/// Sends a signal by its name to a process.
pub fn send_signal(process: impl Display, name: &str) {
    let status = std::process::Command::new("kill").args(["-s", name, &process.to_string()]).status();
    assert!(status.expect("kill is installed").success(), "{name}");
}

/// Returns the resident memory, in kB, of a process: its id, or `self`.
pub fn resident_kb(process: impl Display) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
