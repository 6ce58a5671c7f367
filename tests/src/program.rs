//! A program in a process of its own: started, signalled, weighed, waited for.

use std::{
    fmt::Display,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::process::{Child, Command};

/// A program that runs, and goes with the test.
pub struct Program(pub(crate) Child);

impl Program {
    /// Starts a command whose stderr is caught.
    pub(crate) fn start(command: std::process::Command, stdin: Stdio, stdout: Stdio) -> Self {
        let mut command = Command::from(command);
        command.stdin(stdin).stdout(stdout).stderr(Stdio::piped()).kill_on_drop(true);
        Self(command.spawn().expect("the program starts"))
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.0.id().expect("it runs")
    }

    /// Sends a signal by its name: `TERM`, `INT`, `HUP`.
    pub fn signal(&self, name: &str) {
        signal(self.id(), name);
    }

    /// Sends a signal to the process that it started, where it is only the starter (`unshare`).
    pub fn signal_child(&self, name: &str) {
        let id = self.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        signal(children.expect("the kernel tells").trim(), name);
    }

    /// Waits so long for it to end by itself.
    pub(crate) async fn ended(&mut self, patience: Duration) -> ExitStatus {
        let ended = tokio::time::timeout(patience, self.0.wait()).await;
        ended.expect("it ends by itself").expect("it can be waited for")
    }
}

fn signal(process: impl Display, name: &str) {
    let sent = std::process::Command::new("kill").args(["-s", name, &process.to_string()]).status();
    assert!(sent.expect("kill is there").success(), "{name}");
}

/// The resident memory in kB of a process: its number, or `self`.
pub fn resident(process: impl Display) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("a process has one");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
