//! A client that sends and receives raw lines. It parses nothing, so that it costs the same on both sides.

use std::{io, process::Stdio, thread};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader, duplex, split},
    process::{Child, Command},
};

/// The buffer of a connection in memory, in bytes. A list of a thousand tools fits, so that no side waits for the other.
const PIPE_CAPACITY_BYTES: usize = 4 * 1024 * 1024;

/// One connection after its handshake.
pub struct BenchClient {
    read: BufReader<Box<dyn AsyncRead + Send + Unpin>>,
    write: Box<dyn AsyncWrite + Send + Unpin>,
    id: u64,
    line: Vec<u8>,
    /// The process of the server, if it has one of its own, which ends with the client.
    process: Option<Child>,
}

impl BenchClient {
    /// Connects to a server on Candor, over a pipe in memory.
    ///
    /// # Panics
    ///
    /// The handshake fails.
    pub async fn declared(server: candor::Service) -> Self {
        let (client_end, server_end) = duplex(PIPE_CAPACITY_BYTES);
        let (read, write) = split(server_end);
        tokio::spawn(server.serve(read, write));
        Self::initialize(client_end).await
    }

    /// Connects to a server on bare rmcp, over a pipe in memory.
    ///
    /// # Panics
    ///
    /// The handshake fails.
    pub async fn bare(server: super::bare::BareServer) -> Self {
        let (client_end, server_end) = duplex(PIPE_CAPACITY_BYTES);
        tokio::spawn(async move {
            let running = rmcp::ServiceExt::serve(server, server_end).await.expect("a handshake");
            running.waiting().await
        });
        Self::initialize(client_end).await
    }

    /// Starts a server as a process, and connects to its stdin and stdout. A thread reads its stderr, as a host does.
    ///
    /// # Panics
    ///
    /// The process does not start, or the handshake fails.
    pub async fn process(command: std::process::Command) -> Self {
        let (mut stderr, for_process) = io::pipe().expect("a pipe");
        thread::spawn(move || io::copy(&mut stderr, &mut io::sink()));
        let mut command = Command::from(command);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(for_process);
        let mut process = command.kill_on_drop(true).spawn().expect("the server starts");
        let (stdin, stdout) = (process.stdin.take(), process.stdout.take());
        let mut client = Self::open(stdout.expect("it is piped"), stdin.expect("it is piped"));
        client.process = Some(process);
        client.handshake().await;
        client
    }

    async fn initialize(stream: impl AsyncRead + AsyncWrite + Send + 'static) -> Self {
        let (read, write) = split(stream);
        let mut client = Self::open(read, write);
        client.handshake().await;
        client
    }

    fn open(
        read: impl AsyncRead + Send + Unpin + 'static,
        write: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Self {
        let read: Box<dyn AsyncRead + Send + Unpin> = Box::new(read);
        let read = BufReader::with_capacity(PIPE_CAPACITY_BYTES, read);
        Self { read, write: Box::new(write), id: 0, line: Vec::new(), process: None }
    }

    async fn handshake(&mut self) {
        let info = r#"{"name":"bench","version":"1"}"#;
        let params = format!(r#"{{"protocolVersion":"2025-11-25","capabilities":{{}},"clientInfo":{info}}}"#);
        self.request("initialize", &params).await;
        self.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    }

    /// The id of the server's process, if it has one of its own.
    pub fn process_id(&self) -> Option<u32> {
        self.process.as_ref()?.id()
    }

    /// Sends a request with parameters in JSON, and returns the line of its answer.
    ///
    /// # Panics
    ///
    /// The connection broke.
    pub async fn request(&mut self, method: &str, params: &str) -> &str {
        self.id += 1;
        let id = self.id;
        self.send(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#)).await;
        self.line.clear();
        self.read.read_until(b'\n', &mut self.line).await.expect("an answer");
        str::from_utf8(&self.line).expect("UTF-8")
    }

    async fn send(&mut self, line: &str) {
        self.write.write_all(format!("{line}\n").as_bytes()).await.expect("the server reads");
    }
}
