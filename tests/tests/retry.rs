//! Another attempt after a failure that passes: `retry = n`, `candor::retry`, and what is never tried again. The clock is
//! paused, so nothing here waits; sandboxed tools run by another clock, so nothing here is sandboxed.

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

/// The service that the tools call: how often it was tried, when, and what it answers.
#[derive(State)]
struct App {
    service: Arc<Service>,
}

struct Service {
    tries: AtomicU32,
    times: Mutex<Vec<Instant>>,
    /// Tries that fail before one succeeds.
    failures: u32,
    error: ToolError,
}

impl Service {
    fn ask(&self) -> Result<u32, ToolError> {
        self.times.lock().unwrap().push(Instant::now());
        let tries = self.tries.fetch_add(1, Ordering::SeqCst) + 1;
        if tries > self.failures { Ok(tries) } else { Err(self.error.clone()) }
    }

    fn tries(&self) -> u32 {
        self.tries.load(Ordering::SeqCst)
    }

    /// The waits between the tries.
    fn waits(&self) -> Vec<Duration> {
        self.times.lock().unwrap().windows(2).map(|pair| pair[1] - pair[0]).collect()
    }
}

/// Ask, up to four times.
#[mcp_tool(read_only, public, retry = 3)]
async fn ask(service: &Arc<Service>) -> Result<u32, ToolError> {
    service.ask()
}

/// Ask, up to four times, from a plain function.
#[mcp_tool(read_only, public, retry = 3)]
fn ask_plainly(service: &Arc<Service>) -> Result<u32, ToolError> {
    service.ask()
}

/// Ask once.
#[mcp_tool(read_only, public)]
async fn ask_once(service: &Arc<Service>) -> Result<u32, ToolError> {
    service.ask()
}

/// Write again what was written.
#[mcp_tool(additive, idempotent, public, retry = 2)]
async fn put(service: &Arc<Service>) -> Result<u32, ToolError> {
    service.ask()
}

/// Add one more: may not be repeated.
#[mcp_tool(additive, public)]
async fn add_one(service: &Arc<Service>) -> Result<u32, ToolError> {
    service.ask()
}

/// Ask with a retry of the handler's own.
#[mcp_tool(read_only, public)]
async fn ask_inside(call: &Call, service: &Arc<Service>) -> Result<u32, ToolError> {
    candor::retry(call, 3, async || service.ask()).await
}

/// Take twenty seconds of the thirty, and fail.
#[mcp_tool(read_only, public, retry = 5)]
async fn ask_slowly(service: &Arc<Service>) -> Result<u32, ToolError> {
    tokio::time::sleep(Duration::from_secs(20)).await;
    service.ask()
}

/// Panic.
#[mcp_tool(read_only, public, retry = 3)]
async fn panic(service: &Arc<Service>) -> Result<u32, ToolError> {
    let _ = service.ask();
    panic!("not a failure that passes")
}

fn busy() -> ToolError {
    ToolError::transient("busy").reason("busy")
}

/// A service that fails so often and so, and a client of the tools that call it.
async fn failing(failures: u32, error: ToolError) -> (Client, Arc<Service>) {
    let service = Service { tries: AtomicU32::new(0), times: Mutex::default(), failures, error };
    let service = Arc::new(service);
    let server = Server::new("s", "1").sandbox(Sandbox::Off).state(App { service: Arc::clone(&service) });
    let tools = tools![ask, ask_plainly, ask_once, put, add_one, ask_inside, ask_slowly, panic];
    (Client::of(server.tools(tools)).await, service)
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_passes_is_tried_again_until_it_has_passed() {
    for tool in ["ask", "ask_plainly", "put", "ask_inside"] {
        let (client, service) = failing(2, busy()).await;
        let answer = client.call(tool, json!({})).await.unwrap();
        assert_eq!(answer.structured, Some(json!(3)), "{tool} {answer:?}");
        assert_eq!(service.tries(), 3, "{tool}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_failure_is_the_answer_once_all_tries_are_spent() {
    for (tool, tries) in [("ask", 4), ("ask_plainly", 4), ("ask_inside", 4), ("put", 3), ("ask_once", 1)] {
        let (client, service) = failing(u32::MAX, busy()).await;
        let answer = client.call(tool, json!({})).await.unwrap();
        assert_eq!((answer.reason(), service.tries()), (Some("busy"), tries), "{tool}");
        assert_eq!(answer.meta["io.github.candor-mcp/transient"], true);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_stays_is_tried_once() {
    for error in [ToolError::new("gone"), ToolError::not_applied("gone")] {
        for tool in ["ask", "ask_plainly", "put", "ask_inside"] {
            let (client, service) = failing(u32::MAX, error.clone()).await;
            assert!(client.call(tool, json!({})).await.unwrap().is_error);
            assert_eq!(service.tries(), 1, "{tool}");
        }
    }
    let (client, service) = failing(0, busy()).await;
    assert_eq!(client.call("panic", json!({})).await.unwrap().reason(), Some("internal"));
    assert_eq!(service.tries(), 1, "a panic is no failure that passes");
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_repeated_is_never_tried_again() {
    let (client, service) = failing(1, busy()).await;
    let answer = client.call("add_one", json!({})).await.unwrap();
    assert_eq!((answer.reason(), service.tries()), (Some("busy"), 1));
}

#[tokio::test(start_paused = true)]
async fn waits_grow_below_their_bounds() {
    for _ in 0..50 {
        let (client, service) = failing(3, busy()).await;
        client.call("ask", json!({})).await.unwrap();
        for (at, wait) in service.waits().into_iter().enumerate() {
            let bound = Duration::from_millis(100 << at);
            // tokio counts in milliseconds.
            assert!(wait <= bound + Duration::from_millis(1), "{wait:?} before try {}", at + 2);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_other_side_asks_for_is_waited_for() {
    for tool in ["ask", "ask_plainly", "ask_inside"] {
        let (client, service) = failing(2, busy().retry_after(Duration::from_secs(7))).await;
        assert!(!client.call(tool, json!({})).await.unwrap().is_error);
        let seven = Duration::from_secs(7)..=Duration::from_millis(7_001);
        let waits = service.waits();
        assert!(waits.len() == 2 && waits.iter().all(|wait| seven.contains(wait)), "{tool} {waits:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_past_the_deadline_is_answered_at_once() {
    for wait in [CENTURY, Duration::MAX, Duration::from_secs(30)] {
        for tool in ["ask", "ask_plainly", "ask_inside"] {
            let started = Instant::now();
            let (client, service) = failing(1, busy().retry_after(wait)).await;
            let answer = client.call(tool, json!({})).await.unwrap();
            assert_eq!((answer.reason(), service.tries()), (Some("busy"), 1), "{tool} {wait:?}");
            assert_eq!(started.elapsed(), Duration::ZERO, "{tool} {wait:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn all_tries_together_have_the_time_of_one_call() {
    let started = Instant::now();
    let (client, service) = failing(u32::MAX, busy()).await;
    let answer = client.call("ask_slowly", json!({})).await.unwrap();
    assert_eq!((answer.reason(), service.tries()), (Some("deadline_exceeded"), 1));
    assert_eq!(started.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_blocking_handler_repeats_its_own_calls() {
    let call = testing::call();
    let tries = AtomicU32::new(0);
    let count = |until: u32, error: ToolError| {
        tries.store(0, Ordering::SeqCst);
        let one = || match tries.fetch_add(1, Ordering::SeqCst) + 1 {
            done if done > until => Ok(done),
            _ => Err(error.clone()),
        };
        (retry_blocking(&call, 3, one), tries.load(Ordering::SeqCst))
    };
    assert_eq!(count(0, busy()), (Ok(1), 1));
    assert_eq!(count(u32::MAX, ToolError::new("gone")), (Err(ToolError::new("gone")), 1));
    for wait in [CENTURY, Duration::MAX] {
        let late = busy().retry_after(wait);
        assert_eq!(count(1, late.clone()), (Err(late), 1));
    }
    // Its first wait is a thread's, of a tenth of a second at most.
    assert_eq!(count(1, busy()), (Ok(2), 2));
    assert_eq!(retry_blocking::<()>(&call, 0, || Err(busy())), Err(busy()));
}
