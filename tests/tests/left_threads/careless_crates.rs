//! Crates that start a thread behind a static: one that a sandboxed tool starts stays in its sandbox, and is named.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read as _, Write},
    net::TcpListener,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{LazyLock, OnceLock, mpsc},
    thread,
    time::Duration,
};

use candor::{
    Revision, Server, mcp_tool,
    testing::{Client, ClientBuilder},
    tools,
};
use candor_tests::wait::wait_until;
use serde_json::json;
use tracing_appender::non_blocking::{NonBlocking, WorkerGuard};

use super::TURN;

/// The client of all tools, as many programs have it. Its thread starts with its first use.
static HTTP: LazyLock<reqwest::blocking::Client> = LazyLock::new(reqwest::blocking::Client::new);

/// Build the client without a request.
#[mcp_tool(read_only, closed_world, public)]
fn prepare() -> bool {
    HTTP.get("http://127.0.0.1/").build().is_ok()
}

/// Fetch a page.
#[mcp_tool(additive, public)]
fn fetch(
    /// Its address.
    url: &str,
) -> Result<String, reqwest::Error> {
    HTTP.get(url).send()?.text()
}

/// A log file that is opened by the thread that writes it.
struct LogFile {
    path: PathBuf,
    results: mpsc::Sender<Option<io::ErrorKind>>,
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = OpenOptions::new().create(true).append(true).open(&self.path);
        let written = written.and_then(|mut file| file.write(bytes));
        let _ = self.results.send(written.as_ref().err().map(io::Error::kind));
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The appender of all tools, and what came of its writes.
type Log = (NonBlocking, WorkerGuard, std::sync::Mutex<mpsc::Receiver<Option<io::ErrorKind>>>);

static LOG: OnceLock<Log> = OnceLock::new();

fn append(folder: &Path) -> Option<String> {
    let (appender, _, results) = LOG.get_or_init(|| {
        let (sender, results) = mpsc::channel();
        let file = LogFile { path: folder.join("log"), results: sender };
        let (appender, guard) = tracing_appender::non_blocking(file);
        (appender, guard, results.into())
    });
    appender.clone().write_all(b"a line\n").expect("the appender's queue has room");
    let result = results.lock().unwrap().recv_timeout(Duration::from_secs(20)).expect("the thread writes");
    result.map(|kind| kind.to_string())
}

/// Log a look.
#[mcp_tool(read_only, closed_world, public)]
fn look(
    /// The folder of the log.
    folder: &str,
) -> Option<String> {
    append(Path::new(folder))
}

/// Log a write.
#[mcp_tool(additive, public)]
fn put(
    /// The folder of the log.
    folder: &str,
) -> Option<String> {
    append(Path::new(folder))
}

async fn client() -> Client {
    let server = Server::new("s", "1").unaudited().without_idempotency();
    let service = server.tools(tools![prepare, fetch, look, put]).build().unwrap();
    ClientBuilder::new().to(service, Revision::V2026_07_28).await
}

/// Returns the message of the client that finds a thread of `tool`.
fn reported(client: Client, tool: &str) -> String {
    let panic = catch_unwind(AssertUnwindSafe(|| drop(client))).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.contains(&format!(", which tool `{tool}` started, outlives the call\n")), "{text}");
    text.clone()
}

#[tokio::test]
async fn blocking_http_client_in_a_static_keeps_the_sandbox_of_the_tool_that_used_it_first() {
    let _turn = TURN.lock().await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let client = client().await;
    assert_eq!(client.call("prepare", json!({})).await.unwrap().structured, Some(json!(true)));
    let refusal = async || {
        let answer = client.call("fetch", json!({"url": url})).await.unwrap();
        let text = answer.text();
        assert!(answer.is_error && text.contains("Permission denied"), "{text}");
        assert!(!text.contains("declar"), "the honest tool is not accused: {text}");
        text
    };
    let note =
        "\nnote: thread `reqwest-interna…`, which tool `prepare` started, is still in that tool's sandbox";
    // A thread counts as left a moment after its call.
    wait_until(async || refusal().await.contains(note)).await;
    assert!(reported(client, "prepare").starts_with("thread `reqwest-interna…`"));
}

#[tokio::test]
async fn log_appender_in_a_static_keeps_the_sandbox_of_the_tool_that_used_it_first() {
    let _turn = TURN.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let client = client().await;
    for tool in ["look", "put"] {
        let answer = client.call(tool, json!({"folder": folder.path()})).await.unwrap();
        assert_eq!(answer.structured, Some(json!("permission denied")), "{tool}: {}", answer.text());
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "the kernel let no line through");
    assert!(reported(client, "look").starts_with("thread `tracing-appende…`"));
}

/// Answers one request with `text`.
fn serve_once(listener: TcpListener, text: &'static str) {
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).unwrap();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", text.len());
        stream.write_all((head + text).as_bytes()).unwrap();
    });
}

/// A client of this test alone.
static STARTED_FIRST: LazyLock<reqwest::blocking::Client> = LazyLock::new(reqwest::blocking::Client::new);

/// Build a request with the client that the state started.
#[mcp_tool(read_only, closed_world, public)]
fn prepare_later() -> bool {
    STARTED_FIRST.get("http://127.0.0.1/").build().is_ok()
}

/// Fetch a page with the client that the state started.
#[mcp_tool(additive, public)]
fn fetch_later(
    /// Its address.
    url: &str,
) -> Result<String, reqwest::Error> {
    STARTED_FIRST.get(url).send()?.text()
}

#[tokio::test]
async fn blocking_http_client_that_starts_with_the_state_serves_every_tool() {
    let _turn = TURN.lock().await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    serve_once(listener, "a page");
    let server = Server::new("s", "1").unaudited().without_idempotency().state_with(|| {
        LazyLock::force(&STARTED_FIRST);
        Ok::<_, String>(())
    });
    // reqwest starts its thread outside of a runtime, as `Server::main` makes the state.
    let build = || server.tools(tools![prepare_later, fetch_later]).build().unwrap();
    let service = tokio::task::spawn_blocking(build).await.unwrap();
    let client = Client::to(service, Revision::V2026_07_28).await;
    assert_eq!(client.call("prepare_later", json!({})).await.unwrap().structured, Some(json!(true)));
    let answer = client.call("fetch_later", json!({"url": url})).await.unwrap();
    assert_eq!(answer.text(), "a page");
    drop(client);
}
