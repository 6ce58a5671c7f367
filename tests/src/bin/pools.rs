//! A server whose tools share rayon's global pool, and start threads of their own. `POOL_FIRST` starts the pool when the state
//! is built.

use std::{fs, io, path::Path, process::ExitCode, thread};

use candor::{Server, State, mcp_tool, tools};
use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};

#[derive(State)]
struct App {}

/// Sum up the numbers to a thousand, on the pool.
#[mcp_tool(read_only, closed_world, public)]
fn sum() -> u64 {
    (0..=1_000_u64).into_par_iter().sum()
}

/// Make folders, on the pool.
#[mcp_tool(additive, public)]
fn save(
    /// Where.
    folder: &str,
) -> io::Result<()> {
    (0..8).into_par_iter().try_for_each(|at| fs::create_dir(Path::new(folder).join(at.to_string())))
}

/// Make folders on the pool, against the declaration.
#[mcp_tool(read_only, closed_world, public)]
fn lie(
    /// Where.
    folder: &str,
) -> io::Result<()> {
    (0..8).into_par_iter().try_for_each(|at| fs::create_dir(Path::new(folder).join(at.to_string())))
}

/// Leave two threads.
#[mcp_tool(read_only, closed_world, public)]
async fn leave() {
    for at in 1..=2 {
        let thread = thread::Builder::new().name(format!("appender-{at}"));
        thread.spawn(thread::park).expect("a thread");
    }
}

/// Start a thread, and wait for its end.
#[mcp_tool(read_only, closed_world, public)]
async fn join() {
    thread::spawn(|| ()).join().expect("it does not panic");
}

fn main() -> ExitCode {
    let server = Server::new("pools", "1.0.0").unaudited().state_with(|| {
        if std::env::var_os("POOL_FIRST").is_some() {
            rayon::ThreadPoolBuilder::new().build_global()?;
        }
        Ok::<_, rayon::ThreadPoolBuildError>(App {})
    });
    server.tools(tools![sum, save, lie, leave, join]).main()
}
