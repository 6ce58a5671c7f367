//! What the sandbox lets through, and what it does not: scratch folders, ports, unsandboxed tools, threads, open descriptors.
#![cfg(target_os = "linux")]

use std::{
    fs::{self, File},
    io::{self, Write as _},
    net::{TcpListener, TcpStream, UdpSocket},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use candor::{Sandbox, Server, State, mcp_tool, testing::Client, tools};
use serde_json::json;
use tokio::sync::mpsc;

/// A file that was opened before any call, and a line to the test.
#[derive(State)]
struct App {
    file: File,
    line: Arc<Line>,
}

struct Line {
    go: Mutex<Option<std::sync::mpsc::Receiver<PathBuf>>>,
    said: mpsc::UnboundedSender<Option<io::ErrorKind>>,
}

/// Write a file.
#[mcp_tool(read_only, public)]
fn write(
    /// Its path.
    path: PathBuf,
) -> io::Result<String> {
    fs::write(path, "written")?;
    Ok("written".to_owned())
}

/// Write a file, and say nothing of what came of it.
#[mcp_tool(read_only, public)]
fn write_quietly(
    /// Its path.
    path: PathBuf,
) -> String {
    let _ = fs::write(path, "written");
    "nothing was written".to_owned()
}

/// Change who may read a file.
#[mcp_tool(read_only, public)]
fn chmod(
    /// Its path.
    path: PathBuf,
) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
}

/// Write a file without a sandbox.
#[mcp_tool(read_only, closed_world, public, unsandboxed = "it keeps a cache on disk")]
fn write_openly(
    /// Its path.
    path: PathBuf,
) -> io::Result<String> {
    fs::write(path, "written")?;
    Ok("written".to_owned())
}

/// Write to a file that was opened before.
#[mcp_tool(read_only, closed_world, public)]
fn write_to_what_was_open(file: &File) -> io::Result<String> {
    let mut file = file;
    file.write_all(b"written")?;
    Ok("written".to_owned())
}

/// Leave a thread that writes later.
#[mcp_tool(read_only, public)]
fn write_later(line: &Arc<Line>) {
    let (go, said) = (line.go.lock().unwrap().take().unwrap(), line.said.clone());
    std::thread::spawn(move || {
        while let Ok(path) = go.recv() {
            // A child of the thread is no way out either.
            let error = fs::write(&path, "written").err().map(|error| error.kind());
            let _ = said.send(error);
        }
    });
}

/// Write with a task that outlives the call.
#[mcp_tool(read_only, public)]
async fn write_in_a_task(
    line: &Arc<Line>,
    /// The path.
    path: PathBuf,
) {
    let said = line.said.clone();
    tokio::spawn(async move {
        tokio::task::yield_now().await;
        let written = tokio::fs::write(path, "written").await;
        let _ = said.send(written.err().map(|error| error.kind()));
    });
}

/// Connect by TCP.
#[mcp_tool(additive, closed_world, public)]
fn connect(
    /// The port.
    port: u16,
) -> io::Result<String> {
    TcpStream::connect(("127.0.0.1", port))?;
    Ok("connected".to_owned())
}

/// Connect by TCP, without a hint that forbids it.
#[mcp_tool(additive, public)]
fn connect_honestly(
    /// The port.
    port: u16,
) -> io::Result<String> {
    TcpStream::connect(("127.0.0.1", port))?;
    Ok("connected".to_owned())
}

/// Send by UDP.
#[mcp_tool(additive, closed_world, public)]
fn send(
    /// The port.
    port: u16,
) -> io::Result<String> {
    UdpSocket::bind("127.0.0.1:0")?.send_to(b"x", ("127.0.0.1", port))?;
    Ok("sent".to_owned())
}

/// Set up a ring to do anything at all with.
#[mcp_tool(additive, closed_world, public)]
fn ring() -> io::Result<String> {
    io_uring::IoUring::new(2)?;
    Ok("ready".to_owned())
}

/// Set up a ring: it can change what stands beside a file.
#[mcp_tool(read_only, public)]
fn ring_reading() -> io::Result<String> {
    io_uring::IoUring::new(2)?;
    Ok("ready".to_owned())
}

/// Set up a ring, and say so.
#[mcp_tool(additive, public)]
fn ring_honestly() -> io::Result<String> {
    io_uring::IoUring::new(2)?;
    Ok("ready".to_owned())
}

struct Rig {
    folder: tempfile::TempDir,
    go: std::sync::mpsc::Sender<PathBuf>,
    said: mpsc::UnboundedReceiver<Option<io::ErrorKind>>,
    client: Client,
}

impl Rig {
    async fn new(sandboxes: impl FnOnce(Server<App>, &Path) -> Server<App>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("scratch")).unwrap();
        let (go, waits) = std::sync::mpsc::channel();
        let (says, said) = mpsc::unbounded_channel();
        let file = File::create(folder.path().join("open")).unwrap();
        let line = Arc::new(Line { go: Mutex::new(Some(waits)), said: says });
        let server = Server::new("s", "1").unaudited().state(App { file, line }).tools(tools![
            write,
            write_quietly,
            chmod,
            write_openly,
            write_to_what_was_open,
            write_later,
            write_in_a_task,
            connect,
            connect_honestly,
            send,
            ring,
            ring_reading,
            ring_honestly
        ]);
        let client = Client::of(sandboxes(server, folder.path())).await;
        Self { folder, go, said, client }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The reason of a failure, or the text.
    async fn call(&self, tool: &str, arguments: serde_json::Value) -> String {
        let answer = self.client.call(tool, arguments).await.unwrap();
        answer.reason().map_or_else(|| answer.text(), str::to_owned)
    }

    async fn write(&self, tool: &str, name: &str) -> (String, bool) {
        let said = self.call(tool, json!({"path": self.path(name)})).await;
        (said, self.path(name).exists())
    }
}

const REFUSED: &str = "permission_denied";

#[tokio::test]
async fn a_scratch_folder_may_be_written_and_nothing_beside_it() {
    let rig = Rig::new(|server, folder| server.scratch(folder.join("scratch"))).await;
    for (name, may) in [("scratch/a", true), ("b", false), ("scratch/../c", false)] {
        let said = if may { "written" } else { REFUSED };
        assert_eq!(rig.write("write", name).await, (said.to_owned(), may), "{name}");
    }
    std::os::unix::fs::symlink(rig.path("d"), rig.path("scratch/d")).unwrap();
    assert_eq!(rig.call("write", json!({"path": rig.path("scratch/d")})).await, REFUSED);
    assert!(!rig.path("d").exists(), "a link out of the folder leads nowhere");
}

#[tokio::test]
async fn a_scratch_folder_that_is_not_there_does_not_start() {
    let server = Server::new("s", "1").unaudited().tools(tools![write]).scratch("/nowhere/at/all");
    assert!(server.manifest().is_ok(), "it may be made before the server is built");
    let error = server.build().err().unwrap().to_string();
    assert!(error.starts_with("the scratch folder `/nowhere/at/all` is not a folder\nhelp: "), "{error}");
}

#[tokio::test]
async fn who_may_read_a_file_is_no_read_only_matter() {
    let rig = Rig::new(|server, _| server).await;
    fs::set_permissions(rig.path("open"), fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(rig.call("chmod", json!({"path": rig.path("open")})).await, REFUSED);
    assert_eq!(fs::metadata(rig.path("open")).unwrap().permissions().mode() & 0o777, 0o644);
}

#[tokio::test]
async fn a_listed_port_may_be_connected_to_and_nothing_else() {
    let (mine, other) =
        (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
    let mine_port = port(&mine);
    let rig = Rig::new(|server, _| server.closed_world_ports([mine_port])).await;
    assert_eq!(rig.call("connect", json!({"port": mine_port})).await, "connected");
    assert_eq!(rig.call("connect", json!({"port": port(&other)})).await, REFUSED);
    let datagram_port = datagrams.local_addr().unwrap().port();
    assert_eq!(rig.call("send", json!({"port": datagram_port})).await, REFUSED);
    assert_eq!(rig.call("ring", json!({})).await, REFUSED);
    other.set_nonblocking(true).unwrap();
    assert_eq!(other.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock, "nobody came");
    mine.accept().unwrap();
}

#[tokio::test]
async fn nothing_arrives_at_a_listener_but_what_is_honest() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let rig = Rig::new(|server, _| server).await;
    assert_eq!(rig.call("connect", json!({"port": port})).await, REFUSED);
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock, "nobody came");
    assert_eq!(rig.call("connect_honestly", json!({"port": port})).await, "connected");
    listener.accept().unwrap();
}

#[tokio::test]
async fn a_ring_is_no_way_around() {
    if io_uring::IoUring::new(2).is_err() {
        eprintln!("this kernel has no io_uring, or keeps it for itself");
        return;
    }
    let rig = Rig::new(|server, _| server).await;
    assert_eq!(rig.call("ring", json!({})).await, REFUSED);
    assert_eq!(rig.call("ring_reading", json!({})).await, REFUSED);
    assert_eq!(rig.call("ring_honestly", json!({})).await, "ready");
}

#[tokio::test]
async fn an_unsandboxed_tool_runs_open_and_the_others_stay_sandboxed() {
    let rig = Rig::new(|server, _| server).await;
    assert_eq!(rig.write("write_openly", "a").await, ("written".to_owned(), true));
    assert_eq!(rig.write("write", "b").await, (REFUSED.to_owned(), false));
}

#[tokio::test]
async fn sandbox_off_lets_everything_through() {
    let rig = Rig::new(|server, _| server.sandbox(Sandbox::Off)).await;
    assert_eq!(rig.write("write", "a").await, ("written".to_owned(), true));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    assert_eq!(rig.call("connect", json!({"port": port})).await, "connected");
}

#[tokio::test]
async fn what_a_handler_keeps_to_itself_is_refused_all_the_same() {
    let rig = Rig::new(|server, _| server).await;
    let said = rig.write("write_quietly", "a").await;
    assert_eq!(said, ("nothing was written".to_owned(), false));
}

#[tokio::test]
async fn threads_and_tasks_that_outlive_their_call_stay_sandboxed() {
    let mut rig = Rig::new(|server, _| server).await;
    assert_eq!(rig.call("write_later", json!({})).await, "done");
    rig.call("write_in_a_task", json!({"path": rig.path("b")})).await;
    let denied = Some(Some(io::ErrorKind::PermissionDenied));
    assert_eq!(rig.said.recv().await, denied);
    rig.go.send(rig.path("a")).unwrap();
    assert_eq!(rig.said.recv().await, denied);
    assert!(!rig.path("a").exists() && !rig.path("b").exists());
}

#[tokio::test]
async fn a_descriptor_that_was_open_before_is_not_covered() {
    let rig = Rig::new(|server, _| server).await;
    assert_eq!(rig.call("write_to_what_was_open", json!({})).await, "written");
    assert_eq!(fs::read_to_string(rig.path("open")).unwrap(), "written");
}
