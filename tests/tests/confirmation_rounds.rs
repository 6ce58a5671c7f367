//! A destructive tool asks a person in rounds (2026-07-28): every answer, and every state that is not one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use candor::{Server, State, mcp_tool, testing::Clock, tools};
use candor_tests::wire::{Wire, request};
use serde_json::{Value, json};

/// What the destructive tools do: they count.
#[derive(State)]
struct App {
    done: Arc<AtomicUsize>,
}

/// Forget something for good.
#[mcp_tool(destructive, idempotent, closed_world, public)]
fn forget(
    done: &Arc<AtomicUsize>,
    /// What to forget.
    what: &str,
    /// The word that allows it.
    #[param(secret)]
    word: Option<String>,
    /// How many times.
    times: Option<u32>,
) -> String {
    let _ = (word, times);
    done.fetch_add(1, Ordering::SeqCst);
    format!("forgot {what}")
}

/// Forget something else.
#[mcp_tool(destructive, idempotent, closed_world, public)]
fn wipe(
    done: &Arc<AtomicUsize>,
    /// What to wipe.
    what: &str,
) -> String {
    done.fetch_add(1, Ordering::SeqCst);
    format!("wiped {what}")
}

/// Add a thing, after asking.
#[mcp_tool(additive, closed_world, public, confirm = "always")]
fn put(done: &Arc<AtomicUsize>) -> usize {
    done.fetch_add(1, Ordering::SeqCst)
}

/// Forget without asking.
#[mcp_tool(destructive, idempotent, closed_world, public, confirm = "never")]
fn drop_silently(done: &Arc<AtomicUsize>) -> usize {
    done.fetch_add(1, Ordering::SeqCst)
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

/// A server, somebody who speaks to it line by line, and what it did.
struct Rig {
    wire: Wire,
    done: Arc<AtomicUsize>,
    clock: Clock,
    elicitation: bool,
}

impl Rig {
    fn new() -> Self {
        let (done, clock) = (Arc::new(AtomicUsize::new(0)), Clock::manual());
        let server =
            Server::new("s", "1").unaudited().clock(clock.clone()).state(App { done: Arc::clone(&done) });
        let server = server.tools(tools![forget, wipe, put, drop_silently, add]);
        Self { wire: Wire::to(server.build().unwrap()), done, clock, elicitation: true }
    }

    /// One round: a call, with what the client brings back.
    async fn round(&mut self, tool: &str, arguments: Value, state: Option<&str>, said: Value) -> Value {
        let mut params = json!({"name": tool, "arguments": arguments, "_meta": meta(self.elicitation)});
        if let Some(state) = state {
            params["requestState"] = json!(state);
        }
        if !said.is_null() {
            params["inputResponses"] = json!({"candor/confirm": said});
        }
        self.wire.ask(request(&json!(1), "tools/call", params)).await
    }

    /// The first round of `forget`: the question and the state.
    async fn asked(&mut self, arguments: Value) -> (String, String) {
        question(&self.round("forget", arguments, None, Value::Null).await)
    }

    /// A round of `forget` that comes back with `state` and `said`.
    async fn back(&mut self, state: &str, said: &str) -> Value {
        self.round("forget", it(), Some(state), json!({"action": said, "content": {}})).await
    }

    /// An accepting round with a state that confirms nothing: the line that answers it, as it came.
    async fn unusable(&mut self, state: &str) -> String {
        let before = self.done();
        let answer = self.back(state, "accept").await;
        assert_eq!(reason(&answer), "confirmation_state", "{answer}");
        assert_eq!(self.done(), before, "{state}");
        self.wire.heard().lines().last().unwrap().to_owned()
    }

    fn done(&self) -> usize {
        self.done.load(Ordering::SeqCst)
    }
}

fn meta(elicitation: bool) -> Value {
    let capabilities = if elicitation { json!({"elicitation": {}}) } else { json!({}) };
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": capabilities,
        "io.modelcontextprotocol/clientInfo": {"name": "wire", "version": "0"},
    })
}

fn it() -> Value {
    json!({"what": "the past"})
}

fn question(answer: &Value) -> (String, String) {
    let result = &answer["result"];
    assert_eq!(result["resultType"], "input_required", "{answer}");
    let request = &result["inputRequests"]["candor/confirm"];
    assert_eq!(request["method"], "elicitation/create", "{answer}");
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
    (text(&request["params"]["message"]), text(&result["requestState"]))
}

fn reason(answer: &Value) -> &str {
    answer["result"]["_meta"]["candor/reason"].as_str().unwrap_or_default()
}

fn text(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

#[tokio::test]
async fn an_accepted_call_runs_once() {
    let mut rig = Rig::new();
    let (_, state) = rig.asked(it()).await;
    assert_eq!(rig.done(), 0, "nothing happens before the answer");
    let answer = rig.back(&state, "accept").await;
    assert_eq!((text(&answer), rig.done()), ("forgot the past", 1), "{answer}");
}

#[tokio::test]
async fn equal_arguments_in_another_order_are_the_same_call() {
    let mut rig = Rig::new();
    let (_, state) = rig.asked(json!({"what": "it", "times": 2})).await;
    let said = json!({"action": "accept"});
    let answer = rig.round("forget", json!({"times": 2, "what": "it"}), Some(&state), said).await;
    assert_eq!(text(&answer), "forgot it");
}

#[tokio::test]
async fn declined_and_cancelled_calls_do_nothing_and_their_states_are_used_up() {
    for (said, how) in [("decline", "was declined"), ("cancel", "was cancelled")] {
        let mut rig = Rig::new();
        let (_, state) = rig.asked(it()).await;
        let answer = rig.back(&state, said).await;
        assert_eq!(reason(&answer), "confirmation_declined", "{answer}");
        assert_eq!(text(&answer), format!("the call of tool `forget` {how} by the user; nothing was done"));
        rig.unusable(&state).await;
    }
}

#[tokio::test]
async fn whatever_is_wrong_with_a_state_is_one_and_the_same_answer() {
    let mut rig = Rig::new();
    let (_, good) = rig.asked(it()).await;
    let foreign = Rig::new().asked(it()).await.1;
    let other_arguments = rig.asked(json!({"what": "the future"})).await.1;
    let other_secret = rig.asked(json!({"what": "the past", "word": "x"})).await.1;
    let other_tool = question(&rig.round("wipe", it(), None, Value::Null).await).1;
    let (_, used) = rig.asked(it()).await;
    assert_eq!(text(&rig.back(&used, "accept").await), "forgot the past");
    let (_, declined) = rig.asked(it()).await;
    rig.back(&declined, "decline").await;

    let frozen = rig.unusable("garbage!").await;
    let mut wrong = vec![
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
        wrong.push(String::from_utf8(bytes).unwrap());
    }
    for state in wrong {
        assert_eq!(rig.unusable(&state).await, frozen, "{}", &state.chars().take(80).collect::<String>());
    }
    // None of that used up the good one; ten minutes do.
    rig.clock.advance(Duration::from_secs(599));
    let late = rig.asked(it()).await.1;
    assert_eq!(text(&rig.back(&good, "accept").await), "forgot the past");
    rig.clock.advance(Duration::from_secs(600));
    assert_eq!(rig.unusable(&late).await, frozen);
    assert_eq!(rig.unusable(&good).await, frozen, "a used one that has expired as well");
    assert_eq!(rig.done(), 2);
}

#[tokio::test]
async fn a_hundred_answers_at_once_to_one_question_run_one_call() {
    let mut rig = Rig::new();
    let (_, state) = rig.asked(it()).await;
    let line = |id: usize| {
        let said = json!({"candor/confirm": {"action": "accept", "content": {}}});
        let params = json!({"name": "forget", "arguments": it(), "_meta": meta(true), "requestState": state, "inputResponses": said});
        request(&json!(id), "tools/call", params)
    };
    for id in 0..100 {
        rig.wire.say(line(id)).await;
    }
    let mut refused = 0;
    for _ in 0..100 {
        refused += usize::from(reason(&rig.wire.hear().await) == "confirmation_state");
    }
    assert_eq!((refused, rig.done()), (99, 1));
}

#[tokio::test]
async fn an_answer_to_a_question_never_asked_is_asked_for() {
    let mut rig = Rig::new();
    let accept = json!({"action": "accept", "content": {}});
    question(&rig.round("forget", it(), None, accept).await);
    assert_eq!(rig.done(), 0);
}

#[tokio::test]
async fn an_answer_that_is_none_is_asked_for_again_and_uses_up_the_state() {
    for said in [
        Value::Null,
        json!("accept"),
        json!(true),
        json!({}),
        json!({"action": "perhaps"}),
        json!({"action": ["accept"]}),
    ] {
        let mut rig = Rig::new();
        let (_, state) = rig.asked(it()).await;
        let again = question(&rig.round("forget", it(), Some(&state), said.clone()).await).1;
        assert_ne!(again, state, "{said}");
        rig.unusable(&state).await;
        assert_eq!(text(&rig.back(&again, "accept").await), "forgot the past", "{said}");
    }
}

#[tokio::test]
async fn an_answer_to_another_question_is_none() {
    let mut rig = Rig::new();
    let (_, state) = rig.asked(it()).await;
    let line = json!({"name": "forget", "arguments": it(), "requestState": state, "_meta": meta(true), "inputResponses": {"confirm": {"action": "accept", "content": {}}, "": {"action": "accept"}}});
    question(&rig.wire.ask(request(&json!(1), "tools/call", line)).await);
    assert_eq!(rig.done(), 0);
}

#[tokio::test]
async fn a_state_that_is_no_text_is_no_call() {
    let mut rig = Rig::new();
    for state in [json!(7), json!({}), json!(["x"])] {
        let mut params = json!({"name": "forget", "arguments": it(), "requestState": state});
        params["_meta"] = meta(true);
        let answer = rig.wire.ask(request(&json!(1), "tools/call", params)).await;
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
    }
    assert_eq!(rig.done(), 0);
}

#[tokio::test]
async fn a_tool_that_needs_no_word_takes_no_notice_of_a_state() {
    let mut rig = Rig::new();
    for state in ["garbage!", ""] {
        let said = json!({"action": "decline"});
        let answer = rig.round("add", json!({"a": 1, "b": 1}), Some(state), said).await;
        assert_eq!(answer["result"]["structuredContent"], 2, "{answer}");
    }
    let answer = rig.round("drop_silently", json!({}), None, Value::Null).await;
    assert_eq!((text(&answer), rig.done()), ("0", 1), "{answer}");
}

#[tokio::test]
async fn confirm_always_asks_before_a_tool_that_is_not_destructive() {
    let mut rig = Rig::new();
    let (words, state) = question(&rig.round("put", json!({}), None, Value::Null).await);
    assert_eq!(words, "Allow `put`? Add a thing, after asking.\nIt adds, and removes nothing.");
    rig.round("put", json!({}), Some(&state), json!({"action": "accept"})).await;
    assert_eq!(rig.done(), 1);
}

#[tokio::test]
async fn a_client_without_the_capability_is_told_what_to_do() {
    let mut rig = Rig::new();
    rig.elicitation = false;
    let answer = rig.round("forget", it(), None, Value::Null).await;
    assert_eq!(reason(&answer), "confirmation_unavailable", "{answer}");
    assert!(text(&answer).contains("it declares no `elicitation` capability"), "{answer}");
    assert!(text(&answer).contains("--yes-destructive"), "{answer}");
    // Nor does it get anywhere by saying that it was asked.
    rig.unusable("garbage!").await;
    assert_eq!(rig.done(), 0);
}

#[tokio::test]
async fn arguments_that_do_not_fit_are_refused_before_anybody_is_asked() {
    let mut rig = Rig::new();
    let answer = rig.round("forget", json!({}), None, Value::Null).await;
    assert_eq!(reason(&answer), "invalid_arguments", "{answer}");
}

#[tokio::test]
async fn the_question_shows_tool_effect_and_arguments_and_no_secret() {
    let mut rig = Rig::new();
    let long = format!("{}\nAllow everything\u{202e}", "x".repeat(150));
    let (words, _) = rig.asked(json!({"what": long, "word": "s3cr3t-4711", "times": 3})).await;
    assert_eq!(
        words,
        format!(
            "Allow `forget`? Forget something for good.\nIt may change or remove what is there; repeating it changes nothing more.\nwhat: {}\u{fffd}Allow everything\u{fffd}\nword: (secret)\ntimes: 3",
            "x".repeat(150)
        )
    );
    let (words, _) = rig.asked(json!({"what": "y".repeat(5_000)})).await;
    assert!(words.ends_with(&format!("what: {}… (5000 characters)", "y".repeat(200))), "{words}");
    assert!(!rig.wire.heard().contains("s3cr3t-4711"));
}
