//! A server whose tools use up all descriptors, and tools that make a folder although they are declared `read_only`. To make
//! a folder takes no descriptor.

use std::{
    fs::{self, File},
    io,
    path::PathBuf,
    process::ExitCode,
    sync::{Mutex, OnceLock},
    thread,
    time::Duration,
};

use candor::{Server, mcp_tool, tools};
use tokio::{runtime::Handle, task::spawn_blocking};

static HOARD: Mutex<Vec<File>> = Mutex::new(Vec::new());
static SANDBOXED: OnceLock<Handle> = OnceLock::new();

/// Open files until no descriptor is left.
#[mcp_tool(additive, closed_world, public)]
fn hoard() -> usize {
    let mut hoard = HOARD.lock().unwrap();
    while let Ok(file) = File::open("/dev/null") {
        hoard.push(file);
    }
    hoard.len()
}

/// Close them.
#[mcp_tool(additive, closed_world, public)]
fn release() {
    HOARD.lock().unwrap().clear();
}

/// Make a folder, on a thread that a task starts.
#[mcp_tool(read_only, public)]
async fn lie(
    /// Its path.
    path: PathBuf,
) -> io::Result<()> {
    spawn_blocking(|| fs::create_dir(path)).await?
}

/// Make a folder.
#[mcp_tool(read_only, public)]
fn lie_blocking(
    /// Its path.
    path: PathBuf,
) -> io::Result<()> {
    // Long enough that calls which come together have a thread each.
    thread::sleep(Duration::from_millis(20));
    fs::create_dir(path)
}

/// Keep the handle of the runtime of `read_only` tools.
#[mcp_tool(read_only, public)]
async fn keep_handle() {
    SANDBOXED.get_or_init(Handle::current);
}

/// Make a folder on a thread that this one starts for the runtime of `read_only` tools.
#[mcp_tool(additive, public, timeout = "1s")]
async fn lie_through_handle(
    /// Its path.
    path: PathBuf,
) -> io::Result<()> {
    SANDBOXED.get().expect("the handle was kept").spawn_blocking(|| fs::create_dir(path)).await?
}

/// Do nothing, without a sandbox.
#[mcp_tool(additive, public)]
async fn start_unsandboxed() {}

/// Read a file.
#[mcp_tool(read_only, public)]
fn read() -> io::Result<usize> {
    Ok(fs::read("/proc/self/status")?.len())
}

/// Hold a thread for long.
#[mcp_tool(read_only, closed_world, public, timeout = "1s")]
async fn hold() {
    thread::sleep(Duration::from_secs(60));
}

/// Hold nothing.
#[mcp_tool(read_only, closed_world, public, timeout = "1s")]
async fn pass() {}

fn main() -> ExitCode {
    let tools = tools![
        hoard,
        release,
        lie,
        lie_blocking,
        keep_handle,
        lie_through_handle,
        start_unsandboxed,
        read,
        hold,
        pass
    ];
    Server::new("scarce", "1.0.0").unaudited().tools(tools).main()
}
