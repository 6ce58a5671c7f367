//! A client that sends any line at all, over memory or over the pipes of a process.

use std::time::Duration;

use candor::testing::Client;
use candor::{Revision, Service};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};

use crate::messages::{INITIALIZED, call, initialize, initialize_with};

/// The time after which a message counts as missing, and the test fails.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// The client's end of a connection.
pub struct RawClient {
    read: BufReader<Box<dyn AsyncRead + Send + Unpin>>,
    write: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    received: String,
    calls: u64,
}

impl RawClient {
    /// Connects to a server in this process.
    pub fn connect(service: Service) -> Self {
        let (client, server) = tokio::io::duplex(64 * 1024);
        let (server_read, server_write) = tokio::io::split(server);
        tokio::spawn(service.serve(server_read, server_write));
        let (read, write) = tokio::io::split(client);
        Self::over(read, write)
    }

    /// Connects over two streams.
    pub fn over(
        read: impl AsyncRead + Send + Unpin + 'static,
        write: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Self {
        Self {
            read: BufReader::new(Box::new(read)),
            write: Some(Box::new(write)),
            received: String::new(),
            calls: 0,
        }
    }

    /// Connects to a server in this process, and does the handshake of 2025-11-25.
    pub async fn initialized(service: Service) -> Self {
        let mut client = Self::connect(service);
        client.initialize(Revision::V2025_11_25).await;
        client
    }

    /// Sends one line, whatever it contains.
    pub async fn send(&mut self, line: impl AsRef<[u8]>) {
        self.send_bytes(line).await;
        self.send_bytes("\n").await;
    }

    /// Sends bytes without a line end.
    pub async fn send_bytes(&mut self, bytes: impl AsRef<[u8]>) {
        let write = self.write.as_mut().expect("not closed yet");
        write.write_all(bytes.as_ref()).await.expect("the server reads");
        write.flush().await.expect("the server reads");
    }

    /// Receives the next message.
    pub async fn receive(&mut self) -> Value {
        self.receive_or_end().await.expect("the server has not closed its end")
    }

    /// Receives the next message, or `None` after the server has closed its end.
    pub async fn receive_or_end(&mut self) -> Option<Value> {
        let mut line = String::new();
        let read = tokio::time::timeout(ANSWER_TIMEOUT, self.read.read_line(&mut line)).await;
        read.expect("the server answers").expect("the server writes UTF-8");
        self.received.push_str(&line);
        if line.is_empty() {
            return None;
        }
        Some(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}")))
    }

    /// Sends a line, and receives the next message.
    pub async fn exchange(&mut self, line: impl AsRef<[u8]>) -> Value {
        self.send(line).await;
        self.receive().await
    }

    /// Does the handshake of a revision that has one.
    pub async fn initialize(&mut self, revision: Revision) -> Value {
        let answer = self.exchange(initialize(revision.as_str())).await;
        self.send(INITIALIZED).await;
        answer
    }

    /// Does the handshake of a client that declares `capabilities`.
    pub async fn initialize_with(&mut self, revision: Revision, capabilities: Value) -> Value {
        let answer = self.exchange(initialize_with(revision.as_str(), capabilities)).await;
        self.send(INITIALIZED).await;
        answer
    }

    /// Calls a tool under the revision of the handshake.
    pub async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.calls += 1;
        let id = format!("call-{}", self.calls);
        let answer = self.exchange(call(&json!(id), tool, arguments)).await;
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }

    /// Calls a tool, and checks that its answer is the next message.
    pub async fn assert_alive(&mut self) {
        let answer = self.call("add", json!({"a": 2, "b": 3})).await;
        assert_eq!(answer["result"]["structuredContent"], json!({"result": 5}), "{answer}");
    }

    /// Closes the client's end, and receives everything that the server still sends.
    pub async fn close(&mut self) -> Vec<Value> {
        if let Some(mut write) = self.write.take() {
            // The server may have closed its end already.
            let _ = write.shutdown().await;
        }
        let mut remaining = Vec::new();
        while let Some(message) = self.receive_or_end().await {
            remaining.push(message);
        }
        remaining
    }

    /// Closes the stream that it reads from, and keeps the other one.
    pub fn stop_reading(&mut self) {
        self.read = BufReader::new(Box::new(tokio::io::empty()));
    }

    /// Returns every line that it received.
    pub fn received(&self) -> &str {
        &self.received
    }
}

/// Connects under each revision in turn.
pub async fn for_each_revision(service: &Service, mut check: impl AsyncFnMut(Revision, Client)) {
    for revision in Revision::ALL {
        check(revision, Client::to(service.clone(), revision).await).await;
    }
}
