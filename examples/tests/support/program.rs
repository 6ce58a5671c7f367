//! Runs the built program of a server, with a client at its pipes or over HTTP.

#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::needless_pass_by_value, reason = "a `json!` literal reads better without a `&`")]

use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::Stdio,
    time::Duration,
};

use candor::{
    Revision,
    testing::{Client, ClientBuilder, ElicitAction},
};
use serde_json::{Value, json};
use tokio::{
    io::AsyncReadExt as _,
    process::{Child, Command},
};

/// The time for which a test waits for the end of a program.
const EXIT_TIMEOUT: Duration = Duration::from_secs(20);

/// The end of a program.
pub(crate) struct Exit {
    /// The exit code; `None` after a signal that it did not handle.
    pub(crate) code: Option<i32>,
    /// All of its stderr.
    pub(crate) stderr: String,
}

/// A program that serves on stdio, with a client that confirms everything.
pub(crate) struct StdioProgram {
    pub(crate) client: Client,
    child: Child,
}

impl StdioProgram {
    /// Starts `program serve` with these options; `state` is the folder for its audit log and its idempotency keys.
    pub(crate) async fn start(program: &str, options: &[&str], state: &Path) -> Self {
        Self::under(program, options, state, Revision::V2026_07_28).await
    }

    /// As [`StdioProgram::start`], under another revision of the protocol.
    pub(crate) async fn under(program: &str, options: &[&str], state: &Path, revision: Revision) -> Self {
        let mut command = Command::new(program);
        command.arg("serve").args(options).env("XDG_STATE_HOME", state).kill_on_drop(true);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (stdout, stdin) = (child.stdout.take().unwrap(), child.stdin.take().unwrap());
        let builder = ClientBuilder::new().on_confirm(|_question| ElicitAction::Accept);
        Self { client: builder.connect(stdout, stdin, Some(revision)).await.unwrap(), child }
    }

    /// Calls a tool, and returns the data of its answer.
    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Value {
        let answer = self.client.call(tool, arguments).await.unwrap();
        assert!(!answer.is_error, "{}", answer.text());
        let text = answer.text();
        answer.structured.unwrap_or(text.into())
    }

    /// Ends the program at once, as a crash would.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Sends SIGTERM, and waits for the end.
    pub(crate) async fn terminate(self) -> Exit {
        terminate(self.child.id().unwrap());
        self.exit().await
    }

    /// Closes the connection, and waits for the end.
    pub(crate) async fn close(self) -> Exit {
        let Self { client, child } = self;
        client.close().await;
        exit(child).await
    }

    async fn exit(self) -> Exit {
        // The client is dropped after the end of the program.
        let Self { client: _client, child } = self;
        exit(child).await
    }
}

async fn exit(mut child: Child) -> Exit {
    let status = tokio::time::timeout(EXIT_TIMEOUT, child.wait()).await.expect("it ends by itself").unwrap();
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).await.unwrap();
    Exit { code: status.code(), stderr }
}

fn terminate(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
}

/// A program that serves over HTTP.
pub(crate) struct HttpProgram {
    /// The address of its endpoint.
    pub(crate) url: String,
    child: std::process::Child,
}

impl HttpProgram {
    /// Starts `program serve --http 127.0.0.1:0` with these options, and waits until it listens.
    pub(crate) fn start(program: &str, options: &[&str], state: &Path) -> Self {
        let mut command = std::process::Command::new(program);
        command.args(["serve", "--http", "127.0.0.1:0"]).args(options).env("XDG_STATE_HOME", state);
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = child.stderr.as_mut().unwrap();
        // A line of JSON has the address.
        let line = BufReader::with_capacity(1, stderr)
            .lines()
            .map(Result::unwrap)
            .find(|line| line.starts_with('{'));
        let listening: Value = serde_json::from_str(&line.expect("it listens")).unwrap();
        Self { url: listening["listening"].as_str().unwrap().to_owned(), child }
    }

    /// Calls a tool under 2026-07-28, and returns the result.
    pub(crate) fn call(&self, tool: &str, arguments: Value) -> Value {
        self.request("tools/call", tool, json!({"name": tool, "arguments": arguments}))
    }

    /// Sends a request under 2026-07-28, and returns its result. `name` is that of the tool, resource or prompt.
    pub(crate) fn request(&self, method: &str, name: &str, mut params: Value) -> Value {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": {"name": "tests", "version": "0"},
        });
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        let request = ureq::post(&self.url)
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", method)
            .header("mcp-name", name);
        let text = request.send(body).unwrap().body_mut().read_to_string().unwrap();
        // The answer is the body, or the last event of a stream.
        let message =
            text.lines().filter_map(|line| line.strip_prefix("data: ")).next_back().unwrap_or(&text);
        let message: Value = serde_json::from_str(message).unwrap();
        assert!(message["error"].is_null(), "{message}");
        message["result"].clone()
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        terminate(self.child.id());
    }

    /// Waits for the end.
    pub(crate) fn exit(mut self) -> Exit {
        let status = self.child.wait().unwrap();
        let mut stderr = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        Exit { code: status.code(), stderr }
    }
}

impl Drop for HttpProgram {
    fn drop(&mut self) {
        // It has ended already, unless the test failed.
        let _ = self.child.kill();
    }
}
