//! Runs a server on stdio as a child process, with a raw client at its pipes.

use std::{
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex},
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    task::JoinHandle,
};

use crate::{
    child_process::ChildProcess,
    raw_client::{ANSWER_TIMEOUT, RawClient},
};

/// A server in a child process.
pub struct StdioServer {
    /// The client at its stdin and stdout.
    pub client: RawClient,
    /// Its process.
    pub process: ChildProcess,
    stderr: Arc<Mutex<String>>,
    stderr_reader: JoinHandle<()>,
}

/// The end of a server's process.
pub struct Exit {
    /// Its exit code.
    pub status: ExitStatus,
    /// The messages that it sent after its input was closed.
    pub remaining: Vec<Value>,
    /// All of its stdout.
    pub stdout: String,
    /// All of its stderr.
    pub stderr: String,
}

impl StdioServer {
    /// Starts `command` with pipes to its stdin, stdout and stderr.
    pub fn start(command: std::process::Command) -> Self {
        let mut process = ChildProcess::start(command, Stdio::piped(), Stdio::piped());
        let child = &mut process.child;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            unreachable!("all three are piped above")
        };
        let text = Arc::<Mutex<String>>::default();
        let shared_text = Arc::clone(&text);
        let stderr_reader = tokio::spawn(async move {
            let (mut stderr, mut line) = (BufReader::new(stderr), Vec::new());
            while stderr.read_until(b'\n', &mut line).await.expect("stderr can be read") > 0 {
                *shared_text.lock().unwrap() += &String::from_utf8_lossy(&line);
                line.clear();
            }
        });
        Self { client: RawClient::over(stdout, stdin), process, stderr: text, stderr_reader }
    }

    /// Returns what it has written to stderr so far.
    pub fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Closes its input, and waits until it ends by itself.
    pub async fn close(mut self) -> Exit {
        let remaining = self.client.close().await;
        let status = self.process.wait(ANSWER_TIMEOUT).await;
        self.stderr_reader.await.expect("stderr was read");
        let stderr = self.stderr.lock().unwrap().clone();
        Exit { status, remaining, stdout: self.client.received().to_owned(), stderr }
    }
}
