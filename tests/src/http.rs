//! Raw HTTP ↔ a server in a process of its own: a client that keeps to no rule.

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

use crate::program::{Program, resident};

/// How long an answer may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(40);

/// A server that listens.
pub struct Site {
    /// Where.
    pub address: SocketAddr,
    /// Its process.
    pub program: Program,
    stderr: Arc<Mutex<String>>,
}

impl Site {
    /// Starts `command serve --http 127.0.0.1:0` with these flags more, and waits until it listens.
    pub async fn start(mut command: std::process::Command, flags: &[&str]) -> Self {
        command.args(["serve", "--http", "127.0.0.1:0"]).args(flags);
        Self::run(command).await
    }

    /// Starts a command that will say where it listens.
    pub async fn run(command: std::process::Command) -> Self {
        let mut program = Program::start(command, Stdio::null(), Stdio::null());
        let mut lines = BufReader::new(program.0.stderr.take().expect("it is piped")).lines();
        let stderr = Arc::new(Mutex::new(String::new()));
        let address = loop {
            let line = lines.next_line().await.expect("stderr is text").expect("the server listens");
            if let Ok(said) = serde_json::from_str::<Value>(&line) {
                let url = said["listening"].as_str().expect("an address").to_owned();
                let address = url.strip_prefix("http://").and_then(|url| url.strip_suffix("/mcp"));
                break address.expect("its form").parse().expect("an address and a port");
            }
            *stderr.lock().unwrap() += &format!("{line}\n");
        };
        let heard = Arc::clone(&stderr);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                *heard.lock().unwrap() += &format!("{line}\n");
            }
        });
        Self { address, program, stderr }
    }

    /// What it said on stderr so far.
    pub fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Waits for it to end by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        self.program.ended(PATIENCE).await
    }

    /// Its resident memory in kB.
    pub fn memory(&self) -> usize {
        resident(self.program.id())
    }

    /// Opens a connection.
    pub async fn connect(&self) -> Connection {
        Connection::to(self.address).await
    }

    /// Sends one request over a connection of its own.
    pub async fn ask(&self, request: &Ask) -> Answer {
        let mut connection = self.connect().await;
        connection.send(&request.bytes(self.address)).await;
        connection.answer().await.expect("an answer")
    }

    /// Begins a session of 2025-11-25, and says its name.
    pub async fn session(&self, token: Option<&str>) -> String {
        let mut ask = initialize();
        if let Some(token) = token {
            ask = ask.bearer(token);
        }
        let answer = self.ask(&ask).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.header("mcp-session-id").expect("a session").to_owned()
    }

    /// The next honest request is served.
    pub async fn is_alive(&self) {
        self.is_alive_for(None).await;
    }

    /// The same for the holder of this token.
    pub async fn is_alive_for(&self, token: Option<&str>) {
        let mut ask = call("measure", json!({"text": "abc"}));
        if let Some(token) = token {
            ask = ask.bearer(token);
        }
        let answer = self.ask(&ask).await;
        assert_eq!(
            (answer.status, &answer.message()["result"]["structuredContent"]),
            (200, &json!(3)),
            "{answer:?}"
        );
    }
}

/// Asks until it holds, and not for ever.
pub async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let held = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, held).await.expect("it comes to hold");
}

/// A connection that is kept open.
pub struct Connection(BufReader<TcpStream>);

impl Connection {
    /// Opens one.
    pub async fn to(address: SocketAddr) -> Self {
        Self(BufReader::new(TcpStream::connect(address).await.expect("the server listens")))
    }

    /// Sends any bytes. A server that has seen enough may have closed its end.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.get_mut().write_all(bytes).await;
    }

    /// The next answer, or nothing where the server closed its end.
    pub async fn answer(&mut self) -> Option<Answer> {
        tokio::time::timeout(PATIENCE, self.read()).await.expect("the server answers")
    }

    async fn read(&mut self) -> Option<Answer> {
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
        let mut answer = Answer { status, head, body: String::new() };
        let mut body = Vec::new();
        if let Some(length) = answer.header("content-length") {
            body.resize(length.parse().ok()?, 0);
            self.0.read_exact(&mut body).await.ok()?;
        } else if answer.header("transfer-encoding").is_some() {
            while let Some(mut chunk) = self.chunk().await {
                if chunk.is_empty() {
                    break;
                }
                body.append(&mut chunk);
            }
        }
        answer.body = String::from_utf8_lossy(&body).into_owned();
        Some(answer)
    }

    async fn chunk(&mut self) -> Option<Vec<u8>> {
        let mut size = String::new();
        self.0.read_line(&mut size).await.ok()?;
        let mut chunk = vec![0; usize::from_str_radix(size.trim(), 16).ok()? + 2];
        self.0.read_exact(&mut chunk).await.ok()?;
        chunk.truncate(chunk.len() - 2);
        Some(chunk)
    }
}

/// One answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its first line and its headers.
    pub head: String,
    /// Its body; of a stream, all of it.
    pub body: String,
}

impl Answer {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(said, _)| said.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    /// The body as one message, or the last message of a stream.
    pub fn message(&self) -> Value {
        let mut data = self.body.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim);
        let last = data.rfind(|data| !data.is_empty()).unwrap_or(&self.body);
        serde_json::from_str(last).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

/// A request in the making.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Its method and its path.
    pub line: String,
    /// Its headers; `host` is added where it is missing.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: String,
}

impl Ask {
    /// A `GET`.
    pub fn get(path: &str) -> Self {
        Self { line: format!("GET {path}"), headers: Vec::new(), body: String::new() }
    }

    /// A message of a client, with the headers that each has.
    pub fn post(body: impl Into<String>) -> Self {
        let ask = Self { line: "POST /mcp".to_owned(), headers: Vec::new(), body: body.into() };
        ask.with("content-type", "application/json").with("accept", "application/json, text/event-stream")
    }

    /// With a header, instead of any of that name.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(said, _)| said != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a token.
    pub fn bearer(self, token: &str) -> Self {
        self.with("authorization", &format!("Bearer {token}"))
    }

    /// As it goes over the wire.
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

/// Writes a file of keys of the test's own choosing: each with its subject and its scopes. Says where it is.
pub fn tokens(folder: &Path, keys: &[(&str, &str, &str)]) -> String {
    let entry = |(key, subject, scopes): &(&str, &str, &str)| {
        let hash: String = Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect();
        let scopes: Vec<&str> = scopes.split_whitespace().collect();
        format!("[[token]]\nsubject = \"{subject}\"\nscopes = {scopes:?}\nsha256 = \"{hash}\"\n")
    };
    let file = folder.join("tokens.toml");
    std::fs::write(&file, keys.iter().map(entry).collect::<String>()).expect("the folder can be written");
    file.to_str().expect("its name is text").to_owned()
}

/// The handshake of 2025-11-25.
pub fn initialize() -> Ask {
    Ask::post(crate::wire::initialize("2025-11-25"))
}

/// A call under the newest revision, with id 7.
#[expect(clippy::needless_pass_by_value, reason = "a `json!` is read better where it is sent than lent")]
pub fn call(tool: &str, arguments: Value) -> Ask {
    modern("tools/call", json!({"name": tool, "arguments": arguments})).with("mcp-name", tool)
}

/// A request under the newest revision, with id 7.
pub fn modern(method: &str, params: Value) -> Ask {
    Ask::post(crate::wire::modern(&json!(7), "2026-07-28", method, params))
        .with("mcp-protocol-version", "2026-07-28")
        .with("mcp-method", method)
}

/// A request in a session of 2025-11-25, with id 7.
pub fn legacy(session: &str, method: &str, params: Value) -> Ask {
    Ask::post(crate::wire::request(&json!(7), method, params))
        .with("mcp-protocol-version", "2025-11-25")
        .with("mcp-session-id", session)
}
