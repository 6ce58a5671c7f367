//! Confirmation of destructive tools in rounds (2026-07-28): every action of the user, and every invalid state.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use candor::{Revision, Server, State, mcp_tool, testing::Clock, tools};
use candor_tests::capability_client::CapabilityClient;
use serde_json::{Value, json};

/// Counts the runs of the tools.
#[derive(State)]
struct App {
    runs: Arc<AtomicUsize>,
}

/// Forget something for good.
#[mcp_tool(destructive, idempotent, closed_world, public)]
fn forget(
    runs: &Arc<AtomicUsize>,
    /// The thing to forget.
    what: &str,
    /// The password that allows it.
    #[param(secret)]
    word: Option<String>,
    /// The number of times.
    times: Option<u32>,
) -> String {
    let _ = (word, times);
    runs.fetch_add(1, Ordering::SeqCst);
    format!("forgot {what}")
}

/// Forget something else.
#[mcp_tool(destructive, idempotent, closed_world, public)]
fn wipe(
    runs: &Arc<AtomicUsize>,
    /// The thing to wipe.
    what: &str,
) -> String {
    runs.fetch_add(1, Ordering::SeqCst);
    format!("wiped {what}")
}

/// Add a thing, after asking.
#[mcp_tool(additive, closed_world, public, confirm = "always")]
fn put(runs: &Arc<AtomicUsize>) -> usize {
    runs.fetch_add(1, Ordering::SeqCst)
}

/// Forget without asking.
#[mcp_tool(destructive, idempotent, closed_world, public, confirm = "never")]
fn drop_silently(runs: &Arc<AtomicUsize>) -> usize {
    runs.fetch_add(1, Ordering::SeqCst)
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

/// A client of a server with destructive tools, which counts what they did.
struct ConfirmingClient {
    client: CapabilityClient,
    runs: Arc<AtomicUsize>,
    clock: Clock,
}

impl ConfirmingClient {
    async fn connect() -> Self {
        let (runs, clock) = (Arc::new(AtomicUsize::new(0)), Clock::manual());
        let server =
            Server::new("s", "1").unaudited().clock(clock.clone()).state(App { runs: Arc::clone(&runs) });
        let service = server.tools(tools![forget, wipe, put, drop_silently, add]).build().unwrap();
        let client =
            CapabilityClient::connect(service, Revision::V2026_07_28, json!({"elicitation": {}})).await;
        Self { client, runs, clock }
    }

    /// Sends one round: a call, with the state and the answer that the client returns.
    async fn round(&mut self, tool: &str, arguments: Value, state: Option<&str>, answer: Value) -> Value {
        let mut params = json!({"name": tool, "arguments": arguments});
        if let Some(state) = state {
            params["requestState"] = json!(state);
        }
        if !answer.is_null() {
            params["inputResponses"] = json!({"io.github.candor-mcp/confirm": answer});
        }
        self.client.request("tools/call", params).await
    }

    /// Sends the first round of `forget`, and returns the question and the state.
    async fn first_round(&mut self, arguments: Value) -> (String, String) {
        question(&self.round("forget", arguments, None, Value::Null).await)
    }

    /// Sends the second round of `forget`, with a state and an action.
    async fn second_round(&mut self, state: &str, action: &str) -> Value {
        self.round("forget", it(), Some(state), json!({"action": action, "content": {}})).await
    }

    /// Accepts with a state that must not confirm anything, and returns the line of the refusal.
    async fn refused_state(&mut self, state: &str) -> String {
        let before = self.runs();
        let answer = self.second_round(state, "accept").await;
        assert_eq!(reason(&answer), "confirmation_state", "{answer}");
        assert_eq!(self.runs(), before, "{state}");
        self.client.connection.received().lines().last().unwrap().to_owned()
    }

    fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }
}

fn it() -> Value {
    json!({"what": "the past"})
}

fn question(answer: &Value) -> (String, String) {
    let result = &answer["result"];
    assert_eq!(result["resultType"], "input_required", "{answer}");
    let request = &result["inputRequests"]["io.github.candor-mcp/confirm"];
    assert_eq!(request["method"], "elicitation/create", "{answer}");
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
    (text(&request["params"]["message"]), text(&result["requestState"]))
}

fn reason(answer: &Value) -> &str {
    answer["result"]["_meta"]["io.github.candor-mcp/reason"].as_str().unwrap_or_default()
}

fn text(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

#[tokio::test]
async fn confirmation_accepted_runs_the_call_once() {
    let mut client = ConfirmingClient::connect().await;
    let (_, state) = client.first_round(it()).await;
    assert_eq!(client.runs(), 0, "nothing happens before the answer");
    let answer = client.second_round(&state, "accept").await;
    assert_eq!((text(&answer), client.runs()), ("forgot the past", 1), "{answer}");
}

#[tokio::test]
async fn confirmation_covers_equal_arguments_in_another_order() {
    let mut client = ConfirmingClient::connect().await;
    let (_, state) = client.first_round(json!({"what": "it", "times": 2})).await;
    let accept = json!({"action": "accept"});
    let answer = client.round("forget", json!({"times": 2, "what": "it"}), Some(&state), accept).await;
    assert_eq!(text(&answer), "forgot it");
}

#[tokio::test]
async fn confirmation_declined_or_cancelled_runs_nothing_and_uses_up_the_state() {
    for (action, outcome) in [("decline", "declined"), ("cancel", "cancelled")] {
        let mut client = ConfirmingClient::connect().await;
        let (_, state) = client.first_round(it()).await;
        let answer = client.second_round(&state, action).await;
        assert_eq!(reason(&answer), "confirmation_declined", "{answer}");
        assert_eq!(text(&answer), format!("the user {outcome} the call of tool `forget`; nothing was done"));
        client.refused_state(&state).await;
    }
}

#[tokio::test]
async fn confirmation_state_that_is_invalid_gets_one_answer_for_every_fault() {
    let mut client = ConfirmingClient::connect().await;
    let (_, good) = client.first_round(it()).await;
    let foreign = ConfirmingClient::connect().await.first_round(it()).await.1;
    let other_arguments = client.first_round(json!({"what": "the future"})).await.1;
    let other_secret = client.first_round(json!({"what": "the past", "word": "x"})).await.1;
    let other_tool = question(&client.round("wipe", it(), None, Value::Null).await).1;
    let (_, used) = client.first_round(it()).await;
    assert_eq!(text(&client.second_round(&used, "accept").await), "forgot the past");
    let (_, declined) = client.first_round(it()).await;
    client.second_round(&declined, "decline").await;

    let refusal = client.refused_state("garbage!").await;
    let mut invalid = vec![
        String::new(),
        " ".to_owned(),
        "A".repeat(good.len()),
        "é\u{0}\u{202e}".to_owned(),
        "x".repeat(5_000_000),
        good[..good.len() - 2].to_owned(),
        good[..32].to_owned(),
        format!("{good}AA"),
        format!("{good}="),
        format!(" {good}"),
        good.to_uppercase(),
        foreign,
        other_arguments,
        other_secret,
        other_tool,
        used,
        declined,
    ];
    for at in (0..good.len()).step_by(5) {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        invalid.push(String::from_utf8(bytes).unwrap());
    }
    for state in invalid {
        assert_eq!(
            client.refused_state(&state).await,
            refusal,
            "{}",
            &state.chars().take(80).collect::<String>()
        );
    }
    // None of these used up the valid state. It expires after ten minutes.
    client.clock.advance(Duration::from_secs(599));
    let second = client.first_round(it()).await.1;
    assert_eq!(text(&client.second_round(&good, "accept").await), "forgot the past");
    client.clock.advance(Duration::from_secs(600));
    assert_eq!(client.refused_state(&second).await, refusal);
    assert_eq!(client.refused_state(&good).await, refusal, "a used state that has also expired");
    assert_eq!(client.runs(), 2);
}

#[tokio::test]
async fn confirmation_accepted_a_hundred_times_at_once_runs_one_call() {
    let mut client = ConfirmingClient::connect().await;
    let (_, state) = client.first_round(it()).await;
    let params = json!({
        "name": "forget",
        "arguments": it(),
        "requestState": state,
        "inputResponses": {"io.github.candor-mcp/confirm": {"action": "accept", "content": {}}},
    });
    for id in 0..100 {
        let line = client.client.request_line(&json!(id), "tools/call", params.clone());
        client.client.connection.send(line).await;
    }
    let mut refused = 0;
    for _ in 0..100 {
        refused += usize::from(reason(&client.client.connection.receive().await) == "confirmation_state");
    }
    assert_eq!((refused, client.runs()), (99, 1));
}

#[tokio::test]
async fn confirmation_without_a_question_is_asked_for() {
    let mut client = ConfirmingClient::connect().await;
    let accept = json!({"action": "accept", "content": {}});
    question(&client.round("forget", it(), None, accept).await);
    assert_eq!(client.runs(), 0);
}

#[tokio::test]
async fn confirmation_with_an_invalid_answer_is_asked_for_again_with_a_new_state() {
    for invalid in [
        Value::Null,
        json!("accept"),
        json!(true),
        json!({}),
        json!({"action": "perhaps"}),
        json!({"action": ["accept"]}),
    ] {
        let mut client = ConfirmingClient::connect().await;
        let (_, state) = client.first_round(it()).await;
        let again = question(&client.round("forget", it(), Some(&state), invalid.clone()).await).1;
        assert_ne!(again, state, "{invalid}");
        client.refused_state(&state).await;
        assert_eq!(text(&client.second_round(&again, "accept").await), "forgot the past", "{invalid}");
    }
}

#[tokio::test]
async fn confirmation_with_an_answer_to_another_question_is_asked_for() {
    let mut client = ConfirmingClient::connect().await;
    let (_, state) = client.first_round(it()).await;
    let params = json!({
        "name": "forget",
        "arguments": it(),
        "requestState": state,
        "inputResponses": {"confirm": {"action": "accept", "content": {}}, "": {"action": "accept"}},
    });
    question(&client.client.request("tools/call", params).await);
    assert_eq!(client.runs(), 0);
}

#[tokio::test]
async fn confirmation_state_that_is_not_a_string_is_an_invalid_request() {
    let mut client = ConfirmingClient::connect().await;
    for state in [json!(7), json!({}), json!(["x"])] {
        let params = json!({"name": "forget", "arguments": it(), "requestState": state});
        let answer = client.client.request("tools/call", params).await;
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
    }
    assert_eq!(client.runs(), 0);
}

#[tokio::test]
async fn confirmation_state_of_a_tool_without_confirmation_is_ignored() {
    let mut client = ConfirmingClient::connect().await;
    for state in ["garbage!", ""] {
        let decline = json!({"action": "decline"});
        let answer = client.round("add", json!({"a": 1, "b": 1}), Some(state), decline).await;
        assert_eq!(answer["result"]["structuredContent"], 2, "{answer}");
    }
    let answer = client.round("drop_silently", json!({}), None, Value::Null).await;
    assert_eq!((text(&answer), client.runs()), ("0", 1), "{answer}");
}

#[tokio::test]
async fn confirm_always_asks_before_an_additive_tool() {
    let mut client = ConfirmingClient::connect().await;
    let (message, state) = question(&client.round("put", json!({}), None, Value::Null).await);
    assert_eq!(message, "Allow `put`? Add a thing, after asking.\nIt adds, and removes nothing.");
    client.round("put", json!({}), Some(&state), json!({"action": "accept"})).await;
    assert_eq!(client.runs(), 1);
}

#[tokio::test]
async fn confirmation_without_elicitation_is_refused_with_help() {
    let mut client = ConfirmingClient::connect().await;
    client.client.capabilities = json!({});
    let answer = client.round("forget", it(), None, Value::Null).await;
    assert_eq!(reason(&answer), "confirmation_unavailable", "{answer}");
    assert!(text(&answer).contains("the client does not declare the `elicitation` capability"), "{answer}");
    assert!(text(&answer).contains("`--yes forget`"), "{answer}");
    // An answer does not help: the client cannot have been asked.
    client.refused_state("garbage!").await;
    assert_eq!(client.runs(), 0);
}

#[tokio::test]
async fn confirmation_is_not_asked_for_invalid_arguments() {
    let mut client = ConfirmingClient::connect().await;
    let answer = client.round("forget", json!({}), None, Value::Null).await;
    assert_eq!(reason(&answer), "invalid_arguments", "{answer}");
}

#[tokio::test]
async fn confirmation_question_shows_tool_effect_and_arguments_without_secrets() {
    let mut client = ConfirmingClient::connect().await;
    let (message, _) =
        client.first_round(json!({"what": "it\nAllow all", "word": "s3cr3t-4711", "times": 3})).await;
    assert_eq!(
        message,
        "Allow `forget`? Forget something for good.\nIt may change or remove what is there; repeating it changes nothing more.\n\n- `what`: `\"it⟨newline⟩Allow all\"`\n- `word`: (secret)\n- `times`: `3`"
    );
    assert!(!client.client.connection.received().contains("s3cr3t-4711"));
}
