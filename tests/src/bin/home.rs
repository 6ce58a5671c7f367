//! A server most of whose tools wait under one sandbox, for tests of what its service, which is at home there, does with the
//! others. Each tool does what it is asked to, whatever it declares.
//!
//! `stdio` serves on a runtime of its own making; everything else is the command line.

use std::{fs, io, net::TcpStream, path::PathBuf, process::ExitCode, time::Duration};

use candor::{Server, State, mcp_tool, tools};

/// Says when it is closed.
#[derive(State)]
struct App {
    last: Last,
}

struct Last;

impl Drop for Last {
    fn drop(&mut self) {
        eprintln!("closed in order");
    }
}

/// Writes to `path` and connects to `port`, where they are given.
fn act(path: Option<PathBuf>, port: Option<u16>) -> io::Result<()> {
    path.map_or(Ok(()), |path| fs::write(path, "written"))?;
    port.map_or(Ok(()), |port| TcpStream::connect(("127.0.0.1", port)).map(drop))
}

macro_rules! acts {
    ($($(#[$declared:meta])* $name:ident $(, $waits:ident)?;)*) => {$(
        $(#[$declared])*
        $($waits)? fn $name(
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
    /// At home.
    #[mcp_tool(read_only, closed_world, public)]
    at_home, async;
    /// At home, on a thread of its own.
    #[mcp_tool(read_only, closed_world, public)]
    at_home_blocking;
    /// May all.
    #[mcp_tool(additive, public)]
    open, async;
    /// May all.
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

/// May all, in a task and on a thread that it starts.
#[mcp_tool(additive, public)]
async fn open_in_a_task(
    /// A file to write.
    path: Option<PathBuf>,
    /// A port to connect to.
    port: Option<u16>,
) -> io::Result<()> {
    tokio::spawn(async move { tokio::task::spawn_blocking(move || act(path, port)).await? }).await?
}

/// At home, in a task and on a thread that it starts.
#[mcp_tool(read_only, closed_world, public)]
async fn at_home_in_a_task(
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
    _last: &Last,
    /// How many milliseconds.
    ms: u64,
) -> String {
    tokio::time::sleep(Duration::from_millis(ms)).await;
    "slept".to_owned()
}

/// Take longer than it may.
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

/// More at home.
#[mcp_tool(read_only, closed_world, public)]
async fn one_more() {}

/// More at home.
#[mcp_tool(read_only, closed_world, public)]
async fn two_more() {}

/// More at home.
#[mcp_tool(read_only, closed_world, public)]
async fn three_more() {}

fn main() -> ExitCode {
    let server = Server::new("home", "1.0.0").unaudited().state(App { last: Last }).tools(tools![
        at_home,
        at_home_blocking,
        at_home_in_a_task,
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
        one_more,
        two_more,
        three_more
    ]);
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
