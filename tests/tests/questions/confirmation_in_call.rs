//! Confirmation of destructive tools through rmcp's client under each revision, and inside the call before 2026-07-28.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use candor::{
    Revision, Server, State, mcp_tool,
    testing::{Client, ClientBuilder, ElicitAction},
    tools,
};
use candor_tests::{
    capability_client::CapabilityClient,
    messages::{accept, call, cancel},
};
use serde_json::{Value, json};

/// Counts the runs of the destructive tool.
#[derive(State)]
struct App {
    runs: Arc<AtomicUsize>,
}

/// Forget something for good.
#[mcp_tool(destructive, idempotency_key = "optional", closed_world, public)]
fn forget(
    runs: &Arc<AtomicUsize>,
    /// The thing to forget.
    what: &str,
) -> String {
    runs.fetch_add(1, Ordering::SeqCst);
    format!("forgot {what}")
}

/// Add two numbers.
#[mcp_tool(read_only, closed_world, public)]
fn add(
    /// The first.
    a: i64,
    /// The second.
    b: i64,
) -> i64 {
    a + b
}

fn server() -> (Server<App>, Arc<AtomicUsize>) {
    let runs = Arc::new(AtomicUsize::new(0));
    let server = Server::new("s", "1").unaudited().state(App { runs: Arc::clone(&runs) });
    (server.tools(tools![forget, add]), runs)
}

const QUESTION: &str = "Allow `forget`? Forget something for good.\nIt may change or remove what is there.\n\n- `what`: `\"it\"`";

#[tokio::test]
async fn confirmation_action_decides_under_each_revision() {
    for revision in Revision::ALL {
        for (action, reason, expected_runs) in [
            (ElicitAction::Accept, None, 1),
            (ElicitAction::Decline, Some("confirmation_declined"), 0),
            (ElicitAction::Cancel, Some("confirmation_declined"), 0),
        ] {
            let (server, runs) = server();
            let questions = Arc::new(Mutex::new(Vec::new()));
            let recorded = Arc::clone(&questions);
            let client = ClientBuilder::new().on_confirm(move |question| {
                recorded.lock().unwrap().push(question.to_owned());
                action
            });
            let client = client.to(server.build().unwrap(), revision).await;
            let answer = client.call("forget", json!({"what": "it"})).await.unwrap();
            assert_eq!(answer.reason(), reason, "{revision:?} {action:?} {answer:?}");
            assert_eq!(answer.is_error, reason.is_some());
            assert_eq!(runs.load(Ordering::SeqCst), expected_runs, "{revision:?} {action:?}");
            assert_eq!(*questions.lock().unwrap(), [QUESTION], "{revision:?}");
        }
    }
}

#[tokio::test]
async fn confirmation_without_elicitation_is_refused_under_each_revision() {
    for revision in Revision::ALL {
        let (server, runs) = server();
        let client = Client::to(server.build().unwrap(), revision).await;
        let answer = client.call("forget", json!({"what": "it"})).await.unwrap();
        assert_eq!(answer.reason(), Some("confirmation_unavailable"), "{revision:?}");
        assert_eq!(runs.load(Ordering::SeqCst), 0, "{revision:?}");
    }
}

#[tokio::test]
async fn yes_destructive_runs_without_confirmation_under_each_revision() {
    for revision in Revision::ALL {
        let (server, runs) = server();
        let client = ClientBuilder::new().on_confirm(|_| ElicitAction::Decline);
        let client = client.to(server.yes_destructive().build().unwrap(), revision).await;
        assert_eq!(client.call("forget", json!({"what": "it"})).await.unwrap().text(), "forgot it");
        assert_eq!(runs.load(Ordering::SeqCst), 1, "{revision:?}");
    }
}

/// A client with a call of `forget` in flight, which waits for its confirmation.
struct PendingConfirmation {
    client: CapabilityClient,
    runs: Arc<AtomicUsize>,
    question: Value,
}

impl PendingConfirmation {
    async fn under(capabilities: Value) -> Self {
        let (server, runs) = server();
        let service = server.build().unwrap();
        let mut client = CapabilityClient::connect(service, Revision::V2025_11_25, capabilities).await;
        let question = client.connection.exchange(call(&json!("it"), "forget", json!({"what": "it"}))).await;
        assert_eq!(question["method"], "elicitation/create", "{question}");
        assert_eq!(question["params"]["message"], QUESTION);
        let schema = &question["params"]["requestedSchema"];
        assert_eq!(*schema, json!({"type": "object", "properties": {}}), "a form without fields");
        Self { client, runs, question }
    }

    /// The line that answers the question, with a `result` or an `error`.
    fn answer_line(&self, with: &Value) -> String {
        let mut answer = json!({"jsonrpc": "2.0", "id": self.question["id"]});
        answer.as_object_mut().unwrap().extend(with.as_object().cloned().unwrap());
        answer.to_string()
    }

    fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }
}

fn accepted() -> Value {
    json!({"result": accept(json!({}))})
}

#[tokio::test]
async fn confirmation_inside_a_call_does_not_block_other_calls() {
    let mut pending = PendingConfirmation::under(json!({"elicitation": {}})).await;
    pending.client.connection.assert_alive().await;
    let line = pending.answer_line(&accepted());
    let answer = pending.client.connection.exchange(&line).await;
    assert_eq!(answer["result"]["content"][0]["text"], "forgot it");
    // A second answer to the same question is ignored.
    pending.client.connection.send(&line).await;
    pending.client.connection.assert_alive().await;
    assert_eq!(pending.runs(), 1);
}

#[tokio::test]
async fn confirmation_with_an_invalid_answer_runs_nothing() {
    for with in [
        json!({"error": {"code": -1, "message": "no"}}),
        json!({"result": {}}),
        json!({"result": {"action": "perhaps"}}),
        json!({"result": {"content": {"confirm": true}}}),
    ] {
        let mut pending = PendingConfirmation::under(json!({"elicitation": {"form": {}}})).await;
        let line = pending.answer_line(&with);
        let answer = pending.client.connection.exchange(line).await;
        assert_eq!(answer["result"]["isError"], true, "{with} {answer}");
        assert_eq!(pending.runs(), 0, "{with}");
        pending.client.connection.assert_alive().await;
    }
}

#[tokio::test]
async fn confirmation_with_url_elicitation_only_is_refused() {
    let (server, runs) = server();
    let capabilities = json!({"elicitation": {"url": {}}});
    let service = server.build().unwrap();
    let mut client = CapabilityClient::connect(service, Revision::V2025_11_25, capabilities).await;
    let answer = client.connection.call("forget", json!({"what": "it"})).await;
    assert_eq!(
        answer["result"]["_meta"]["io.github.candor-mcp/reason"], "confirmation_unavailable",
        "{answer}"
    );
    assert_eq!(runs.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn confirmation_after_cancellation_runs_nothing() {
    let mut pending = PendingConfirmation::under(json!({"elicitation": {}})).await;
    pending.client.connection.send(cancel(&json!("it"))).await;
    pending.client.connection.assert_alive().await;
    let line = pending.answer_line(&accepted());
    pending.client.connection.send(line).await;
    for _ in 0..20 {
        pending.client.connection.assert_alive().await;
    }
    assert_eq!(pending.runs(), 0);
}

#[tokio::test]
async fn confirmation_just_before_the_client_closes_runs_the_call() {
    // Repeated, because the answer and the end of the connection race.
    for _ in 0..50 {
        let mut pending = PendingConfirmation::under(json!({"elicitation": {}})).await;
        let line = pending.answer_line(&accepted());
        pending.client.connection.send(line).await;
        let remaining = pending.client.connection.close().await;
        assert_eq!(remaining[0]["result"]["content"][0]["text"], "forgot it", "{remaining:?}");
    }
}

#[tokio::test]
async fn confirmation_unanswered_when_the_client_closes_runs_nothing() {
    let mut pending = PendingConfirmation::under(json!({"elicitation": {}})).await;
    // The server must not wait for an answer that can no longer come: `close` would time out.
    let remaining = pending.client.connection.close().await;
    assert_eq!(remaining.len(), 1, "{remaining:?}");
    let reason = &remaining[0]["result"]["_meta"]["io.github.candor-mcp/reason"];
    assert_eq!(reason, "confirmation_unanswered", "{remaining:?}");
    assert_eq!(pending.runs(), 0);
}

#[tokio::test(start_paused = true)]
async fn confirmation_unanswered_times_out_after_ten_minutes() {
    let mut pending = PendingConfirmation::under(json!({"elicitation": {}})).await;
    let started = tokio::time::Instant::now();
    // The client in this test times out earlier than the question does.
    tokio::time::advance(Duration::from_secs(590)).await;
    let answer = pending.client.connection.receive().await;
    assert_eq!(
        answer["result"]["_meta"]["io.github.candor-mcp/reason"], "confirmation_unanswered",
        "{answer}"
    );
    assert_eq!((started.elapsed().as_secs(), pending.runs()), (600, 0));
}
