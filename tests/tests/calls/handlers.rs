//! Handlers that behave badly: each call is answered in time, sandboxed or not, and the server goes on.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use candor::{Call, Sandbox, Server, State, ToolError, mcp_tool, testing::Client, tools};
use serde_json::json;
use tokio::sync::mpsc;

/// The state that the handlers share.
#[derive(State)]
struct App {
    #[state(write)]
    ledger: Mutex<Vec<u32>>,
    latch: Arc<Latch>,
}

struct Latch {
    open: AtomicBool,
    events: mpsc::UnboundedSender<&'static str>,
}

impl Latch {
    /// Blocks until the latch opens, and ignores cancellation.
    fn hold(&self) {
        while !self.open.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        let _ = self.events.send("released");
    }
}

/// Add a number to the ledger, and panic at 13 while holding its lock.
#[mcp_tool(additive, closed_world, public)]
fn note(
    ledger: &Mutex<Vec<u32>>,
    /// The number.
    number: u32,
) -> Result<usize, ToolError> {
    let mut ledger = ledger.lock().map_err(|_| ToolError::new("the ledger was left half written"))?;
    ledger.push(number);
    assert_ne!(number, 13, "s3cr3t-4711");
    Ok(ledger.len())
}

/// Add a number to the ledger, and panic if its lock is poisoned.
#[mcp_tool(additive, closed_world, public)]
fn note_or_panic(
    ledger: &Mutex<Vec<u32>>,
    /// The number.
    number: u32,
) -> usize {
    let mut ledger = ledger.lock().expect("the lock is not poisoned");
    ledger.push(number);
    ledger.len()
}

/// Start a thread, and return.
#[mcp_tool(read_only, closed_world, public)]
fn leave_a_thread(latch: &Arc<Latch>) -> &'static str {
    let latch = Arc::clone(latch);
    std::thread::spawn(move || latch.hold());
    "returned"
}

/// Start a thread that panics, and return.
#[mcp_tool(read_only, closed_world, public)]
fn leave_a_panic(latch: &Arc<Latch>) -> &'static str {
    let events = latch.events.clone();
    std::thread::spawn(move || {
        let _ = events.send("panics");
        panic!("in a thread of its own");
    });
    "returned"
}

/// Start a task, and return.
#[mcp_tool(read_only, closed_world, public)]
async fn leave_a_task(latch: &Arc<Latch>) -> &'static str {
    let events = latch.events.clone();
    tokio::spawn(async move {
        tokio::task::yield_now().await;
        let _ = events.send("task done");
    });
    "returned"
}

/// Panic with a payload that is not text.
#[mcp_tool(read_only, closed_world, public)]
async fn panic_oddly() {
    std::panic::panic_any(4711);
}

/// Ignore the timeout, in a plain function.
#[mcp_tool(read_only, closed_world, public, timeout = "30ms")]
fn ignore_timeout(latch: &Arc<Latch>) {
    latch.hold();
}

/// Ignore the timeout, in async code that never yields.
#[mcp_tool(read_only, closed_world, public, timeout = "30ms")]
async fn ignore_timeout_async(latch: &Arc<Latch>) {
    latch.hold();
}

/// Ignore the timeout, in a plain function that must not be repeated.
#[mcp_tool(additive, closed_world, public, timeout = "30ms")]
fn ignore_timeout_once(latch: &Arc<Latch>) {
    latch.hold();
}

/// Ignore the timeout, and be retried.
#[mcp_tool(read_only, closed_world, public, timeout = "30ms", retry = 3)]
fn ignore_timeout_retried(latch: &Arc<Latch>, call: &Call) -> Result<(), ToolError> {
    latch.hold();
    let _ = call;
    Err(ToolError::transient("busy"))
}

/// Add.
#[mcp_tool(read_only, closed_world, public)]
fn add(
    /// One.
    a: i64,
    /// Two.
    b: i64,
) -> i64 {
    a + b
}

struct Rig {
    client: Client,
    latch: Arc<Latch>,
    events: mpsc::UnboundedReceiver<&'static str>,
}

impl Rig {
    async fn new(sandbox: Sandbox) -> Self {
        let (sender, events) = mpsc::unbounded_channel();
        let latch = Arc::new(Latch { open: AtomicBool::new(false), events: sender });
        let server = Server::new("s", "1")
            .sandbox(sandbox)
            .state(App { ledger: Mutex::default(), latch: Arc::clone(&latch) })
            .tools(tools![
                note,
                note_or_panic,
                leave_a_thread,
                leave_a_panic,
                leave_a_task,
                panic_oddly,
                ignore_timeout,
                ignore_timeout_async,
                ignore_timeout_once,
                ignore_timeout_retried,
                add
            ]);
        Self { client: Client::of(server).await, latch, events }
    }

    async fn text(&self, tool: &str, arguments: serde_json::Value) -> String {
        self.client.call(tool, arguments).await.unwrap().text()
    }

    async fn is_alive(&self) {
        assert_eq!(self.text("add", json!({"a": 2, "b": 3})).await, "5");
    }
}

const BOTH: [Sandbox; 2] = [Sandbox::WhereAvailable, Sandbox::Off];

#[tokio::test]
async fn handler_panicking_with_a_lock_is_answered_and_so_is_every_later_call() {
    for sandbox in BOTH {
        let rig = Rig::new(sandbox).await;
        assert_eq!(rig.text("note", json!({"number": 1})).await, "1");
        let fixed = "tool `note` failed inside; the server goes on\nhelp: the server's log says why";
        assert_eq!(rig.text("note", json!({"number": 13})).await, fixed);
        for number in [2, 13] {
            assert_eq!(rig.text("note", json!({"number": number})).await, "the ledger was left half written");
        }
        // A handler that unwraps the poisoned lock panics in turn, and is answered as well.
        let answer = rig.client.call("note_or_panic", json!({"number": 2})).await.unwrap();
        assert_eq!(answer.reason(), Some("internal"));
        assert!(!format!("{answer:?}").contains("s3cr3t-4711"));
        rig.is_alive().await;
    }
}

#[tokio::test]
async fn handler_panic_without_text_is_answered_like_any_other() {
    let rig = Rig::new(Sandbox::WhereAvailable).await;
    assert_eq!(rig.client.call("panic_oddly", json!({})).await.unwrap().reason(), Some("internal"));
    rig.is_alive().await;
}

#[tokio::test]
async fn threads_and_tasks_left_by_a_handler_do_not_delay_other_calls() {
    for sandbox in BOTH {
        let mut rig = Rig::new(sandbox).await;
        for tool in ["leave_a_thread", "leave_a_panic", "leave_a_task"] {
            assert_eq!(rig.text(tool, json!({})).await, "returned");
            rig.is_alive().await;
        }
        let mut events = vec![rig.events.recv().await.unwrap(), rig.events.recv().await.unwrap()];
        events.sort_unstable();
        assert_eq!(events, ["panics", "task done"]);
        rig.latch.open.store(true, Ordering::SeqCst);
        assert_eq!(rig.events.recv().await, Some("released"));
        rig.is_alive().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn handler_that_ignores_its_timeout_is_answered_at_the_timeout() {
    for sandbox in BOTH {
        let mut rig = Rig::new(sandbox).await;
        for tool in
            ["ignore_timeout", "ignore_timeout_async", "ignore_timeout_once", "ignore_timeout_retried"]
        {
            let started = Instant::now();
            let answer = rig.client.call(tool, json!({})).await.unwrap();
            assert_eq!(answer.reason(), Some("deadline_exceeded"), "{tool} {sandbox:?}");
            // Thirty milliseconds, plus a margin for a busy machine.
            assert!(started.elapsed() < Duration::from_secs(5), "{tool} {sandbox:?}");
            rig.is_alive().await;
        }
        rig.latch.open.store(true, Ordering::SeqCst);
        for _ in 0..4 {
            assert_eq!(rig.events.recv().await, Some("released"));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sandboxed_handlers_that_never_yield_do_not_delay_other_tools_of_their_sandbox() {
    let rig = Rig::new(Sandbox::WhereAvailable).await;
    // One for each worker that this sandbox may have.
    let workers = std::thread::available_parallelism().unwrap().get();
    for _ in 0..workers {
        let answer = rig.client.call("ignore_timeout_async", json!({})).await.unwrap();
        assert_eq!(answer.reason(), Some("deadline_exceeded"));
    }
    rig.is_alive().await;
    rig.latch.open.store(true, Ordering::SeqCst);
    assert_eq!(rig.text("leave_a_task", json!({})).await, "returned");
}
