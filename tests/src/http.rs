//! Runs a server over HTTP as a child process, and sends it any request or bytes at all.

use std::{
    net::SocketAddr,
    path::Path,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

use crate::{
    child_process::{ChildProcess, resident_kb},
    messages,
};

/// The time after which an answer counts as missing, and the test fails.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(40);

/// A server in a child process, which listens on a port of the loopback interface.
pub struct HttpServer {
    /// Its address.
    pub address: SocketAddr,
    /// Its process.
    pub process: ChildProcess,
    stderr: Arc<Mutex<String>>,
}

impl HttpServer {
    /// Starts `command serve --http 127.0.0.1:0` with these further flags, and waits until it listens.
    pub async fn start(mut command: std::process::Command, flags: &[&str]) -> Self {
        command.args(["serve", "--http", "127.0.0.1:0"]).args(flags);
        Self::start_command(command).await
    }

    /// Starts a command, and waits until it prints the address that it listens on.
    pub async fn start_command(command: std::process::Command) -> Self {
        let mut process = ChildProcess::start(command, Stdio::null(), Stdio::null());
        let mut lines = BufReader::new(process.child.stderr.take().expect("it is piped")).lines();
        let stderr = Arc::new(Mutex::new(String::new()));
        let address = loop {
            let line = lines.next_line().await.expect("stderr is text").expect("the server listens");
            if let Ok(event) = serde_json::from_str::<Value>(&line) {
                let url = event["listening"].as_str().expect("an address").to_owned();
                let address = url.strip_prefix("http://").and_then(|url| url.strip_suffix("/mcp"));
                break address.expect("its form").parse().expect("an address and a port");
            }
            *stderr.lock().unwrap() += &format!("{line}\n");
        };
        let shared_stderr = Arc::clone(&stderr);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                *shared_stderr.lock().unwrap() += &format!("{line}\n");
            }
        });
        Self { address, process, stderr }
    }

    /// Returns what it has written to stderr so far.
    pub fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Waits until it ends by itself.
    pub async fn wait(&mut self) -> ExitStatus {
        self.process.wait(ANSWER_TIMEOUT).await
    }

    /// Returns its resident memory in kB.
    pub fn memory_kb(&self) -> usize {
        resident_kb(self.process.id())
    }

    /// Returns the number of calls of `alone` and `linger` in flight; for the server `web` only.
    pub async fn in_flight(&self) -> u64 {
        self.count("in_flight").await
    }

    /// Returns the number of bytes that it has allocated and not freed; for the server `web` with `memory` only.
    pub async fn live_memory(&self) -> u64 {
        self.count("live_memory").await
    }

    async fn count(&self, tool: &str) -> u64 {
        let response = self.send(&call(tool, json!({}))).await;
        let count = response.message()["result"]["structuredContent"].as_u64();
        count.unwrap_or_else(|| panic!("{response:?}"))
    }

    /// Opens a connection.
    pub async fn connect(&self) -> HttpConnection {
        HttpConnection::open(self.address).await
    }

    /// Sends one request over a new connection, and receives its response.
    pub async fn send(&self, request: &HttpRequest) -> HttpResponse {
        let mut connection = self.connect().await;
        connection.send(&request.bytes(self.address)).await;
        connection.response().await.expect("a response")
    }

    /// Opens a session of 2025-11-25, and returns its id.
    pub async fn open_session(&self, token: Option<&str>) -> String {
        let mut request = initialize();
        if let Some(token) = token {
            request = request.bearer(token);
        }
        let response = self.send(&request).await;
        assert_eq!(response.status, 200, "{response:?}");
        response.header("mcp-session-id").expect("a session").to_owned()
    }

    /// Sends a valid call, and checks its result.
    pub async fn assert_alive(&self) {
        self.assert_alive_as(None).await;
    }

    /// As [`Self::assert_alive`], with a token.
    pub async fn assert_alive_as(&self, token: Option<&str>) {
        let mut request = call("measure", json!({"text": "abc"}));
        if let Some(token) = token {
            request = request.bearer(token);
        }
        let response = self.send(&request).await;
        assert_eq!(
            (response.status, &response.message()["result"]["structuredContent"]),
            (200, &json!(3)),
            "{response:?}"
        );
    }
}

/// A connection that stays open between requests.
pub struct HttpConnection(BufReader<TcpStream>);

impl HttpConnection {
    /// Opens a connection.
    pub async fn open(address: SocketAddr) -> Self {
        Self(BufReader::new(TcpStream::connect(address).await.expect("the server listens")))
    }

    /// Sends any bytes. An error is ignored, because the server may already have refused and closed the connection.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.get_mut().write_all(bytes).await;
    }

    /// Receives the next response, or `None` if the server closed its end.
    pub async fn response(&mut self) -> Option<HttpResponse> {
        tokio::time::timeout(ANSWER_TIMEOUT, self.read()).await.expect("the server answers")
    }

    /// Receives the status line and the headers of the next response.
    pub(crate) async fn head(&mut self) -> Option<HttpResponse> {
        let mut head = String::new();
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            if line == "\r\n" {
                break;
            }
            head += &line;
        }
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(HttpResponse { status, head, body: String::new() })
    }

    async fn read(&mut self) -> Option<HttpResponse> {
        let mut response = self.head().await?;
        let mut body = Vec::new();
        if let Some(length) = response.header("content-length") {
            body.resize(length.parse().ok()?, 0);
            self.0.read_exact(&mut body).await.ok()?;
        } else if response.header("transfer-encoding").is_some() {
            while let Some(mut chunk) = self.chunk().await {
                if chunk.is_empty() {
                    break;
                }
                body.append(&mut chunk);
            }
        }
        response.body = String::from_utf8_lossy(&body).into_owned();
        Some(response)
    }

    /// Receives the next chunk of a body; an empty one is the last.
    pub(crate) async fn chunk(&mut self) -> Option<Vec<u8>> {
        let mut size = String::new();
        self.0.read_line(&mut size).await.ok()?;
        let mut chunk = vec![0; usize::from_str_radix(size.trim(), 16).ok()? + 2];
        self.0.read_exact(&mut chunk).await.ok()?;
        chunk.truncate(chunk.len() - 2);
        Some(chunk)
    }
}

/// A response.
#[derive(Debug)]
pub struct HttpResponse {
    /// The status.
    pub status: u16,
    /// The status line and the headers.
    pub head: String,
    /// The body; all of it if it is a stream.
    pub body: String,
}

impl HttpResponse {
    /// Returns the value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    /// Parses the body as one message, or the last message of a stream.
    pub fn message(&self) -> Value {
        let mut data = self.body.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim);
        let last = data.rfind(|data| !data.is_empty()).unwrap_or(&self.body);
        serde_json::from_str(last).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

/// A request.
#[derive(Clone, Debug)]
pub struct HttpRequest {
    /// The method and the path.
    pub line: String,
    /// The headers, without `host` and `content-length` if they are the usual ones.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl HttpRequest {
    /// Makes a `GET`.
    pub fn get(path: &str) -> Self {
        Self { line: format!("GET {path}"), headers: Vec::new(), body: String::new() }
    }

    /// Makes a `POST` to `/mcp`, with the headers that every client must send.
    pub fn post(body: impl Into<String>) -> Self {
        let request = Self { line: "POST /mcp".to_owned(), headers: Vec::new(), body: body.into() };
        request.with("content-type", "application/json").with("accept", "application/json, text/event-stream")
    }

    /// Sets a header.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(header, _)| header != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets a bearer token.
    pub fn bearer(self, token: &str) -> Self {
        self.with("authorization", &format!("Bearer {token}"))
    }

    /// Returns the bytes to send to a server at `host`.
    pub fn bytes(&self, host: SocketAddr) -> Vec<u8> {
        let mut text = format!("{} HTTP/1.1\r\n", self.line);
        if !self.headers.iter().any(|(name, _)| name == "host") {
            text += &format!("host: {host}\r\n");
        }
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        if !self.headers.iter().any(|(name, _)| name == "content-length" || name == "transfer-encoding") {
            text += &format!("content-length: {}\r\n", self.body.len());
        }
        (text + "\r\n" + &self.body).into_bytes()
    }
}

/// Writes a token file with these keys, each with its subject and its scopes, and returns its path.
pub fn write_token_file(folder: &Path, keys: &[(&str, &str, &str)]) -> String {
    let entry = |(key, subject, scopes): &(&str, &str, &str)| {
        let hash: String = Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect();
        let scopes: Vec<&str> = scopes.split_whitespace().collect();
        format!("[[token]]\nsubject = \"{subject}\"\nscopes = {scopes:?}\nsha256 = \"{hash}\"\n")
    };
    let file = folder.join("tokens.toml");
    std::fs::write(&file, keys.iter().map(entry).collect::<String>()).expect("the folder can be written");
    file.to_str().expect("its name is text").to_owned()
}

/// Makes the request that opens a handshake of 2025-11-25.
pub fn initialize() -> HttpRequest {
    HttpRequest::post(messages::initialize("2025-11-25"))
}

/// Makes a call under 2026-07-28, with id 7.
#[expect(clippy::needless_pass_by_value, reason = "a `json!` literal reads better without a `&`")]
pub fn call(tool: &str, arguments: Value) -> HttpRequest {
    modern("tools/call", json!({"name": tool, "arguments": arguments})).with("mcp-name", tool)
}

/// Makes a request under 2026-07-28, with id 7.
pub fn modern(method: &str, params: Value) -> HttpRequest {
    HttpRequest::post(messages::modern(&json!(7), "2026-07-28", method, params))
        .with("mcp-protocol-version", "2026-07-28")
        .with("mcp-method", method)
}

/// Makes a request in a session of 2025-11-25, with id 7.
pub fn legacy(session: &str, method: &str, params: Value) -> HttpRequest {
    HttpRequest::post(messages::request(&json!(7), method, params))
        .with("mcp-protocol-version", "2025-11-25")
        .with("mcp-session-id", session)
}
