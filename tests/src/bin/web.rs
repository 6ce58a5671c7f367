//! A server whose tools are met over HTTP: with scopes, with limits, and slow ones. `WEB` may hold `conceal`, and
//! `ready=FILE`, without which it is not ready.

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use candor::{Call, Server, mcp_tool, tools};

/// Say hello to whoever calls.
#[mcp_tool(read_only, closed_world, public)]
fn hello(call: &Call) -> String {
    format!("hello {}", call.caller().subject())
}

/// Say something simple, as in the official suite's proposal for scope challenges.
#[mcp_tool(
    read_only,
    closed_world,
    scope = "mcp:conformance:tools:call mcp:conformance:tools:test_simple_text"
)]
fn test_simple_text() -> &'static str {
    "simple"
}

/// Say how long a text is.
#[mcp_tool(read_only, closed_world, public)]
fn measure(
    /// Any text.
    text: &str,
) -> usize {
    text.len()
}

/// Answer at length.
#[mcp_tool(read_only, closed_world, public)]
fn fill(
    /// How many letters.
    #[param(max = 1_000_000)]
    length: usize,
) -> String {
    "x".repeat(length)
}

/// Twice a minute.
#[mcp_tool(read_only, closed_world, public, rate = "2/min")]
fn twice() {}

/// Wait, and say so.
#[mcp_tool(read_only, closed_world, public, max_in_flight = 4)]
async fn wait(
    call: &Call,
    /// How long, in milliseconds.
    #[param(max = 60_000)]
    time: u64,
) -> String {
    call.progress(1.0, None, "waiting");
    tokio::time::sleep(Duration::from_millis(time)).await;
    format!("waited {time}")
}

/// Wait for one at a time.
#[mcp_tool(read_only, closed_world, public, max_in_flight = 1)]
async fn alone(
    /// How long, in milliseconds.
    #[param(max = 60_000)]
    time: u64,
) {
    AT_WORK.fetch_add(1, Ordering::SeqCst);
    // Also where it is stopped in the middle.
    let _leaves = Leaves;
    tokio::time::sleep(Duration::from_millis(time)).await;
}

struct Leaves;

impl Drop for Leaves {
    fn drop(&mut self) {
        AT_WORK.fetch_sub(1, Ordering::SeqCst);
    }
}

static AT_WORK: AtomicUsize = AtomicUsize::new(0);

/// Say how many wait alone.
#[mcp_tool(read_only, closed_world, public)]
fn at_work() -> usize {
    AT_WORK.load(Ordering::SeqCst)
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
        at_work
    ]);
    for word in std::env::var("WEB").unwrap_or_default().split_whitespace() {
        server = match word.split_once('=').unwrap_or((word, "")) {
            ("conceal", _) => server.conceal(),
            ("ready", file) => {
                let file = PathBuf::from(file);
                server.ready_when("file", move || {
                    let there = file.exists();
                    async move { there }
                })
            }
            ("slow", _) => server.ready_when("slow", std::future::pending),
            _ => panic!("`{word}` is no setting"),
        };
    }
    server.main()
}
