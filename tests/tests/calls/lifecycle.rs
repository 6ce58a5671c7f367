//! Calls while their handlers run: deadlines, cancellation and progress.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use candor::{Call, Revision, Sandbox, Server, State, mcp_tool, testing::Client, tools};
use candor_tests::{
    gate::Gate,
    messages::{call, cancel, request},
    raw_client::RawClient,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

#[derive(State)]
struct App {
    control: Arc<Control>,
}

/// Holds handlers until the test lets them go on, and reports what they do.
struct Control {
    gate: Gate,
    /// Ends handlers that block their thread.
    is_released: AtomicBool,
    events: mpsc::UnboundedSender<&'static str>,
    receiver: Mutex<Option<mpsc::UnboundedReceiver<&'static str>>>,
}

impl Control {
    fn new() -> Arc<Self> {
        let (events, receiver) = mpsc::unbounded_channel();
        let receiver = Mutex::new(Some(receiver));
        Arc::new(Self { gate: Gate::closed(), is_released: AtomicBool::new(false), events, receiver })
    }

    /// The receiver of the handlers' events, for one test.
    fn events(&self) -> mpsc::UnboundedReceiver<&'static str> {
        self.receiver.lock().unwrap().take().expect("taken once")
    }

    fn report(&self, event: &'static str) {
        // A test that is not interested in events has dropped the receiver.
        let _ = self.events.send(event);
    }
}

/// Reports whether the handler finished or was dropped at an `await`.
struct EndReporter<'a> {
    control: &'a Control,
    is_finished: bool,
}

impl Drop for EndReporter<'_> {
    fn drop(&mut self) {
        self.control.report(if self.is_finished { "finished" } else { "dropped" });
    }
}

async fn wait(control: &Control) -> &'static str {
    let mut reporter = EndReporter { control, is_finished: false };
    control.report("started");
    control.gate.pass().await;
    reporter.is_finished = true;
    "passed"
}

/// Read at the gate.
#[mcp_tool(read_only, closed_world, public)]
async fn read(control: &Arc<Control>) -> &'static str {
    wait(control).await
}

/// Destroy at the gate.
#[mcp_tool(destructive, closed_world, public)]
async fn destroy(control: &Arc<Control>) -> &'static str {
    wait(control).await
}

/// Block a thread until the test releases it.
#[mcp_tool(additive, closed_world, public, timeout = "50ms")]
fn hold(call: &Call, control: &Arc<Control>) -> &'static str {
    while !control.is_released.load(Ordering::Acquire) {
        std::thread::yield_now();
    }
    control.report(if call.is_cancelled() { "was told" } else { "was not told" });
    "held"
}

/// Never yield until the test releases it.
#[mcp_tool(read_only, closed_world, public, timeout = "50ms")]
async fn spin(control: &Arc<Control>) -> &'static str {
    while !control.is_released.load(Ordering::Acquire) {
        std::hint::spin_loop();
    }
    control.report("released");
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

/// Report ten thousand times.
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

/// The sandbox is off, because sandboxed runtimes have their own clock, which a test cannot pause.
fn server(control: &Arc<Control>) -> Server<App> {
    let server = Server::new("s", "1")
        .unaudited()
        .without_idempotency()
        .sandbox(Sandbox::Off)
        .yes_destructive()
        .state(App { control: Arc::clone(control) });
    server.tools(tools![read, destroy, hold, spin, report, report_later, report_much, add])
}

#[tokio::test(start_paused = true)]
async fn deadline_of_an_async_read_answers_and_drops_the_handler() {
    let control = Control::new();
    let client = Client::of(server(&control)).await;
    let mut events = control.events();
    // Twice, because each call has its own deadline.
    for _ in 0..2 {
        let started = tokio::time::Instant::now();
        let answer = client.call("read", json!({})).await.unwrap();
        assert_eq!(started.elapsed().as_secs(), 30);
        assert_eq!((answer.is_error, answer.reason()), (true, Some("deadline_exceeded")));
        assert_eq!(answer.meta["io.github.candor-mcp/transient"], true);
        assert!(answer.text().starts_with("tool `read` did not answer within 30 s\n"), "{}", answer.text());
        assert_eq!((events.recv().await, events.recv().await), (Some("started"), Some("dropped")));
    }
}

#[tokio::test(start_paused = true)]
async fn deadline_of_a_destructive_call_answers_and_lets_the_handler_finish() {
    let control = Control::new();
    let client = Client::of(server(&control)).await;
    let mut events = control.events();
    let answer = client.call("destroy", json!({})).await.unwrap();
    assert_eq!((answer.is_error, answer.reason()), (true, Some("deadline_exceeded")));
    assert!(answer.text().contains("\nnote: it was not stopped"), "{}", answer.text());
    assert!(!answer.meta.contains_key("io.github.candor-mcp/transient"), "a second call may do it twice");
    control.gate.admit(1);
    assert_eq!((events.recv().await, events.recv().await), (Some("started"), Some("finished")));
}

#[tokio::test]
async fn deadline_of_a_blocking_handler_answers_and_cancels_the_call() {
    let control = Control::new();
    let client = Client::of(server(&control)).await;
    let mut events = control.events();
    let answer = client.call("hold", json!({})).await.unwrap();
    assert_eq!(answer.reason(), Some("deadline_exceeded"));
    assert!(answer.text().contains("within 50 ms"), "{}", answer.text());
    assert_eq!(client.call("add", json!({"a": 1, "b": 1})).await.unwrap().structured, Some(json!(2)));
    control.is_released.store(true, Ordering::Release);
    assert_eq!(events.recv().await, Some("was told"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn deadline_of_a_handler_that_never_yields_answers_and_other_calls_run() {
    let control = Control::new();
    let client = Client::of(server(&control)).await;
    let mut events = control.events();
    let answer = client.call("spin", json!({})).await.unwrap();
    assert_eq!(answer.reason(), Some("deadline_exceeded"));
    assert_eq!(client.call("add", json!({"a": 1, "b": 1})).await.unwrap().structured, Some(json!(2)));
    control.is_released.store(true, Ordering::Release);
    assert_eq!(events.recv().await, Some("released"));
}

#[tokio::test]
async fn cancel_drops_a_read_and_lets_a_write_finish() {
    for (tool, end) in [("read", "dropped"), ("destroy", "finished")] {
        let control = Control::new();
        let mut events = control.events();
        let mut client = RawClient::initialized(server(&control).build().unwrap()).await;
        client.send(call(&json!("long"), tool, json!({}))).await;
        assert_eq!(events.recv().await, Some("started"));
        client.send(cancel(&json!("long"))).await;
        client.assert_alive().await;
        if end == "finished" {
            assert!(events.try_recv().is_err(), "it still waits at the gate");
        }
        control.gate.admit(1);
        assert_eq!(events.recv().await, Some(end), "{tool}");
        // A cancelled request gets no answer (MCP, cancellation).
        client.assert_alive().await;
        assert_eq!(client.close().await, Vec::<Value>::new());
    }
}

#[tokio::test]
async fn cancel_of_a_finished_or_unknown_request_does_nothing() {
    let control = Control::new();
    let mut client = RawClient::initialized(server(&control).build().unwrap()).await;
    client.assert_alive().await;
    for id in [json!("call-1"), json!(99), json!("")] {
        client.send(cancel(&id)).await;
        client.assert_alive().await;
    }
}

#[tokio::test]
async fn cancel_before_the_client_closes_drops_a_read() {
    let control = Control::new();
    let mut events = control.events();
    let (client, server_end) = tokio::io::duplex(1024);
    let (read, write) = tokio::io::split(server_end);
    let serving = tokio::spawn(server(&control).build().unwrap().serve(read, write));
    let (read, write) = tokio::io::split(client);
    let mut client = RawClient::over(read, write);
    client.initialize(Revision::V2025_11_25).await;
    client.send(call(&json!(1), "read", json!({}))).await;
    assert_eq!(events.recv().await, Some("started"));
    client.send(cancel(&json!(1))).await;
    assert_eq!(client.close().await, Vec::<Value>::new());
    assert_eq!(events.recv().await, Some("dropped"));
    serving.await.unwrap().unwrap();
}

/// Calls a tool with a progress token, and returns the notifications that came before the answer.
async fn progress_reports(tool: &str) -> Vec<Value> {
    let mut client = RawClient::initialized(server(&Control::new()).build().unwrap()).await;
    let params = json!({"name": tool, "arguments": {}, "_meta": {"progressToken": "t"}});
    client.send(request(&json!(1), "tools/call", params)).await;
    let mut reports = Vec::new();
    loop {
        let mut message = client.receive().await;
        if message["id"] == 1 {
            assert_eq!(message["result"]["content"][0]["text"], "reported");
            client.assert_alive().await;
            return reports;
        }
        assert_eq!(message["method"], "notifications/progress");
        assert_eq!(message["params"]["progressToken"], "t");
        reports.push(message["params"].take());
    }
}

#[tokio::test]
async fn progress_is_sent_in_order_before_the_answer() {
    for (tool, totals) in [
        ("report", [json!(3.0), Value::Null, Value::Null]),
        ("report_later", [json!(3.0), json!(3.0), json!(3.0)]),
    ] {
        let reports = progress_reports(tool).await;
        let done: Vec<_> = reports.iter().map(|report| report["progress"].as_f64().unwrap()).collect();
        assert_eq!(done, [1.0, 2.0, 3.0], "{tool}: values that decrease or are not finite are left out");
        for (report, total) in reports.iter().zip(totals) {
            assert_eq!(report["total"], total, "{tool} {report}");
        }
        assert_eq!(reports[1]["message"], "at 2");
    }
}

#[tokio::test]
async fn progress_of_many_reports_never_decreases() {
    let reports = progress_reports("report_much").await;
    let done: Vec<_> = reports.iter().map(|report| report["progress"].as_f64().unwrap()).collect();
    assert!(!done.is_empty() && done.is_sorted(), "{done:?}");
}

#[tokio::test]
async fn progress_without_a_token_is_not_sent() {
    let mut client = RawClient::initialized(server(&Control::new()).build().unwrap()).await;
    let answer = client.call("report", json!({})).await;
    assert_eq!(answer["result"]["content"][0]["text"], "reported");
}

#[tokio::test]
async fn call_exposes_its_tool_caller_deadline_and_idempotency_key() {
    /// Return the fields of the call.
    #[mcp_tool(read_only, closed_world, scope = "a", timeout = "2s")]
    fn describe_call(call: &Call) -> Vec<String> {
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
    let service =
        Server::new("s", "1").unaudited().tools(tools![describe_call]).build().unwrap().grant("b a");
    let client = Client::to(service, Revision::V2026_07_28).await;
    let key = "0123456789abcdef";
    let answer = client
        .with_meta("io.github.candor-mcp/idempotency-key", key)
        .call("describe_call", json!({}))
        .await
        .unwrap();
    assert_eq!(answer.structured, Some(json!(["describe_call", "local", "a b", format!("Some({key:?})")])));
}
