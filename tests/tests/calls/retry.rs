//! Retries of transient failures: `retry = n`, `candor::retry`, and the failures that are never retried. The clock is paused,
//! so no test waits. Sandboxed tools run on another clock, so the sandbox is off.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use candor::{
    Call, Sandbox, Server, State, ToolError, mcp_tool, retry_blocking, testing, testing::Client, tools,
};
use serde_json::json;
use tokio::time::Instant;

const CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);

#[derive(State)]
struct App {
    backend: Arc<Backend>,
}

/// The service that the tools call. It counts the tries, and fails some of them.
struct Backend {
    tries: AtomicU32,
    times: Mutex<Vec<Instant>>,
    /// The number of tries that fail before one succeeds.
    failures: u32,
    error: ToolError,
}

impl Backend {
    fn request(&self) -> Result<u32, ToolError> {
        self.times.lock().unwrap().push(Instant::now());
        let tries = self.tries.fetch_add(1, Ordering::SeqCst) + 1;
        if tries > self.failures { Ok(tries) } else { Err(self.error.clone()) }
    }

    fn tries(&self) -> u32 {
        self.tries.load(Ordering::SeqCst)
    }

    /// The times between the tries.
    fn waits(&self) -> Vec<Duration> {
        self.times.lock().unwrap().windows(2).map(|pair| pair[1] - pair[0]).collect()
    }
}

/// Send a request, with three retries.
#[mcp_tool(read_only, public, retry = 3)]
async fn ask(backend: &Arc<Backend>) -> Result<u32, ToolError> {
    backend.request()
}

/// Send a request, with three retries, from a plain function.
#[mcp_tool(read_only, public, retry = 3)]
fn ask_plainly(backend: &Arc<Backend>) -> Result<u32, ToolError> {
    backend.request()
}

/// Send a request without retries.
#[mcp_tool(read_only, public)]
async fn ask_once(backend: &Arc<Backend>) -> Result<u32, ToolError> {
    backend.request()
}

/// Write a value, which may be repeated.
#[mcp_tool(additive, idempotent, public, retry = 2)]
async fn put(backend: &Arc<Backend>) -> Result<u32, ToolError> {
    backend.request()
}

/// Add one, which must not be repeated.
#[mcp_tool(additive, public)]
async fn add_one(backend: &Arc<Backend>) -> Result<u32, ToolError> {
    backend.request()
}

/// Send a request, with retries in the handler.
#[mcp_tool(read_only, public)]
async fn ask_inside(call: &Call, backend: &Arc<Backend>) -> Result<u32, ToolError> {
    candor::retry(call, 3, async || backend.request()).await
}

/// Fail after twenty of the thirty seconds.
#[mcp_tool(read_only, public, retry = 5)]
async fn ask_slowly(backend: &Arc<Backend>) -> Result<u32, ToolError> {
    tokio::time::sleep(Duration::from_secs(20)).await;
    backend.request()
}

/// Panic.
#[mcp_tool(read_only, public, retry = 3)]
async fn panic(backend: &Arc<Backend>) -> Result<u32, ToolError> {
    // Counts the try.
    let _ = backend.request();
    panic!("not a transient failure")
}

fn busy() -> ToolError {
    ToolError::transient("busy").reason("busy")
}

/// A client of a server whose backend fails `failures` times with `error`.
async fn failing(failures: u32, error: ToolError) -> (Client, Arc<Backend>) {
    let backend = Backend { tries: AtomicU32::new(0), times: Mutex::default(), failures, error };
    let backend = Arc::new(backend);
    let server = Server::new("s", "1").sandbox(Sandbox::Off).state(App { backend: Arc::clone(&backend) });
    let tools = tools![ask, ask_plainly, ask_once, put, add_one, ask_inside, ask_slowly, panic];
    (Client::of(server.tools(tools)).await, backend)
}

#[tokio::test(start_paused = true)]
async fn retry_repeats_a_transient_failure_until_it_succeeds() {
    for tool in ["ask", "ask_plainly", "put", "ask_inside"] {
        let (client, backend) = failing(2, busy()).await;
        let answer = client.call(tool, json!({})).await.unwrap();
        assert_eq!(answer.structured, Some(json!(3)), "{tool} {answer:?}");
        assert_eq!(backend.tries(), 3, "{tool}");
    }
}

#[tokio::test(start_paused = true)]
async fn retry_answers_with_the_last_failure_after_all_tries() {
    for (tool, tries) in [("ask", 4), ("ask_plainly", 4), ("ask_inside", 4), ("put", 3), ("ask_once", 1)] {
        let (client, backend) = failing(u32::MAX, busy()).await;
        let answer = client.call(tool, json!({})).await.unwrap();
        assert_eq!((answer.reason(), backend.tries()), (Some("busy"), tries), "{tool}");
        assert_eq!(answer.meta["io.github.candor-mcp/transient"], true);
    }
}

#[tokio::test(start_paused = true)]
async fn retry_does_not_repeat_a_permanent_failure() {
    for error in [ToolError::new("gone"), ToolError::not_applied("gone")] {
        for tool in ["ask", "ask_plainly", "put", "ask_inside"] {
            let (client, backend) = failing(u32::MAX, error.clone()).await;
            assert!(client.call(tool, json!({})).await.unwrap().is_error);
            assert_eq!(backend.tries(), 1, "{tool}");
        }
    }
    let (client, backend) = failing(0, busy()).await;
    assert_eq!(client.call("panic", json!({})).await.unwrap().reason(), Some("internal"));
    assert_eq!(backend.tries(), 1, "a panic is not a transient failure");
}

#[tokio::test(start_paused = true)]
async fn retry_does_not_repeat_a_tool_that_is_not_idempotent() {
    let (client, backend) = failing(1, busy()).await;
    let answer = client.call("add_one", json!({})).await.unwrap();
    assert_eq!((answer.reason(), backend.tries()), (Some("busy"), 1));
}

#[tokio::test(start_paused = true)]
async fn retry_waits_stay_below_a_growing_bound() {
    for _ in 0..50 {
        let (client, backend) = failing(3, busy()).await;
        client.call("ask", json!({})).await.unwrap();
        let waits = backend.waits();
        assert_eq!(waits.len(), 3);
        for (at, wait) in waits.into_iter().enumerate() {
            let bound = Duration::from_millis(100 << at);
            // tokio's timer has a resolution of one millisecond.
            assert!(wait <= bound + Duration::from_millis(1), "{wait:?} before try {}", at + 2);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_sets_the_wait() {
    for tool in ["ask", "ask_plainly", "ask_inside"] {
        let (client, backend) = failing(2, busy().retry_after(Duration::from_secs(7))).await;
        assert!(!client.call(tool, json!({})).await.unwrap().is_error);
        let expected = Duration::from_secs(7)..=Duration::from_millis(7_001);
        let waits = backend.waits();
        assert!(waits.len() == 2 && waits.iter().all(|wait| expected.contains(wait)), "{tool} {waits:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_past_the_deadline_answers_at_once() {
    for wait in [CENTURY, Duration::MAX, Duration::from_secs(30)] {
        for tool in ["ask", "ask_plainly", "ask_inside"] {
            let started = Instant::now();
            let (client, backend) = failing(1, busy().retry_after(wait)).await;
            let answer = client.call(tool, json!({})).await.unwrap();
            assert_eq!((answer.reason(), backend.tries()), (Some("busy"), 1), "{tool} {wait:?}");
            assert_eq!(started.elapsed(), Duration::ZERO, "{tool} {wait:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn retry_shares_one_deadline_between_all_tries() {
    let started = Instant::now();
    let (client, backend) = failing(u32::MAX, busy()).await;
    let answer = client.call("ask_slowly", json!({})).await.unwrap();
    assert_eq!((answer.reason(), backend.tries()), (Some("deadline_exceeded"), 1));
    assert_eq!(started.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn retry_blocking_repeats_inside_a_handler() {
    let call = testing::call();
    let tries = AtomicU32::new(0);
    // The result of a call that fails `failures` times, and the number of its tries.
    let run = |failures: u32, error: ToolError| {
        tries.store(0, Ordering::SeqCst);
        let attempt = || {
            let number = tries.fetch_add(1, Ordering::SeqCst) + 1;
            if number > failures { Ok(number) } else { Err(error.clone()) }
        };
        (retry_blocking(&call, 3, attempt), tries.load(Ordering::SeqCst))
    };
    assert_eq!(run(0, busy()), (Ok(1), 1));
    assert_eq!(run(u32::MAX, ToolError::new("gone")), (Err(ToolError::new("gone")), 1));
    for wait in [CENTURY, Duration::MAX] {
        let error = busy().retry_after(wait);
        assert_eq!(run(1, error.clone()), (Err(error), 1));
    }
    // The first wait blocks the thread, for at most 100 ms.
    assert_eq!(run(1, busy()), (Ok(2), 2));
    assert_eq!(retry_blocking::<()>(&call, 0, || Err(busy())), Err(busy()));
}
