//! Raw lines ↔ a server: a client that keeps to no rule, over memory or over a real process's pipes.

#![expect(clippy::needless_pass_by_value, reason = "a `json!` is read better where it is sent than lent")]

use std::{
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use candor::testing::Client;
use candor::{Revision, Service};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader},
    task::JoinHandle,
};

use crate::program::Program;

/// How long an answer may take before the test fails: only a server that forgot one comes near it.
const PATIENCE: Duration = Duration::from_secs(20);

/// One end of a connection, as bytes.
pub struct Wire {
    read: BufReader<Box<dyn AsyncRead + Send + Unpin>>,
    write: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    heard: String,
    asked: u64,
}

impl Wire {
    /// Connects to a server in this process.
    pub fn to(service: Service) -> Self {
        let (client, server) = tokio::io::duplex(64 * 1024);
        let (server_read, server_write) = tokio::io::split(server);
        tokio::spawn(service.serve(server_read, server_write));
        let (read, write) = tokio::io::split(client);
        Self::over(read, write)
    }

    /// Speaks over two streams.
    pub fn over(
        read: impl AsyncRead + Send + Unpin + 'static,
        write: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Self {
        Self {
            read: BufReader::new(Box::new(read)),
            write: Some(Box::new(write)),
            heard: String::new(),
            asked: 0,
        }
    }

    /// Sends one line, whatever is in it.
    pub async fn say(&mut self, line: impl AsRef<[u8]>) {
        self.say_bytes(line).await;
        self.say_bytes("\n").await;
    }

    /// Sends bytes without ending the line.
    pub async fn say_bytes(&mut self, bytes: impl AsRef<[u8]>) {
        let write = self.write.as_mut().expect("not closed yet");
        write.write_all(bytes.as_ref()).await.expect("the server reads");
        write.flush().await.expect("the server reads");
    }

    /// The next message.
    pub async fn hear(&mut self) -> Value {
        self.hear_or_end().await.expect("the server is still there")
    }

    /// The next message; `None` once the server has closed its end.
    pub async fn hear_or_end(&mut self) -> Option<Value> {
        let mut line = String::new();
        let read = tokio::time::timeout(PATIENCE, self.read.read_line(&mut line)).await;
        read.expect("the server answers").expect("the server writes UTF-8");
        self.heard.push_str(&line);
        if line.is_empty() {
            return None;
        }
        Some(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}")))
    }

    /// Sends a line, and takes the next message for its answer.
    pub async fn ask(&mut self, line: impl AsRef<[u8]>) -> Value {
        self.say(line).await;
        self.hear().await
    }

    /// Shakes hands under a revision that has a handshake.
    pub async fn initialize(&mut self, revision: Revision) -> Value {
        let answer = self.ask(initialize(revision.as_str())).await;
        self.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
        answer
    }

    /// Calls a tool under the revision of the handshake.
    pub async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.asked += 1;
        let id = format!("call-{}", self.asked);
        let answer = self.ask(call(&json!(id), tool, arguments)).await;
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }

    /// The next request works, and nothing else was said before its answer.
    pub async fn is_alive(&mut self) {
        let answer = self.call("add", json!({"a": 2, "b": 3})).await;
        assert_eq!(answer["result"]["structuredContent"], json!({"result": 5}), "{answer}");
    }

    /// Closes the client's end, and hears everything that is still said.
    pub async fn end(&mut self) -> Vec<Value> {
        if let Some(mut write) = self.write.take() {
            // A server that has gone is no matter here.
            let _ = write.shutdown().await;
        }
        let mut rest = Vec::new();
        while let Some(message) = self.hear_or_end().await {
            rest.push(message);
        }
        rest
    }

    /// Stops reading for good.
    pub fn deafen(&mut self) {
        self.read = BufReader::new(Box::new(tokio::io::empty()));
    }

    /// Every line that was heard.
    pub fn heard(&self) -> &str {
        &self.heard
    }
}

/// The line that opens a connection.
pub fn initialize(revision: &str) -> String {
    request(
        &json!("initialize"),
        "initialize",
        json!({"protocolVersion": revision, "capabilities": {}, "clientInfo": {"name": "wire", "version": "0"}}),
    )
}

/// The line of a call.
pub fn call(id: &Value, tool: &str, arguments: Value) -> String {
    request(id, "tools/call", json!({"name": tool, "arguments": arguments}))
}

/// The line of a request.
pub fn request(id: &Value, method: &str, params: Value) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string()
}

/// The line of a request under a revision without a handshake.
pub fn modern(id: &Value, revision: &str, method: &str, mut params: Value) -> String {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": revision,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "wire", "version": "0"},
    });
    request(id, method, params)
}

/// A server in a process of its own, with its stderr caught.
pub struct Process {
    /// Its stdin and stdout.
    pub wire: Wire,
    /// Its process.
    pub program: Program,
    stderr: Arc<Mutex<String>>,
    heard: JoinHandle<()>,
}

/// How a process ended.
pub struct Ended {
    /// Its exit code.
    pub status: ExitStatus,
    /// What it still said on stdout once its input was closed.
    pub rest: Vec<Value>,
    /// Every line of stdout.
    pub stdout: String,
    /// Every word of stderr.
    pub stderr: String,
}

impl Process {
    /// Starts `command` with pipes to all three of its descriptors.
    pub fn start(command: std::process::Command) -> Self {
        let mut program = Program::start(command, Stdio::piped(), Stdio::piped());
        let child = &mut program.0;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            unreachable!("all three are piped above")
        };
        let said = Arc::<Mutex<String>>::default();
        let hears = Arc::clone(&said);
        let heard = tokio::spawn(async move {
            let (mut stderr, mut line) = (BufReader::new(stderr), Vec::new());
            while stderr.read_until(b'\n', &mut line).await.expect("stderr can be read") > 0 {
                *hears.lock().unwrap() += &String::from_utf8_lossy(&line);
                line.clear();
            }
        });
        Self { wire: Wire::over(stdout, stdin), program, stderr: said, heard }
    }

    /// What it said on stderr so far.
    pub fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Closes its input and waits for it to end by itself.
    pub async fn end(mut self) -> Ended {
        let rest = self.wire.end().await;
        let status = self.program.ended(PATIENCE).await;
        self.heard.await.expect("stderr was read");
        let stderr = self.stderr.lock().unwrap().clone();
        Ended { status, rest, stdout: self.wire.heard, stderr }
    }
}

/// Connects under each revision in turn.
pub async fn each_revision(service: &Service, mut see: impl AsyncFnMut(Revision, Client)) {
    for revision in Revision::ALL {
        see(revision, Client::to(service.clone(), revision).await).await;
    }
}
