//! Limits on the rate of calls and on calls in flight: each refusal says when to call again, and later calls work again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use candor::{
    Per, Rate, Revision, Sandbox, Server, Service, State, mcp_tool,
    testing::{CallError, Client, ClientBuilder, Clock, ElicitAction},
    tools,
};
use candor_tests::{gate::Gate, messages::call, raw_client::RawClient, wait::wait_until};
use serde_json::{Value, json};
use tokio::sync::mpsc;

#[derive(State)]
struct App {
    load: Arc<Load>,
}

/// Counts the calls in flight, and holds them until the test lets them through.
#[derive(Default)]
struct Load {
    in_flight: AtomicUsize,
    peak: AtomicUsize,
    gate: Gate,
    /// Ends `ignore_deadline`, which blocks its thread.
    is_released: AtomicBool,
}

impl Load {
    async fn pass(&self) {
        let in_flight = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.peak.fetch_max(in_flight, Ordering::SeqCst);
        self.gate.pass().await;
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A tool with a rate.
#[mcp_tool(read_only, closed_world, public, rate = "2/min")]
fn twice() {}

/// A tool without a rate.
#[mcp_tool(read_only, closed_world, public)]
fn once() {}

/// Another tool without a rate.
#[mcp_tool(read_only, closed_world, public)]
fn other() {}

/// A tool with a limit of four calls in flight.
#[mcp_tool(additive, closed_world, public, max_in_flight = 4)]
async fn four(load: &Arc<Load>) {
    load.pass().await;
}

/// A tool without a limit on calls in flight.
#[mcp_tool(additive, closed_world, public)]
async fn many(load: &Arc<Load>) {
    load.pass().await;
}

/// A tool that runs past its deadline.
#[mcp_tool(additive, closed_world, public, max_in_flight = 1, timeout = "20ms")]
fn ignore_deadline(load: &Arc<Load>) {
    while !load.is_released.load(Ordering::SeqCst) {
        std::thread::yield_now();
    }
}

/// A tool with a limit of one call in flight, which needs a confirmation.
#[mcp_tool(destructive, idempotent, closed_world, public, max_in_flight = 1)]
fn forget() {}

/// The state and the clock of a server.
struct Fixture {
    load: Arc<Load>,
    clock: Clock,
}

impl Fixture {
    fn new() -> Self {
        Self { load: Arc::default(), clock: Clock::manual() }
    }

    fn service(&self, configure: impl FnOnce(Server<App>) -> Server<App>) -> Service {
        let server = Server::new("s", "1").unaudited().clock(self.clock.clone());
        let server = server.state(App { load: Arc::clone(&self.load) });
        configure(server.tools(tools![twice, once, other, four, many, ignore_deadline, forget]))
            .build()
            .unwrap()
    }

    async fn client(&self, configure: impl FnOnce(Server<App>) -> Server<App>) -> Client {
        Client::to(self.service(configure), Revision::V2026_07_28).await
    }
}

fn per_minute(calls: u32) -> Rate {
    Rate { calls, per: Per::Minute }
}

async fn assert_allowed(client: &Client, tool: &str) {
    let answer = client.call(tool, json!({})).await.unwrap();
    assert!(!answer.is_error, "{answer:?}");
}

/// Checks that a call is refused for its tool's rate, with these seconds to wait.
async fn assert_rate_limited(client: &Client, tool: &str, seconds: u64) {
    let fact = format!("tool `{tool}` is called too often");
    assert_refused(client, tool, &fact, json!({"reason": "rate_limited", "limit": "tool"}), seconds).await;
}

/// Checks that a call is refused with this fact and this data, and these seconds to wait.
async fn assert_refused(client: &Client, tool: &str, fact: &str, mut data: Value, seconds: u64) {
    let refused = client.call(tool, json!({})).await.unwrap_err();
    data["retryAfterSeconds"] = seconds.into();
    let message = format!("{fact}\nhelp: call again in {seconds} s");
    assert_eq!(refused, CallError { code: -31429, message, data: Some(data) });
}

#[tokio::test]
async fn tool_rate_refuses_with_the_time_to_wait_and_allows_later() {
    let fixture = Fixture::new();
    let client = fixture.client(|server| server).await;
    assert_allowed(&client, "twice").await;
    assert_allowed(&client, "twice").await;
    assert_rate_limited(&client, "twice", 30).await;
    for _ in 0..100 {
        assert_allowed(&client, "once").await;
    }
    // A refused call does not count, so the time to wait becomes shorter.
    fixture.clock.advance(Duration::from_millis(28_500));
    assert_rate_limited(&client, "twice", 2).await;
    fixture.clock.advance(Duration::from_millis(1_500));
    assert_allowed(&client, "twice").await;
    assert_rate_limited(&client, "twice", 30).await;
    // A week without calls allows no more than the burst.
    fixture.clock.advance(Duration::from_secs(7 * 86_400));
    assert_allowed(&client, "twice").await;
    assert_allowed(&client, "twice").await;
    assert_rate_limited(&client, "twice", 30).await;
}

#[tokio::test]
async fn tool_rate_covers_all_connections_of_a_caller() {
    let fixture = Fixture::new();
    let service = fixture.service(|server| server);
    for revision in [Revision::V2025_06_18, Revision::V2025_11_25] {
        assert_allowed(&Client::to(service.clone(), revision).await, "twice").await;
    }
    assert_rate_limited(&Client::to(service, Revision::V2026_07_28).await, "twice", 30).await;
}

#[tokio::test]
async fn default_rate_covers_each_tool_without_a_rate() {
    let fixture = Fixture::new();
    let client = fixture.client(|server| server.default_rate(per_minute(1))).await;
    assert_allowed(&client, "once").await;
    assert_rate_limited(&client, "once", 60).await;
    assert_allowed(&client, "other").await;
    assert_allowed(&client, "twice").await;
    assert_allowed(&client, "twice").await;
    assert_rate_limited(&client, "twice", 30).await;
}

#[tokio::test]
async fn rate_per_caller_and_rate_in_all_cover_all_tools() {
    for (in_total, limit, fact) in [
        (false, "caller", "this caller calls too often"),
        (true, "server", "this server is called too often"),
    ] {
        let data = || json!({"reason": "rate_limited", "limit": limit});
        let fixture = Fixture::new();
        let configure = |server: Server<App>| {
            if in_total { server.rate_in_all(per_minute(3)) } else { server.rate_per_caller(per_minute(3)) }
        };
        let client = fixture.client(configure).await;
        for tool in ["once", "other", "twice"] {
            assert_allowed(&client, tool).await;
        }
        assert_refused(&client, "once", fact, data(), 20).await;
        fixture.clock.advance(Duration::from_secs(20));
        assert_allowed(&client, "other").await;
        assert_refused(&client, "other", fact, data(), 20).await;
    }
}

#[tokio::test]
async fn rate_counts_invalid_arguments_but_not_unknown_tools() {
    let fixture = Fixture::new();
    let client = fixture.client(|server| server.rate_per_caller(per_minute(1))).await;
    for _ in 0..10 {
        assert_eq!(client.call("no_such_tool", json!({})).await.unwrap_err().code, -32602);
    }
    assert_eq!(client.call("once", json!({"x": 1})).await.unwrap().reason(), Some("invalid_arguments"));
    let data = json!({"reason": "rate_limited", "limit": "caller"});
    assert_refused(&client, "once", "this caller calls too often", data, 60).await;
}

/// Sends a thousand calls over one connection, and checks that at most `limit` of them run at once.
async fn assert_in_flight_limit(
    configure: impl FnOnce(Server<App>) -> Server<App>,
    tool: &str,
    (of, limit): (&str, usize),
) {
    let fixture = Fixture::new();
    let mut client = RawClient::initialized(fixture.service(configure)).await;
    for id in 0..1_000 {
        client.send(call(&json!(id), tool, json!({}))).await;
    }
    let subject = if of == "tool" { format!("tool `{tool}`") } else { format!("this {of}") };
    let calls = if limit == 1 { "call" } else { "calls" };
    // All but the calls in flight are refused while these still wait.
    let mut ids = Vec::new();
    for _ in 0..1_000 - limit {
        let answer = client.receive().await;
        assert_eq!(
            answer["error"],
            json!({
                "code": -31429,
                "message": format!("{subject} is at its limit of {limit} concurrent {calls}\nhelp: call again in 1 s"),
                "data": {"reason": "too_many_in_flight", "limit": of, "retryAfterSeconds": 1},
            })
        );
        ids.push(answer["id"].as_u64().unwrap());
    }
    wait_until(async || fixture.load.in_flight.load(Ordering::SeqCst) == limit).await;
    fixture.load.gate.admit(limit);
    for _ in 0..limit {
        let answer = client.receive().await;
        assert_eq!(answer["result"]["content"][0]["text"], "done", "{answer}");
        ids.push(answer["id"].as_u64().unwrap());
    }
    ids.sort_unstable();
    assert_eq!(ids, (0..1_000).collect::<Vec<_>>(), "each call gets one answer");
    assert_eq!(fixture.load.peak.load(Ordering::SeqCst), limit);
    for _ in 0..limit {
        fixture.load.gate.admit(1);
        let answer = client.call(tool, json!({})).await;
        assert_eq!(answer["result"]["content"][0]["text"], "done", "the slots are free again: {answer}");
    }
}

#[tokio::test]
async fn max_in_flight_of_a_tool_limits_its_calls() {
    assert_in_flight_limit(|server| server, "four", ("tool", 4)).await;
}

#[tokio::test]
async fn max_in_flight_of_the_server_and_its_default_limit_calls() {
    assert_in_flight_limit(|server| server.default_max_in_flight(3), "many", ("tool", 3)).await;
    assert_in_flight_limit(|server| server.max_in_flight(2), "four", ("server", 2)).await;
}

#[tokio::test]
async fn max_in_flight_per_caller_limits_calls_of_all_tools() {
    assert_in_flight_limit(|server| server.max_in_flight_per_caller(5), "many", ("caller", 5)).await;
    assert_in_flight_limit(|server| server.max_in_flight_per_caller(1), "four", ("caller", 1)).await;
}

#[tokio::test]
async fn max_in_flight_of_a_tool_overrides_the_default() {
    assert_in_flight_limit(|server| server.default_max_in_flight(1), "four", ("tool", 4)).await;
}

#[tokio::test]
async fn max_in_flight_counts_a_handler_past_its_deadline() {
    let fixture = Fixture::new();
    let client = fixture.client(|server| server).await;
    let answer = client.call("ignore_deadline", json!({})).await.unwrap();
    assert_eq!(answer.reason(), Some("deadline_exceeded"));
    let refused = client.call("ignore_deadline", json!({})).await.unwrap_err();
    assert_eq!(refused.data.unwrap()["reason"], "too_many_in_flight");
    fixture.load.is_released.store(true, Ordering::SeqCst);
    // The slot is free after the handler has ended.
    wait_until(async || client.call("ignore_deadline", json!({})).await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn max_in_flight_does_not_count_a_call_that_waits_for_confirmation() {
    let fixture = Fixture::new();
    let service = fixture.service(|server| server.max_in_flight(1));
    for revision in Revision::ALL {
        let (question, mut questions) = mpsc::unbounded_channel();
        let (action, actions) = std::sync::mpsc::channel();
        let actions = std::sync::Mutex::new(actions);
        let slow_user = move |_: &str| {
            question.send(()).unwrap();
            // Blocks the client until the test decides.
            tokio::task::block_in_place(|| actions.lock().unwrap().recv().unwrap())
        };
        let slow = ClientBuilder::new().on_confirm(slow_user).to(service.clone(), revision).await;
        let other_client = Client::to(service.clone(), revision).await;
        let forgetting = tokio::spawn(async move { slow.call("forget", json!({})).await });
        questions.recv().await.unwrap();
        assert_allowed(&other_client, "once").await;
        action.send(ElicitAction::Accept).unwrap();
        assert!(!forgetting.await.unwrap().unwrap().is_error, "{revision:?}");
    }
}

#[tokio::test]
async fn call_without_a_free_slot_costs_no_rate() {
    let fixture = Fixture::new();
    let service = fixture.service(|server| server.max_in_flight(1).rate_per_caller(per_minute(2)));
    let busy = Client::to(service.clone(), Revision::V2025_11_25).await;
    let client = Client::to(service, Revision::V2026_07_28).await;
    let running = tokio::spawn(async move { busy.call("many", json!({})).await });
    wait_until(async || fixture.load.in_flight.load(Ordering::SeqCst) == 1).await;
    for _ in 0..10 {
        let refused = client.call("once", json!({})).await.unwrap_err();
        assert_eq!(refused.data.unwrap()["reason"], "too_many_in_flight");
    }
    fixture.load.gate.admit(1);
    running.await.unwrap().unwrap();
    assert_allowed(&client, "once").await;
    let data = json!({"reason": "rate_limited", "limit": "caller"});
    assert_refused(&client, "once", "this caller calls too often", data, 30).await;
}

#[tokio::test]
async fn max_in_flight_counts_a_confirmed_call() {
    let fixture = Fixture::new();
    let service = fixture.service(|server| server.max_in_flight(1).sandbox(Sandbox::Off));
    let busy = Client::to(service.clone(), Revision::V2025_11_25).await;
    let in_flight = tokio::spawn(async move { busy.call("many", json!({})).await });
    wait_until(async || fixture.load.in_flight.load(Ordering::SeqCst) == 1).await;
    let client =
        ClientBuilder::new().on_confirm(|_| ElicitAction::Accept).to(service, Revision::V2025_11_25).await;
    let refused = client.call("forget", json!({})).await.unwrap_err();
    assert_eq!(refused.data.unwrap()["reason"], "too_many_in_flight");
    fixture.load.gate.admit(1);
    in_flight.await.unwrap().unwrap();
    assert_allowed(&client, "forget").await;
}
