//! The limits of the sandbox: scratch folders, ports, unsandboxed tools, threads and open descriptors.

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

/// A file opened before any call, and a channel to the test.
#[derive(State)]
struct App {
    #[state(read)]
    file: File,
    channel: Arc<Channel>,
}

struct Channel {
    paths: Mutex<Option<std::sync::mpsc::Receiver<PathBuf>>>,
    results: mpsc::UnboundedSender<Option<io::ErrorKind>>,
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

/// Write a file, and ignore the error.
#[mcp_tool(read_only, public)]
fn write_quietly(
    /// Its path.
    path: PathBuf,
) -> String {
    let _ = fs::write(path, "written");
    "nothing was written".to_owned()
}

/// Change the mode of a file.
#[mcp_tool(read_only, public)]
fn chmod(
    /// Its path.
    path: PathBuf,
) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
}

/// Write a file without a sandbox.
#[mcp_tool(read_only, closed_world, public, unsandboxed = "it keeps a cache on disk")]
fn write_unsandboxed(
    /// Its path.
    path: PathBuf,
) -> io::Result<String> {
    fs::write(path, "written")?;
    Ok("written".to_owned())
}

/// Write to a file that was opened earlier.
#[mcp_tool(read_only, closed_world, public)]
fn write_to_open_file(file: &File) -> io::Result<String> {
    let mut file = file;
    file.write_all(b"written")?;
    Ok("written".to_owned())
}

/// Leave a thread that writes later.
#[mcp_tool(read_only, public)]
fn write_later(channel: &Arc<Channel>) {
    let (paths, results) = (channel.paths.lock().unwrap().take().unwrap(), channel.results.clone());
    std::thread::spawn(move || {
        while let Ok(path) = paths.recv() {
            let error = fs::write(&path, "written").err().map(|error| error.kind());
            let _ = results.send(error);
        }
    });
}

/// Write with a task that outlives the call.
#[mcp_tool(read_only, public)]
async fn write_in_a_task(
    channel: &Arc<Channel>,
    /// The path.
    path: PathBuf,
) {
    let results = channel.results.clone();
    tokio::spawn(async move {
        tokio::task::yield_now().await;
        let written = tokio::fs::write(path, "written").await;
        let _ = results.send(written.err().map(|error| error.kind()));
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

/// Connect by TCP, as declared.
#[mcp_tool(additive, public)]
fn connect_declared(
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

/// Set up an `io_uring`, which could make any call.
#[mcp_tool(additive, closed_world, public)]
fn ring() -> io::Result<String> {
    io_uring::IoUring::new(2)?;
    Ok("ready".to_owned())
}

/// Set up an `io_uring`, which could change the attributes of a file.
#[mcp_tool(read_only, public)]
fn read_only_ring() -> io::Result<String> {
    io_uring::IoUring::new(2)?;
    Ok("ready".to_owned())
}

/// Set up an `io_uring`, as declared.
#[mcp_tool(additive, public)]
fn declared_ring() -> io::Result<String> {
    io_uring::IoUring::new(2)?;
    Ok("ready".to_owned())
}

struct Rig {
    folder: tempfile::TempDir,
    paths: std::sync::mpsc::Sender<PathBuf>,
    results: mpsc::UnboundedReceiver<Option<io::ErrorKind>>,
    client: Client,
}

impl Rig {
    async fn new(sandboxes: impl FnOnce(Server<App>, &Path) -> Server<App>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("scratch")).unwrap();
        let (paths, receiver) = std::sync::mpsc::channel();
        let (sender, results) = mpsc::unbounded_channel();
        let file = File::create(folder.path().join("open")).unwrap();
        let channel = Arc::new(Channel { paths: Mutex::new(Some(receiver)), results: sender });
        let server = Server::new("s", "1").unaudited().state(App { file, channel }).tools(tools![
            write,
            write_quietly,
            chmod,
            write_unsandboxed,
            write_to_open_file,
            write_later,
            write_in_a_task,
            connect,
            connect_declared,
            send,
            ring,
            read_only_ring,
            declared_ring
        ]);
        let client = Client::of(sandboxes(server, folder.path())).await;
        Self { folder, paths, results, client }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns the reason of a failure, or the text.
    async fn call(&self, tool: &str, arguments: serde_json::Value) -> String {
        let answer = self.client.call(tool, arguments).await.unwrap();
        answer.reason().map_or_else(|| answer.text(), str::to_owned)
    }

    async fn write(&self, tool: &str, name: &str) -> (String, bool) {
        let answer = self.call(tool, json!({"path": self.path(name)})).await;
        (answer, self.path(name).exists())
    }
}

const REFUSED: &str = "permission_denied";

#[tokio::test]
async fn scratch_folder_can_be_written_and_nothing_beside_it() {
    let rig = Rig::new(|server, folder| server.scratch(folder.join("scratch"))).await;
    for (name, may) in [("scratch/a", true), ("b", false), ("scratch/../c", false)] {
        let expected = if may { "written" } else { REFUSED };
        assert_eq!(rig.write("write", name).await, (expected.to_owned(), may), "{name}");
    }
    std::os::unix::fs::symlink(rig.path("d"), rig.path("scratch/d")).unwrap();
    assert_eq!(rig.call("write", json!({"path": rig.path("scratch/d")})).await, REFUSED);
    assert!(!rig.path("d").exists(), "a link out of the folder leads nowhere");
}

#[tokio::test]
async fn missing_scratch_folder_is_a_start_error() {
    let server = Server::new("s", "1").unaudited().tools(tools![write]).scratch("/nowhere/at/all");
    assert!(server.manifest().is_ok(), "it may be made before the server is built");
    let error = server.build().err().unwrap().to_string();
    assert!(error.starts_with("the scratch folder `/nowhere/at/all` is not a folder\nhelp: "), "{error}");
}

#[tokio::test]
async fn read_only_tools_cannot_chmod() {
    let rig = Rig::new(|server, _| server).await;
    fs::set_permissions(rig.path("open"), fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(rig.call("chmod", json!({"path": rig.path("open")})).await, REFUSED);
    assert_eq!(fs::metadata(rig.path("open")).unwrap().permissions().mode() & 0o777, 0o644);
}

#[tokio::test]
async fn listed_port_can_be_connected_to_and_no_other() {
    let (listed, other) =
        (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
    let listed_port = port(&listed);
    let rig = Rig::new(|server, _| server.closed_world_ports([listed_port])).await;
    assert_eq!(rig.call("connect", json!({"port": listed_port})).await, "connected");
    assert_eq!(rig.call("connect", json!({"port": port(&other)})).await, REFUSED);
    let datagram_port = datagrams.local_addr().unwrap().port();
    assert_eq!(rig.call("send", json!({"port": datagram_port})).await, REFUSED);
    assert_eq!(rig.call("ring", json!({})).await, REFUSED);
    other.set_nonblocking(true).unwrap();
    assert_eq!(other.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock, "nothing connected");
    listed.accept().unwrap();
}

#[tokio::test]
async fn listener_sees_only_connections_of_tools_that_may_connect() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let rig = Rig::new(|server, _| server).await;
    assert_eq!(rig.call("connect", json!({"port": port})).await, REFUSED);
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock, "nothing connected");
    assert_eq!(rig.call("connect_declared", json!({"port": port})).await, "connected");
    listener.accept().unwrap();
}

#[tokio::test]
async fn sandboxed_tools_cannot_set_up_io_uring() {
    if io_uring::IoUring::new(2).is_err() {
        eprintln!("this kernel has no io_uring, or does not allow it");
        return;
    }
    let rig = Rig::new(|server, _| server).await;
    assert_eq!(rig.call("ring", json!({})).await, REFUSED);
    assert_eq!(rig.call("read_only_ring", json!({})).await, REFUSED);
    assert_eq!(rig.call("declared_ring", json!({})).await, "ready");
}

#[tokio::test]
async fn unsandboxed_tool_is_not_restricted_and_the_others_are() {
    let rig = Rig::new(|server, _| server).await;
    assert_eq!(rig.write("write_unsandboxed", "a").await, ("written".to_owned(), true));
    assert_eq!(rig.write("write", "b").await, (REFUSED.to_owned(), false));
}

#[tokio::test]
async fn sandbox_off_restricts_nothing() {
    let rig = Rig::new(|server, _| server.sandbox(Sandbox::Off)).await;
    assert_eq!(rig.write("write", "a").await, ("written".to_owned(), true));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    assert_eq!(rig.call("connect", json!({"port": port})).await, "connected");
}

#[tokio::test]
async fn handler_that_hides_the_error_is_refused_too() {
    let rig = Rig::new(|server, _| server).await;
    let answer = rig.write("write_quietly", "a").await;
    assert_eq!(answer, ("nothing was written".to_owned(), false));
}

#[tokio::test]
async fn threads_and_tasks_that_outlive_their_call_stay_sandboxed() {
    let mut rig = Rig::new(|server, _| server).await;
    assert_eq!(rig.call("write_later", json!({})).await, "done");
    rig.call("write_in_a_task", json!({"path": rig.path("b")})).await;
    let denied = Some(Some(io::ErrorKind::PermissionDenied));
    assert_eq!(rig.results.recv().await, denied);
    rig.paths.send(rig.path("a")).unwrap();
    assert_eq!(rig.results.recv().await, denied);
    assert!(!rig.path("a").exists() && !rig.path("b").exists());
}

#[tokio::test]
async fn descriptor_opened_earlier_is_not_covered() {
    let rig = Rig::new(|server, _| server).await;
    assert_eq!(rig.call("write_to_open_file", json!({})).await, "written");
    assert_eq!(fs::read_to_string(rig.path("open")).unwrap(), "written");
}
