//! A client that sends and receives raw lines. It parses nothing, so that it costs the same on both sides.

use tokio::io::{
    AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, ReadHalf, WriteHalf, duplex, split,
};

/// The buffer of a connection in memory, in bytes. A list of a thousand tools fits, so that no side waits for the other.
const PIPE_CAPACITY_BYTES: usize = 4 * 1024 * 1024;

/// One connection after its handshake.
pub struct BenchClient {
    read: BufReader<ReadHalf<DuplexStream>>,
    write: WriteHalf<DuplexStream>,
    id: u64,
    line: Vec<u8>,
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

    async fn initialize(stream: DuplexStream) -> Self {
        let (read, write) = split(stream);
        let read = BufReader::with_capacity(PIPE_CAPACITY_BYTES, read);
        let mut client = Self { read, write, id: 0, line: Vec::new() };
        let info = r#"{"name":"bench","version":"1"}"#;
        let params = format!(r#"{{"protocolVersion":"2025-11-25","capabilities":{{}},"clientInfo":{info}}}"#);
        client.request("initialize", &params).await;
        client.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
        client
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
