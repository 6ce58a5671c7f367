//! A server for tests over HTTP: its tools have scopes and limits, or wait. `WEB` holds settings, separated by spaces:
//! `conceal`, `memory` (adds the tool `live_memory`), `ready=FILE` (not ready until the file exists), `slow` (a readiness
//! check that never ends).

use std::{
    alloc::System,
    path::PathBuf,
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use candor::{Call, Server, mcp_tool, tools};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tokio::time::{Instant, sleep};

/// Counts the bytes that are allocated. Resident memory also holds what the allocator keeps for later.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Say hello to the caller.
#[mcp_tool(read_only, closed_world, public)]
fn hello(call: &Call) -> String {
    format!("hello {}", call.caller().subject())
}

/// Answer a simple text, for callers with the scopes of the official suite's proposed scope challenge.
#[mcp_tool(
    read_only,
    closed_world,
    scope = "mcp:conformance:tools:call mcp:conformance:tools:test_simple_text"
)]
fn test_simple_text() -> &'static str {
    "simple"
}

/// Return the length of a text.
#[mcp_tool(read_only, closed_world, public)]
fn measure(
    /// Any text.
    text: &str,
) -> usize {
    text.len()
}

/// Return a text of a given length.
#[mcp_tool(read_only, closed_world, public)]
fn fill(
    /// The number of letters.
    #[param(max = 1_000_000)]
    length: usize,
) -> String {
    "x".repeat(length)
}

/// Do nothing, twice a minute.
#[mcp_tool(read_only, closed_world, public, rate = "2/min")]
fn twice() {}

/// Report progress, and wait.
#[mcp_tool(read_only, closed_world, public, max_in_flight = 4)]
async fn wait(
    call: &Call,
    /// The time to wait, in milliseconds.
    #[param(max = 60_000)]
    time: u64,
) -> String {
    call.progress(1.0, None, "waiting");
    sleep(Duration::from_millis(time)).await;
    format!("waited {time}")
}

/// Wait for a time or for a file, one call at a time.
#[mcp_tool(read_only, closed_world, public, max_in_flight = 1, task = "optional")]
async fn alone(
    /// The longest time to wait, in milliseconds.
    #[param(max = 60_000)]
    time: u64,
    /// A file that ends the wait as soon as it exists.
    until: Option<PathBuf>,
) {
    wait_in_flight(time, until).await;
}

/// Report progress, and wait for a time or for a file.
#[mcp_tool(read_only, closed_world, public)]
async fn linger(
    call: &Call,
    /// The longest time to wait, in milliseconds.
    #[param(max = 60_000)]
    time: u64,
    /// A file that ends the wait as soon as it exists.
    until: Option<PathBuf>,
) {
    call.progress(1.0, None, "waiting");
    wait_in_flight(time, until).await;
}

/// Wait, and then report progress.
#[mcp_tool(read_only, closed_world, public)]
async fn late_report(
    call: &Call,
    /// The time to wait, in milliseconds.
    #[param(max = 60_000)]
    time: u64,
) {
    sleep(Duration::from_millis(time)).await;
    call.progress(1.0, None, "waited");
    sleep(Duration::from_millis(time)).await;
}

async fn wait_in_flight(time: u64, until: Option<PathBuf>) {
    IN_FLIGHT.fetch_add(1, Ordering::SeqCst);
    // A guard, because the call may be dropped at an `await`.
    let _guard = InFlightGuard;
    let end = Instant::now() + Duration::from_millis(time);
    while Instant::now() < end && !until.as_ref().is_some_and(|file| file.exists()) {
        sleep(Duration::from_millis(5)).await;
    }
}

struct InFlightGuard;

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        IN_FLIGHT.fetch_sub(1, Ordering::SeqCst);
    }
}

static IN_FLIGHT: AtomicUsize = AtomicUsize::new(0);

/// Return the number of calls of `alone` and `linger` in flight.
#[mcp_tool(read_only, closed_world, public)]
fn in_flight() -> usize {
    IN_FLIGHT.load(Ordering::SeqCst)
}

/// Return the number of bytes that this process has allocated and not freed.
#[mcp_tool(read_only, closed_world, public)]
fn live_memory() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated.saturating_sub(stats.bytes_deallocated)
}

fn main() -> ExitCode {
    let mut server = Server::new("web", "1.0.0").tools(tools![
        hello,
        test_simple_text,
        measure,
        fill,
        twice,
        wait,
        alone,
        linger,
        late_report,
        in_flight
    ]);
    for setting in std::env::var("WEB").unwrap_or_default().split_whitespace() {
        server = match setting.split_once('=').unwrap_or((setting, "")) {
            ("conceal", _) => server.conceal(),
            ("memory", _) => server.tools(tools![live_memory]),
            ("ready", file) => {
                let file = PathBuf::from(file);
                server.ready_when("file", move || {
                    let exists = file.exists();
                    async move { exists }
                })
            }
            ("slow", _) => server.ready_when("slow", std::future::pending),
            _ => panic!("`{setting}` is not a setting"),
        };
    }
    server.main()
}
