//! A client of raw lines, so that both sides are asked at the same price: nothing of an answer is parsed.

use tokio::io::{
    AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, ReadHalf, WriteHalf, duplex, split,
};

/// The bytes that a connection in memory holds: a list of a thousand tools, so that nobody waits for room.
const PIPE: usize = 4 * 1024 * 1024;

/// One connection after its handshake.
pub struct Client {
    read: BufReader<ReadHalf<DuplexStream>>,
    write: WriteHalf<DuplexStream>,
    id: u64,
    line: Vec<u8>,
}

impl Client {
    /// Serves `server` at the other end of a pipe in memory.
    ///
    /// # Panics
    ///
    /// The handshake fails.
    pub async fn declared(server: candor::Service) -> Self {
        let (ours, theirs) = duplex(PIPE);
        let (read, write) = split(theirs);
        tokio::spawn(server.serve(read, write));
        Self::greet(ours).await
    }

    /// Serves `server` at the other end of a pipe in memory.
    ///
    /// # Panics
    ///
    /// The handshake fails.
    pub async fn bare(server: super::bare::Bare) -> Self {
        let (ours, theirs) = duplex(PIPE);
        tokio::spawn(async move {
            let running = rmcp::ServiceExt::serve(server, theirs).await.expect("a handshake");
            running.waiting().await
        });
        Self::greet(ours).await
    }

    async fn greet(stream: DuplexStream) -> Self {
        let (read, write) = split(stream);
        let mut client = Self { read: BufReader::with_capacity(PIPE, read), write, id: 0, line: Vec::new() };
        let info = r#"{"name":"bench","version":"1"}"#;
        let hello = format!(r#"{{"protocolVersion":"2025-11-25","capabilities":{{}},"clientInfo":{info}}}"#);
        client.ask("initialize", &hello).await;
        client.tell(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
        client
    }

    /// One request with parameters in JSON, and its answer.
    ///
    /// # Panics
    ///
    /// The connection broke.
    pub async fn ask(&mut self, method: &str, params: &str) -> &str {
        self.id += 1;
        let id = self.id;
        self.tell(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#)).await;
        self.line.clear();
        self.read.read_until(b'\n', &mut self.line).await.expect("an answer");
        str::from_utf8(&self.line).expect("UTF-8")
    }

    async fn tell(&mut self, line: &str) {
        self.write.write_all(format!("{line}\n").as_bytes()).await.expect("the server reads");
    }
}
