//! Handlers at work: deadlines, cancellation, progress.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use candor::{Call, Revision, Sandbox, Server, State, mcp_tool, testing::Client, tools};
use candor_tests::wire::{Wire, call, request};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};

/// What handlers wait at, and what they say of themselves.
#[derive(State)]
struct App {
    hands: Arc<Hands>,
}

struct Hands {
    gate: Semaphore,
    open: AtomicBool,
    said: mpsc::UnboundedSender<&'static str>,
    heard: Mutex<Option<mpsc::UnboundedReceiver<&'static str>>>,
}

impl Hands {
    fn new() -> Arc<Self> {
        let (said, heard) = mpsc::unbounded_channel();
        let heard = Mutex::new(Some(heard));
        Arc::new(Self { gate: Semaphore::new(0), open: AtomicBool::new(false), said, heard })
    }

    fn listen(&self) -> mpsc::UnboundedReceiver<&'static str> {
        self.heard.lock().unwrap().take().expect("listened to once")
    }

    async fn pass(&self) {
        self.gate.acquire().await.expect("the gate stays open").forget();
    }
}

/// Says `dropped` unless the handler came to its end.
struct Guard<'a>(&'a Hands, bool);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        let _ = self.0.said.send(if self.1 { "finished" } else { "dropped" });
    }
}

async fn wait(hands: &Hands) -> &'static str {
    let mut guard = Guard(hands, false);
    let _ = hands.said.send("started");
    hands.pass().await;
    guard.1 = true;
    "passed"
}

/// Read at the gate.
#[mcp_tool(read_only, closed_world, public)]
async fn read(hands: &Arc<Hands>) -> &'static str {
    wait(hands).await
}

/// Destroy at the gate.
#[mcp_tool(destructive, closed_world, public)]
async fn destroy(hands: &Arc<Hands>) -> &'static str {
    wait(hands).await
}

/// Hold a thread until it is let go.
#[mcp_tool(additive, closed_world, public, timeout = "50ms")]
fn hold(call: &Call, hands: &Arc<Hands>) -> &'static str {
    while !hands.open.load(Ordering::Acquire) {
        std::thread::yield_now();
    }
    let _ = hands.said.send(if call.is_cancelled() { "saw its end" } else { "saw nothing" });
    "held"
}

/// Never yield until let go.
#[mcp_tool(read_only, closed_world, public, timeout = "50ms")]
async fn spin(hands: &Arc<Hands>) -> &'static str {
    while !hands.open.load(Ordering::Acquire) {
        std::hint::spin_loop();
    }
    let _ = hands.said.send("let go");
    "spun"
}

/// Report three times.
#[mcp_tool(read_only, closed_world, public)]
fn report(call: &Call) -> &'static str {
    for (done, total) in [
        (1.0, Some(3.0)),
        (f64::NAN, None),
        (2.0, Some(f64::INFINITY)),
        (1.5, None),
        (f64::INFINITY, None),
        (3.0, None),
    ] {
        call.progress(done, total, format!("at {done}"));
    }
    "reported"
}

/// Report three times, from async code.
#[mcp_tool(read_only, closed_world, public)]
async fn report_later(call: &Call) -> &'static str {
    for done in [1.0, 2.0, 3.0] {
        call.progress(done, Some(3.0), format!("at {done}"));
        tokio::task::yield_now().await;
    }
    "reported"
}

/// Report without end.
#[mcp_tool(read_only, closed_world, public)]
fn report_much(call: &Call) -> &'static str {
    (1..=10_000).for_each(|done| call.progress(f64::from(done), None, ""));
    "reported"
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

/// Sandboxed threads have a clock of their own, which goes on while a test holds its own still; how calls run on them is
/// the subject of `misbehaving.rs` and `sandbox.rs`. Nobody is asked: `confirmation.rs` is about that.
fn server(hands: &Arc<Hands>) -> Server<App> {
    let server = Server::new("s", "1")
        .unaudited()
        .sandbox(Sandbox::Off)
        .yes_destructive()
        .state(App { hands: Arc::clone(hands) });
    server.tools(tools![read, destroy, hold, spin, report, report_later, report_much, add])
}

#[tokio::test(start_paused = true)]
async fn an_async_handler_is_answered_for_at_its_deadline() {
    let hands = Hands::new();
    let client = Client::of(server(&hands)).await;
    let mut heard = hands.listen();
    // Twice, since the second call's time begins with the second call.
    for _ in 0..2 {
        let started = tokio::time::Instant::now();
        let answer = client.call("read", json!({})).await.unwrap();
        assert_eq!(started.elapsed().as_secs(), 30);
        assert_eq!((answer.is_error, answer.reason()), (true, Some("deadline_exceeded")));
        assert_eq!(answer.meta["candor/transient"], true);
        assert!(answer.text().starts_with("tool `read` did not answer within 30 s\n"), "{}", answer.text());
        assert_eq!((heard.recv().await, heard.recv().await), (Some("started"), Some("dropped")));
    }
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_repeated_is_not_stopped_at_its_deadline() {
    let hands = Hands::new();
    let client = Client::of(server(&hands)).await;
    let mut heard = hands.listen();
    let answer = client.call("destroy", json!({})).await.unwrap();
    assert_eq!((answer.is_error, answer.reason()), (true, Some("deadline_exceeded")));
    assert!(answer.text().contains("\nnote: it was not stopped"), "{}", answer.text());
    assert!(!answer.meta.contains_key("candor/transient"), "a second call may do it twice");
    hands.gate.add_permits(1);
    assert_eq!((heard.recv().await, heard.recv().await), (Some("started"), Some("finished")));
}

#[tokio::test]
async fn a_sync_handler_is_answered_for_at_its_deadline_and_told() {
    let hands = Hands::new();
    let client = Client::of(server(&hands)).await;
    let mut heard = hands.listen();
    let answer = client.call("hold", json!({})).await.unwrap();
    assert_eq!(answer.reason(), Some("deadline_exceeded"));
    assert!(answer.text().contains("within 50 ms"), "{}", answer.text());
    assert_eq!(client.call("add", json!({"a": 1, "b": 1})).await.unwrap().structured, Some(json!(2)));
    hands.open.store(true, Ordering::Release);
    assert_eq!(heard.recv().await, Some("saw its end"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_handler_that_never_yields_is_answered_for_and_others_go_on() {
    let hands = Hands::new();
    let client = Client::of(server(&hands)).await;
    let mut heard = hands.listen();
    let answer = client.call("spin", json!({})).await.unwrap();
    assert_eq!(answer.reason(), Some("deadline_exceeded"));
    assert_eq!(client.call("add", json!({"a": 1, "b": 1})).await.unwrap().structured, Some(json!(2)));
    hands.open.store(true, Ordering::Release);
    assert_eq!(heard.recv().await, Some("let go"));
}

fn cancel(id: &Value) -> String {
    json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id, "reason": "enough"}}).to_string()
}

#[tokio::test]
async fn cancelling_stops_a_read_and_lets_a_write_finish() {
    for (tool, end) in [("read", "dropped"), ("destroy", "finished")] {
        let hands = Hands::new();
        let mut heard = hands.listen();
        let mut wire = Wire::to(server(&hands).build().unwrap());
        wire.initialize(Revision::V2025_11_25).await;
        wire.say(call(&json!("long"), tool, json!({}))).await;
        assert_eq!(heard.recv().await, Some("started"));
        wire.say(cancel(&json!("long"))).await;
        wire.is_alive().await;
        if end == "finished" {
            assert!(heard.try_recv().is_err(), "it is still at the gate");
        }
        hands.gate.add_permits(1);
        assert_eq!(heard.recv().await, Some(end), "{tool}");
        // What was taken back is not answered (MCP, cancellation).
        wire.is_alive().await;
        assert_eq!(wire.end().await, Vec::<Value>::new());
    }
}

#[tokio::test]
async fn cancelling_what_is_done_or_never_was_changes_nothing() {
    let hands = Hands::new();
    let mut wire = Wire::to(server(&hands).build().unwrap());
    wire.initialize(Revision::V2025_11_25).await;
    wire.is_alive().await;
    for id in [json!("call-1"), json!(99), json!("")] {
        wire.say(cancel(&id)).await;
        wire.is_alive().await;
    }
}

#[tokio::test]
async fn a_client_that_goes_away_stops_what_only_reads() {
    let hands = Hands::new();
    let mut heard = hands.listen();
    let (client, server_end) = tokio::io::duplex(1024);
    let (read, write) = tokio::io::split(server_end);
    let serving = tokio::spawn(server(&hands).build().unwrap().serve(read, write));
    let (read, write) = tokio::io::split(client);
    let mut wire = Wire::over(read, write);
    wire.initialize(Revision::V2025_11_25).await;
    wire.say(call(&json!(1), "read", json!({}))).await;
    assert_eq!(heard.recv().await, Some("started"));
    wire.say(cancel(&json!(1))).await;
    assert_eq!(wire.end().await, Vec::<Value>::new());
    assert_eq!(heard.recv().await, Some("dropped"));
    serving.await.unwrap().unwrap();
}

/// Calls with a token, and gives the reports and the answer that came after them.
async fn reports(tool: &str) -> (Vec<Value>, Value) {
    let mut wire = Wire::to(server(&Hands::new()).build().unwrap());
    wire.initialize(Revision::V2025_11_25).await;
    let params = json!({"name": tool, "arguments": {}, "_meta": {"progressToken": "t"}});
    wire.say(request(&json!(1), "tools/call", params)).await;
    let mut reports = Vec::new();
    loop {
        let mut message = wire.hear().await;
        if message["id"] == 1 {
            assert_eq!(message["result"]["content"][0]["text"], "reported");
            wire.is_alive().await;
            return (reports, message);
        }
        assert_eq!(message["method"], "notifications/progress");
        assert_eq!(message["params"]["progressToken"], "t");
        reports.push(message["params"].take());
    }
}

#[tokio::test]
async fn reports_of_progress_come_in_order_and_before_the_answer() {
    for (tool, totals) in [
        ("report", [json!(3.0), Value::Null, Value::Null]),
        ("report_later", [json!(3.0), json!(3.0), json!(3.0)]),
    ] {
        let (reports, _) = reports(tool).await;
        let done: Vec<_> = reports.iter().map(|report| report["progress"].as_f64().unwrap()).collect();
        assert_eq!(done, [1.0, 2.0, 3.0], "{tool}: what falls back or is no number is left out");
        for (report, total) in reports.iter().zip(totals) {
            assert_eq!(report["total"], total, "{tool} {report}");
        }
        assert_eq!(reports[1]["message"], "at 2");
    }
}

#[tokio::test]
async fn too_many_reports_are_thinned_and_never_fall_back() {
    let (reports, _) = reports("report_much").await;
    let done: Vec<_> = reports.iter().map(|report| report["progress"].as_f64().unwrap()).collect();
    assert!(!done.is_empty() && done.is_sorted(), "{done:?}");
}

#[tokio::test]
async fn without_a_token_nothing_is_reported() {
    let mut wire = Wire::to(server(&Hands::new()).build().unwrap());
    wire.initialize(Revision::V2025_11_25).await;
    let answer = wire.call("report", json!({})).await;
    assert_eq!(answer["result"]["content"][0]["text"], "reported");
}

#[tokio::test]
async fn a_call_knows_its_tool_caller_and_deadline() {
    /// Say what a call knows.
    #[mcp_tool(read_only, closed_world, scope = "a", timeout = "2s")]
    fn knows(call: &Call) -> Vec<String> {
        let left = call.deadline().saturating_duration_since(std::time::Instant::now());
        assert!(left <= Duration::from_secs(2) && left > Duration::from_secs(1));
        let scopes: Vec<_> = call.caller().scopes().collect();
        vec![
            call.tool().name.to_owned(),
            call.caller().subject().to_owned(),
            scopes.join(" "),
            format!("{:?}", call.idempotency_key()),
        ]
    }
    let service = Server::new("s", "1").unaudited().tools(tools![knows]).build().unwrap().grant("b a");
    let client = Client::to(service, Revision::V2026_07_28).await;
    let key = "0123456789abcdef";
    let answer = client.with_meta("candor/idempotency-key", key).call("knows", json!({})).await.unwrap();
    assert_eq!(answer.structured, Some(json!(["knows", "local", "a b", format!("Some({key:?})")])));
}
