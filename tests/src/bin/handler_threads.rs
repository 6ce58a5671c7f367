//! A server whose tools write and connect as their arguments say, whatever they declare, or hold their thread for a long
//! time.
//!
//! `stdio` serves on a runtime that the program builds; every other argument goes to the command line. `BLOCKING_CHECK` adds
//! a readiness check that holds its thread, too.

use std::{fs, io, net::TcpStream, path::PathBuf, process::ExitCode, thread, time::Duration};

use candor::{Server, State, mcp_tool, tools};

/// Reports on stderr when the state is dropped.
#[derive(State)]
struct App {
    drop_report: DropReport,
}

struct DropReport;

impl Drop for DropReport {
    fn drop(&mut self) {
        eprintln!("closed in order");
    }
}

/// Writes to `path` and connects to `port`, if they are given.
fn act(path: Option<PathBuf>, port: Option<u16>) -> io::Result<()> {
    path.map_or(Ok(()), |path| fs::write(path, "written"))?;
    port.map_or(Ok(()), |port| TcpStream::connect(("127.0.0.1", port)).map(drop))
}

macro_rules! acts {
    ($($(#[$declared:meta])* $name:ident $(, $is_async:ident)?;)*) => {$(
        $(#[$declared])*
        $($is_async)? fn $name(
            /// A file to write.
            path: Option<PathBuf>,
            /// A port to connect to.
            port: Option<u16>,
        ) -> io::Result<()> {
            act(path, port)
        }
    )*};
}

acts! {
    /// May neither write nor connect.
    #[mcp_tool(read_only, closed_world, public)]
    closed, async;
    /// May neither write nor connect.
    #[mcp_tool(read_only, closed_world, public)]
    closed_blocking;
    /// May write and connect.
    #[mcp_tool(additive, public)]
    open, async;
    /// May write and connect.
    #[mcp_tool(additive, public)]
    open_blocking;
    /// May write.
    #[mcp_tool(additive, closed_world, public)]
    writes_blocking;
    /// May write.
    #[mcp_tool(additive, closed_world, public)]
    writes, async;
    /// May connect.
    #[mcp_tool(read_only, public)]
    connects, async;
    /// May connect.
    #[mcp_tool(read_only, public)]
    connects_blocking;
}

/// May write and connect, in a task and on a thread that it starts.
#[mcp_tool(additive, public)]
async fn open_in_a_task(
    /// A file to write.
    path: Option<PathBuf>,
    /// A port to connect to.
    port: Option<u16>,
) -> io::Result<()> {
    tokio::spawn(async move { tokio::task::spawn_blocking(move || act(path, port)).await? }).await?
}

/// May neither write nor connect, in a task and on a thread that it starts.
#[mcp_tool(read_only, closed_world, public)]
async fn closed_in_a_task(
    /// A file to write.
    path: Option<PathBuf>,
    /// A port to connect to.
    port: Option<u16>,
) -> io::Result<()> {
    tokio::spawn(async move { tokio::task::spawn_blocking(move || act(path, port)).await? }).await?
}

/// Take a while.
#[mcp_tool(read_only, closed_world, public)]
async fn slow(
    _drop_report: &DropReport,
    /// How many milliseconds.
    ms: u64,
) -> String {
    tokio::time::sleep(Duration::from_millis(ms)).await;
    "slept".to_owned()
}

/// Exceed the timeout.
#[mcp_tool(read_only, closed_world, public, timeout = "100ms")]
async fn late() {
    std::future::pending::<()>().await;
}

/// Panic.
#[mcp_tool(read_only, closed_world, public)]
async fn panics() {
    panic!("on purpose")
}

/// Panic without a sandbox.
#[mcp_tool(additive, public)]
async fn panics_openly() {
    panic!("on purpose")
}

/// Longer than any timeout, and than a test waits.
const HELD: Duration = Duration::from_secs(60);

/// Hold a thread in a sandbox.
#[mcp_tool(read_only, closed_world, public, timeout = "3s")]
async fn hold() {
    thread::sleep(HELD);
}

/// Hold a thread without a sandbox.
#[mcp_tool(additive, public, timeout = "3s")]
async fn hold_open() {
    thread::sleep(HELD);
}

/// Hold a thread in a sandbox, as a plain function may.
#[mcp_tool(read_only, closed_world, public, timeout = "3s")]
fn hold_blocking() {
    thread::sleep(HELD);
}

/// Hold a thread without a sandbox, as a plain function may.
#[mcp_tool(additive, public, timeout = "3s")]
fn hold_open_blocking() {
    thread::sleep(HELD);
}

/// Log more than a pipe holds.
#[mcp_tool(additive, public, timeout = "3s")]
async fn shout() {
    for _ in 0..2_000 {
        eprintln!("{}", "x".repeat(99));
    }
}

/// Log more than a pipe holds, as a plain function may.
#[mcp_tool(read_only, closed_world, public, timeout = "3s")]
fn shout_blocking() {
    for _ in 0..2_000 {
        eprintln!("{}", "x".repeat(99));
    }
}

fn main() -> ExitCode {
    let mut server = Server::new("handler-threads", "1.0.0")
        .unaudited()
        .state(App { drop_report: DropReport })
        .tools(tools![
            closed,
            closed_blocking,
            closed_in_a_task,
            open,
            open_blocking,
            open_in_a_task,
            writes,
            writes_blocking,
            connects,
            connects_blocking,
            slow,
            late,
            panics,
            panics_openly,
            hold,
            hold_open,
            hold_blocking,
            hold_open_blocking,
            shout,
            shout_blocking
        ]);
    if std::env::var_os("BLOCKING_CHECK").is_some() {
        server = server.ready_when("blocks", async || {
            thread::sleep(HELD);
            true
        });
    }
    if std::env::args().nth(1).as_deref() != Some("stdio") {
        return server.main();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let served = runtime.map(|runtime| {
        let service = server.build().map_err(io::Error::other)?;
        runtime.block_on(service.serve_stdio())
    });
    ExitCode::from(u8::from(!matches!(served, Ok(Ok(())))))
}
