//! How often and how many at once: each bound refuses typed, says when to come back, and lets go again.

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
use candor_tests::wire::{Wire, call};
use serde_json::json;
use tokio::sync::{Semaphore, mpsc};

/// What handlers wait at, and what they say of themselves.
#[derive(State)]
struct App {
    work: Arc<Work>,
}

#[derive(Default)]
struct Work {
    now: AtomicUsize,
    most: AtomicUsize,
    open: AtomicBool,
    gate: Gate,
}

struct Gate(Semaphore);

impl Default for Gate {
    fn default() -> Self {
        Self(Semaphore::new(0))
    }
}

impl Work {
    async fn pass(&self) {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        self.gate.0.acquire().await.expect("the gate stays open").forget();
        self.now.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Twice a minute.
#[mcp_tool(read_only, closed_world, public, rate = "2/min")]
fn twice() {}

/// Without a rate of its own.
#[mcp_tool(read_only, closed_world, public)]
fn once() {}

/// Another without a rate of its own.
#[mcp_tool(read_only, closed_world, public)]
fn other() {}

/// Four at once.
#[mcp_tool(additive, closed_world, public, max_in_flight = 4)]
async fn four(work: &Arc<Work>) {
    work.pass().await;
}

/// As many at once as the server says.
#[mcp_tool(additive, closed_world, public)]
async fn many(work: &Arc<Work>) {
    work.pass().await;
}

/// One at once, which does not hear that its time is up.
#[mcp_tool(additive, closed_world, public, max_in_flight = 1, timeout = "20ms")]
fn deaf(work: &Arc<Work>) {
    while !work.open.load(Ordering::SeqCst) {
        std::thread::yield_now();
    }
}

/// One at once, and only with a person's word.
#[mcp_tool(destructive, idempotent, closed_world, public, max_in_flight = 1)]
fn forget() {}

struct Rig {
    work: Arc<Work>,
    clock: Clock,
}

impl Rig {
    fn new() -> Self {
        Self { work: Arc::default(), clock: Clock::manual() }
    }

    fn service(&self, bounds: impl FnOnce(Server<App>) -> Server<App>) -> Service {
        let server = Server::new("s", "1").unaudited().clock(self.clock.clone());
        let server = server.state(App { work: Arc::clone(&self.work) });
        bounds(server.tools(tools![twice, once, other, four, many, deaf, forget])).build().unwrap()
    }

    async fn client(&self, bounds: impl FnOnce(Server<App>) -> Server<App>) -> Client {
        Client::to(self.service(bounds), Revision::V2026_07_28).await
    }
}

fn a_minute(calls: u32) -> Rate {
    Rate { calls, per: Per::Minute }
}

async fn allowed(client: &Client, tool: &str) {
    let answer = client.call(tool, json!({})).await.unwrap();
    assert!(!answer.is_error, "{answer:?}");
}

/// The call is refused for its rate, and may come back after so many seconds.
async fn too_often(client: &Client, tool: &str, seconds: u64) {
    let refused = client.call(tool, json!({})).await.unwrap_err();
    let expected = CallError {
        code: -31429,
        message: format!("tool `{tool}` is called too often\nhelp: call again in {seconds} s"),
        data: Some(json!({"reason": "rate_limited", "retryAfterSeconds": seconds})),
    };
    assert_eq!(refused, expected);
}

/// Lets everything else go as far as it can.
async fn until(reached: impl Fn() -> bool) {
    while !reached() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_tools_rate_refuses_with_the_time_to_wait_and_passes_with_it() {
    let rig = Rig::new();
    let client = rig.client(|server| server).await;
    allowed(&client, "twice").await;
    allowed(&client, "twice").await;
    too_often(&client, "twice", 30).await;
    for _ in 0..100 {
        allowed(&client, "once").await;
    }
    // The time of a refusal is no further call: the wait shrinks to its end.
    rig.clock.advance(Duration::from_millis(28_500));
    too_often(&client, "twice", 2).await;
    rig.clock.advance(Duration::from_millis(1_500));
    allowed(&client, "twice").await;
    too_often(&client, "twice", 30).await;
    // A week of silence saves up no more than the burst.
    rig.clock.advance(Duration::from_secs(7 * 86_400));
    allowed(&client, "twice").await;
    allowed(&client, "twice").await;
    too_often(&client, "twice", 30).await;
}

#[tokio::test]
async fn a_rate_is_one_over_all_connections_of_a_caller() {
    let rig = Rig::new();
    let service = rig.service(|server| server);
    for revision in [Revision::V2025_06_18, Revision::V2025_11_25] {
        allowed(&Client::to(service.clone(), revision).await, "twice").await;
    }
    too_often(&Client::to(service, Revision::V2026_07_28).await, "twice", 30).await;
}

#[tokio::test]
async fn the_default_rate_is_for_each_tool_that_has_none() {
    let rig = Rig::new();
    let client = rig.client(|server| server.default_rate(a_minute(1))).await;
    allowed(&client, "once").await;
    too_often(&client, "once", 60).await;
    allowed(&client, "other").await;
    allowed(&client, "twice").await;
    allowed(&client, "twice").await;
    too_often(&client, "twice", 30).await;
}

#[tokio::test]
async fn a_callers_rate_and_the_servers_rate_are_over_all_tools() {
    for in_all in [false, true] {
        let rig = Rig::new();
        let bound = |server: Server<App>| {
            if in_all { server.rate_in_all(a_minute(3)) } else { server.rate_per_caller(a_minute(3)) }
        };
        let client = rig.client(bound).await;
        for tool in ["once", "other", "twice"] {
            allowed(&client, tool).await;
        }
        too_often(&client, "once", 20).await;
        rig.clock.advance(Duration::from_secs(20));
        allowed(&client, "other").await;
        too_often(&client, "other", 20).await;
    }
}

#[tokio::test]
async fn arguments_that_do_not_fit_count_and_tools_that_do_not_exist_do_not() {
    let rig = Rig::new();
    let client = rig.client(|server| server.rate_per_caller(a_minute(1))).await;
    for _ in 0..10 {
        assert_eq!(client.call("no_such_tool", json!({})).await.unwrap_err().code, -32602);
    }
    assert_eq!(client.call("once", json!({"x": 1})).await.unwrap().reason(), Some("invalid_arguments"));
    too_often(&client, "once", 60).await;
}

/// A thousand calls over one connection, of which so many may be at work.
async fn a_thousand(bounds: impl FnOnce(Server<App>) -> Server<App>, tool: &str, most: usize) {
    let rig = Rig::new();
    let mut wire = Wire::to(rig.service(bounds));
    wire.initialize(Revision::V2025_11_25).await;
    for id in 0..1_000 {
        wire.say(call(&json!(id), tool, json!({}))).await;
    }
    // All but those at work are answered while these still wait.
    let mut ids = Vec::new();
    for _ in 0..1_000 - most {
        let answer = wire.hear().await;
        assert_eq!(
            answer["error"],
            json!({
                "code": -31429,
                "message": format!("tool `{tool}` is at its limit of concurrent calls\nhelp: call again in 1 s"),
                "data": {"reason": "too_many_in_flight", "retryAfterSeconds": 1},
            })
        );
        ids.push(answer["id"].as_u64().unwrap());
    }
    until(|| rig.work.now.load(Ordering::SeqCst) == most).await;
    rig.work.gate.0.add_permits(most);
    for _ in 0..most {
        let answer = wire.hear().await;
        assert_eq!(answer["result"]["content"][0]["text"], "done", "{answer}");
        ids.push(answer["id"].as_u64().unwrap());
    }
    ids.sort_unstable();
    assert_eq!(ids, (0..1_000).collect::<Vec<_>>(), "each is answered once");
    assert_eq!(rig.work.most.load(Ordering::SeqCst), most);
    for _ in 0..most {
        rig.work.gate.0.add_permits(1);
        let answer = wire.call(tool, json!({})).await;
        assert_eq!(answer["result"]["content"][0]["text"], "done", "it works again: {answer}");
    }
}

#[tokio::test]
async fn of_a_thousand_calls_as_many_run_as_the_tool_says() {
    a_thousand(|server| server, "four", 4).await;
}

#[tokio::test]
async fn of_a_thousand_calls_as_many_run_as_the_server_says() {
    a_thousand(|server| server.default_max_in_flight(3), "many", 3).await;
    a_thousand(|server| server.max_in_flight(2), "four", 2).await;
}

#[tokio::test]
async fn a_tools_own_number_is_before_the_default() {
    a_thousand(|server| server.default_max_in_flight(1), "four", 4).await;
}

#[tokio::test]
async fn a_handler_beyond_its_deadline_still_holds_its_slot() {
    let rig = Rig::new();
    let client = rig.client(|server| server).await;
    let late = client.call("deaf", json!({})).await.unwrap();
    assert_eq!(late.reason(), Some("deadline_exceeded"));
    let refused = client.call("deaf", json!({})).await.unwrap_err();
    assert_eq!(refused.data.unwrap()["reason"], "too_many_in_flight");
    rig.work.open.store(true, Ordering::SeqCst);
    // Once it has really ended its slot is free.
    while client.call("deaf", json!({})).await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_waiting_confirmation_holds_no_slot() {
    let rig = Rig::new();
    let service = rig.service(|server| server.max_in_flight(1));
    for revision in Revision::ALL {
        let (asked, mut questions) = mpsc::unbounded_channel();
        let (answer, answers) = std::sync::mpsc::channel();
        let answers = std::sync::Mutex::new(answers);
        let person = move |_: &str| {
            asked.send(()).unwrap();
            // Whoever sits here takes their time, and the client with them.
            tokio::task::block_in_place(|| answers.lock().unwrap().recv().unwrap())
        };
        let slow = ClientBuilder::new().on_confirm(person).to(service.clone(), revision).await;
        let other_client = Client::to(service.clone(), revision).await;
        let forgetting = tokio::spawn(async move { slow.call("forget", json!({})).await });
        questions.recv().await.unwrap();
        allowed(&other_client, "once").await;
        answer.send(ElicitAction::Accept).unwrap();
        assert!(!forgetting.await.unwrap().unwrap().is_error, "{revision:?}");
    }
}

#[tokio::test]
async fn a_confirmed_call_takes_a_slot_like_any_other() {
    let rig = Rig::new();
    let service = rig.service(|server| server.max_in_flight(1).sandbox(Sandbox::Off));
    let busy = Client::to(service.clone(), Revision::V2025_11_25).await;
    let working = tokio::spawn(async move { busy.call("many", json!({})).await });
    until(|| rig.work.now.load(Ordering::SeqCst) == 1).await;
    let client =
        ClientBuilder::new().on_confirm(|_| ElicitAction::Accept).to(service, Revision::V2025_11_25).await;
    let refused = client.call("forget", json!({})).await.unwrap_err();
    assert_eq!(refused.data.unwrap()["reason"], "too_many_in_flight");
    rig.work.gate.0.add_permits(1);
    working.await.unwrap().unwrap();
    allowed(&client, "forget").await;
}
