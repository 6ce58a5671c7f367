//! Everyday work that goes on in each sandbox: programs, threads, memory, timers, local sockets and temporary files.

use std::{
    collections::HashMap,
    fs,
    io::{self, Read as _, Write as _},
    net::ToSocketAddrs as _,
    os::unix::{
        fs::PermissionsExt as _,
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use candor::{Server, State, mcp_tool, testing::Client, tools};
use candor_syscalls::call;
use serde_json::json;
use tokio::sync::Notify;

#[derive(State)]
struct App {
    scratch: Scratch,
    program: Arc<Program>,
}

/// A program that one call starts and another stops.
#[derive(Default)]
struct Program {
    child: Mutex<Option<Child>>,
    started: Notify,
    stopped: Condvar,
}

/// The folder in which tools may write.
struct Scratch(PathBuf);

/// A file outside the scratch folder.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");

type Work = fn(&Path) -> io::Result<()>;

/// Work that needs no scratch folder, by its name.
const EVERYWHERE: &[(&str, Work)] = &[
    ("run a program", |_| {
        let output =
            Command::new("sh").args(["-c", "echo text | tr t T > /dev/null && ls / | wc -l"]).output()?;
        check(output.status.success() && output.stderr.is_empty())
    }),
    ("stop a program", |_| {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        child.kill()?;
        check(!child.wait()?.success())
    }),
    ("stop a program from another thread", |_| {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        std::thread::scope(|scope| scope.spawn(|| child.kill()).join().unwrap())?;
        check(!child.wait()?.success())
    }),
    ("run a program in another folder and group", |_| {
        use std::os::unix::process::CommandExt as _;
        let output = Command::new("pwd").current_dir("/").process_group(0).output()?;
        check(output.stdout == b"/\n")
    }),
    ("read files and folders", |_| {
        let entries = fs::read_dir("/proc/self")?.count();
        check(entries > 10 && fs::read_to_string("/proc/thread-self/status")?.contains("Seccomp:\t2"))
    }),
    ("lock a file", |_| fs::File::open("/proc/self/exe")?.try_lock_shared().map_err(io::Error::from)),
    ("allocate memory", |_| {
        check(vec![1_u8; 4 << 20].iter().map(|byte| usize::from(*byte)).sum::<usize>() == 4 << 20)
    }),
    ("random numbers", |_| check(HashMap::from([(1, 2)]).contains_key(&1))),
    ("a file in memory", |_| {
        let file = rustix::fs::memfd_create("memory", rustix::fs::MemfdFlags::CLOEXEC)?;
        let mut file = fs::File::from(file);
        file.write_all(b"text")?;
        file.set_len(100)
    }),
    ("wait for signals", |_| {
        number(call(libc::SYS_signalfd4, [(-1).into(), (&[0; 8]).into(), 8.into(), 0.into()]))
    }),
    ("watch a folder", |_| number(call(libc::SYS_inotify_init1, [0.into()]))),
    ("a local socket without a name", |_| {
        let (mut one, mut other) = UnixStream::pair()?;
        one.write_all(b"x")?;
        other.read_exact(&mut [0])
    }),
    ("a name in the list of hosts", |_| check(("localhost", 80).to_socket_addrs()?.count() > 0)),
];

/// Work in a scratch folder, by its name.
const IN_SCRATCH: &[(&str, Work)] = &[
    ("a temporary file", |scratch| {
        let mut file = tempfile::NamedTempFile::new_in(scratch)?;
        file.write_all(b"text")?;
        file.persist(scratch.join("kept")).map_err(io::Error::from)?;
        fs::remove_file(scratch.join("kept"))
    }),
    ("a temporary folder", |scratch| {
        let folder = tempfile::tempdir_in(scratch)?;
        fs::create_dir_all(folder.path().join("one/two"))?;
        folder.close()
    }),
    ("copy a file with its mode", |scratch| {
        let copy = scratch.join("copy");
        fs::copy(FILE, &copy)?;
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o600))?;
        fs::remove_file(copy)
    }),
    ("copy a file with a program", |scratch| {
        let copy = scratch.join("copy");
        let status = Command::new("cp").arg(FILE).arg(&copy).status()?;
        check(status.success())?;
        fs::remove_file(copy)
    }),
    ("a local socket with a path", |scratch| {
        let path = scratch.join("socket");
        let listener = UnixListener::bind(&path)?;
        UnixStream::connect(&path)?;
        listener.accept()?;
        fs::remove_file(path)
    }),
];

fn check(holds: bool) -> io::Result<()> {
    if holds { Ok(()) } else { Err(io::Error::other("an unexpected result")) }
}

fn number(result: Result<i64, i32>) -> io::Result<()> {
    result.map(drop).map_err(io::Error::from_raw_os_error)
}

/// Returns what failed.
fn failures(scratch: &Path, is_scratch: bool) -> String {
    let works = if is_scratch { IN_SCRATCH } else { EVERYWHERE };
    let failed = works.iter().filter_map(|(name, work)| Some(format!("{name}: {}", work(scratch).err()?)));
    failed.collect::<Vec<_>>().join("\n")
}

/// Do everyday work.
#[mcp_tool(read_only, public)]
fn read_only(
    scratch: &Scratch,
    /// Whether to do the work that needs a scratch folder.
    in_scratch: bool,
) -> String {
    failures(&scratch.0, in_scratch)
}

/// Do everyday work.
#[mcp_tool(additive, closed_world, public)]
fn closed_world(
    scratch: &Scratch,
    /// Whether to do the work that needs a scratch folder.
    in_scratch: bool,
) -> String {
    failures(&scratch.0, in_scratch)
}

/// Do everyday work.
#[mcp_tool(read_only, closed_world, public)]
fn both(
    scratch: &Scratch,
    /// Whether to do the work that needs a scratch folder.
    in_scratch: bool,
) -> String {
    failures(&scratch.0, in_scratch)
}

/// Start a program, and hold the thread until another call has stopped it.
#[mcp_tool(read_only, public)]
fn start(program: &Arc<Program>) -> io::Result<()> {
    let child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    *program.child.lock().unwrap() = Some(child);
    program.started.notify_one();
    let mut child = program.child.lock().unwrap();
    while child.is_some() {
        child = program.stopped.wait(child).unwrap();
    }
    Ok(())
}

/// Stop the program that another call has started.
#[mcp_tool(read_only, public)]
fn stop(program: &Arc<Program>) -> io::Result<()> {
    let mut child = program.child.lock().unwrap();
    let result = child.as_mut().map_or(Ok(()), std::process::Child::kill);
    *child = None;
    program.stopped.notify_one();
    result
}

/// Wait, run a program, and work on other threads.
#[mcp_tool(read_only, closed_world, public)]
async fn wait() -> io::Result<String> {
    tokio::time::sleep(Duration::from_millis(1)).await;
    let sum = tokio::task::spawn_blocking(|| 1 + 1).await?;
    let output = tokio::process::Command::new("echo").arg(sum.to_string()).output().await?;
    let mut child =
        tokio::process::Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    child.kill().await?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

async fn client(exceptions: bool) -> (Client, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let app = App { scratch: Scratch(folder.path().to_owned()), program: Arc::default() };
    let server = Server::new("s", "1").unaudited().state(app);
    let server = server.tools(tools![read_only, closed_world, both, wait, start, stop]);
    let server = if exceptions { server.scratch(folder.path()) } else { server };
    (Client::of(server).await, folder)
}

#[tokio::test]
async fn everyday_work_goes_on_in_each_sandbox() {
    for exceptions in [false, true] {
        let (client, _folder) = client(exceptions).await;
        for tool in ["read_only", "closed_world", "both"] {
            let answer = client.call(tool, json!({"in_scratch": false})).await.unwrap();
            assert_eq!(answer.text(), "", "{tool}");
            if exceptions {
                let answer = client.call(tool, json!({"in_scratch": true})).await.unwrap();
                assert_eq!(answer.text(), "", "{tool}");
            }
        }
        assert_eq!(client.call("wait", json!({})).await.unwrap().text(), "2\n");
    }
}

#[tokio::test]
async fn program_of_one_call_can_be_stopped_by_another() {
    let program = Arc::<Program>::default();
    let app = App { scratch: Scratch(PathBuf::new()), program: Arc::clone(&program) };
    let server = Server::new("s", "1").unaudited().state(app).tools(tools![start, stop]);
    let client = Client::of(server).await;
    let stop = async {
        program.started.notified().await;
        client.call("stop", json!({})).await
    };
    let (started, stopped) = tokio::join!(client.call("start", json!({})), stop);
    assert_eq!((started.unwrap().text(), stopped.unwrap().text()), ("done".to_owned(), "done".to_owned()));
}
