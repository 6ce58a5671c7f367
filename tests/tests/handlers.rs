//! Handlers that behave badly: each call is answered in its time, sandboxed or not, and the server goes on.

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

/// What the handlers share.
#[derive(State)]
struct App {
    #[state(write)]
    ledger: Mutex<Vec<u32>>,
    hands: Arc<Hands>,
}

struct Hands {
    open: AtomicBool,
    said: mpsc::UnboundedSender<&'static str>,
}

impl Hands {
    /// Ignores everything but its own flag.
    fn hold(&self) {
        while !self.open.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        let _ = self.said.send("let go");
    }
}

/// Add a number to the ledger, and panic at 13 while holding it.
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

/// Add a number to the ledger, and trust that nobody panicked.
#[mcp_tool(additive, closed_world, public)]
fn note_trusting(
    ledger: &Mutex<Vec<u32>>,
    /// The number.
    number: u32,
) -> usize {
    let mut ledger = ledger.lock().expect("nobody panicked with it");
    ledger.push(number);
    ledger.len()
}

/// Start a thread, and return.
#[mcp_tool(read_only, closed_world, public)]
fn leave_a_thread(hands: &Arc<Hands>) -> &'static str {
    let hands = Arc::clone(hands);
    std::thread::spawn(move || hands.hold());
    "returned"
}

/// Start a thread that panics, and return.
#[mcp_tool(read_only, closed_world, public)]
fn leave_a_panic(hands: &Arc<Hands>) -> &'static str {
    let said = hands.said.clone();
    std::thread::spawn(move || {
        let _ = said.send("panics");
        panic!("in a thread of its own");
    });
    "returned"
}

/// Start a task, and return.
#[mcp_tool(read_only, closed_world, public)]
async fn leave_a_task(hands: &Arc<Hands>) -> &'static str {
    let said = hands.said.clone();
    tokio::spawn(async move {
        tokio::task::yield_now().await;
        let _ = said.send("task done");
    });
    "returned"
}

/// Panic with something that is no text.
#[mcp_tool(read_only, closed_world, public)]
async fn panic_oddly() {
    std::panic::panic_any(4711);
}

/// Ignore the deadline, in a plain function.
#[mcp_tool(read_only, closed_world, public, timeout = "30ms")]
fn deaf(hands: &Arc<Hands>) {
    hands.hold();
}

/// Ignore the deadline, in async code that never yields.
#[mcp_tool(read_only, closed_world, public, timeout = "30ms")]
async fn deaf_async(hands: &Arc<Hands>) {
    hands.hold();
}

/// Ignore the deadline, in a plain function that may not be repeated.
#[mcp_tool(additive, closed_world, public, timeout = "30ms")]
fn deaf_once(hands: &Arc<Hands>) {
    hands.hold();
}

/// Ignore the deadline, and be tried again.
#[mcp_tool(read_only, closed_world, public, timeout = "30ms", retry = 3)]
fn deaf_again(hands: &Arc<Hands>, call: &Call) -> Result<(), ToolError> {
    hands.hold();
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
    hands: Arc<Hands>,
    heard: mpsc::UnboundedReceiver<&'static str>,
}

impl Rig {
    async fn new(sandbox: Sandbox) -> Self {
        let (said, heard) = mpsc::unbounded_channel();
        let hands = Arc::new(Hands { open: AtomicBool::new(false), said });
        let server = Server::new("s", "1")
            .sandbox(sandbox)
            .state(App { ledger: Mutex::default(), hands: Arc::clone(&hands) })
            .tools(tools![
                note,
                note_trusting,
                leave_a_thread,
                leave_a_panic,
                leave_a_task,
                panic_oddly,
                deaf,
                deaf_async,
                deaf_once,
                deaf_again,
                add
            ]);
        Self { client: Client::of(server).await, hands, heard }
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
async fn a_panic_with_the_state_in_hand_is_answered_and_so_is_every_call_after_it() {
    for sandbox in BOTH {
        let rig = Rig::new(sandbox).await;
        assert_eq!(rig.text("note", json!({"number": 1})).await, "1");
        let fixed = "tool `note` failed inside; the server goes on\nhelp: the server's log says why";
        assert_eq!(rig.text("note", json!({"number": 13})).await, fixed);
        for number in [2, 13] {
            assert_eq!(rig.text("note", json!({"number": number})).await, "the ledger was left half written");
        }
        // Who unwraps the poison panics in turn, and that is answered as well.
        let answer = rig.client.call("note_trusting", json!({"number": 2})).await.unwrap();
        assert_eq!(answer.reason(), Some("internal"));
        assert!(!format!("{answer:?}").contains("s3cr3t-4711"));
        rig.is_alive().await;
    }
}

#[tokio::test]
async fn a_panic_that_is_no_text_is_answered_like_any_other() {
    let rig = Rig::new(Sandbox::WhereAvailable).await;
    assert_eq!(rig.client.call("panic_oddly", json!({})).await.unwrap().reason(), Some("internal"));
    rig.is_alive().await;
}

#[tokio::test]
async fn what_a_handler_leaves_behind_holds_up_nobody() {
    for sandbox in BOTH {
        let mut rig = Rig::new(sandbox).await;
        for tool in ["leave_a_thread", "leave_a_panic", "leave_a_task"] {
            assert_eq!(rig.text(tool, json!({})).await, "returned");
            rig.is_alive().await;
        }
        let mut heard = vec![rig.heard.recv().await.unwrap(), rig.heard.recv().await.unwrap()];
        heard.sort_unstable();
        assert_eq!(heard, ["panics", "task done"]);
        rig.hands.open.store(true, Ordering::SeqCst);
        assert_eq!(rig.heard.recv().await, Some("let go"));
        rig.is_alive().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_handler_holds_its_answer_beyond_the_deadline() {
    for sandbox in BOTH {
        let mut rig = Rig::new(sandbox).await;
        for tool in ["deaf", "deaf_async", "deaf_once", "deaf_again"] {
            let started = Instant::now();
            let answer = rig.client.call(tool, json!({})).await.unwrap();
            assert_eq!(answer.reason(), Some("deadline_exceeded"), "{tool} {sandbox:?}");
            // Thirty milliseconds, and patience with a machine that is busy.
            assert!(started.elapsed() < Duration::from_secs(5), "{tool} {sandbox:?}");
            rig.is_alive().await;
        }
        rig.hands.open.store(true, Ordering::SeqCst);
        for _ in 0..4 {
            assert_eq!(rig.heard.recv().await, Some("let go"));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_sandboxed_handler_that_never_yields_holds_up_no_other_tool_of_its_sandbox() {
    let rig = Rig::new(Sandbox::WhereAvailable).await;
    // One for each thread that async handlers of this sandbox may have.
    let workers = std::thread::available_parallelism().unwrap().get();
    for _ in 0..workers {
        let answer = rig.client.call("deaf_async", json!({})).await.unwrap();
        assert_eq!(answer.reason(), Some("deadline_exceeded"));
    }
    rig.is_alive().await;
    rig.hands.open.store(true, Ordering::SeqCst);
    assert_eq!(rig.text("leave_a_task", json!({})).await, "returned");
}
