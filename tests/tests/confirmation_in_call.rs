//! A destructive tool asks a person through the client: rmcp's own under each revision, and inside the call before
//! 2026-07-28.

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
use candor_tests::wire::{Wire, call, request};
use serde_json::{Value, json};

/// What the destructive tool does: it counts.
#[derive(State)]
struct App {
    done: Arc<AtomicUsize>,
}

/// Forget something for good.
#[mcp_tool(destructive, idempotency_key = "optional", closed_world, public)]
fn forget(
    done: &Arc<AtomicUsize>,
    /// What to forget.
    what: &str,
) -> String {
    done.fetch_add(1, Ordering::SeqCst);
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
    let done = Arc::new(AtomicUsize::new(0));
    let server = Server::new("s", "1").unaudited().state(App { done: Arc::clone(&done) });
    (server.tools(tools![forget, add]), done)
}

const QUESTION: &str =
    "Allow `forget`? Forget something for good.\nIt may change or remove what is there.\nwhat: it";

#[tokio::test]
async fn each_answer_counts_under_each_revision() {
    for revision in Revision::ALL {
        for (said, reason, times) in [
            (ElicitAction::Accept, None, 1),
            (ElicitAction::Decline, Some("confirmation_declined"), 0),
            (ElicitAction::Cancel, Some("confirmation_declined"), 0),
        ] {
            let (server, done) = server();
            let questions = Arc::new(Mutex::new(Vec::new()));
            let asked = Arc::clone(&questions);
            let client = ClientBuilder::new().on_confirm(move |question| {
                asked.lock().unwrap().push(question.to_owned());
                said
            });
            let client = client.to(server.build().unwrap(), revision).await;
            let answer = client.call("forget", json!({"what": "it"})).await.unwrap();
            assert_eq!(answer.reason(), reason, "{revision:?} {said:?} {answer:?}");
            assert_eq!(answer.is_error, reason.is_some());
            assert_eq!(done.load(Ordering::SeqCst), times, "{revision:?} {said:?}");
            assert_eq!(*questions.lock().unwrap(), [QUESTION], "{revision:?}");
        }
    }
}

#[tokio::test]
async fn a_client_that_nobody_sits_at_is_refused_under_each_revision() {
    for revision in Revision::ALL {
        let (server, done) = server();
        let client = Client::to(server.build().unwrap(), revision).await;
        let answer = client.call("forget", json!({"what": "it"})).await.unwrap();
        assert_eq!(answer.reason(), Some("confirmation_unavailable"), "{revision:?}");
        assert_eq!(done.load(Ordering::SeqCst), 0, "{revision:?}");
    }
}

#[tokio::test]
async fn yes_destructive_asks_nobody_under_each_revision() {
    for revision in Revision::ALL {
        let (server, done) = server();
        let client = ClientBuilder::new().on_confirm(|_| ElicitAction::Decline);
        let client = client.to(server.yes_destructive().build().unwrap(), revision).await;
        assert_eq!(client.call("forget", json!({"what": "it"})).await.unwrap().text(), "forgot it");
        assert_eq!(done.load(Ordering::SeqCst), 1, "{revision:?}");
    }
}

/// A client line by line that was asked inside its call, and the id of the question.
struct Asked {
    wire: Wire,
    done: Arc<AtomicUsize>,
    id: Value,
}

impl Asked {
    async fn under(capabilities: Value) -> Self {
        let (server, done) = server();
        let mut wire = Wire::to(server.build().unwrap());
        let hello = json!({"protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": {"name": "wire", "version": "0"}});
        wire.ask(request(&json!("hello"), "initialize", hello)).await;
        wire.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
        let question = wire.ask(call(&json!("it"), "forget", json!({"what": "it"}))).await;
        assert_eq!(question["method"], "elicitation/create", "{question}");
        assert_eq!(question["params"]["message"], QUESTION);
        let schema = &question["params"]["requestedSchema"];
        assert_eq!(*schema, json!({"type": "object", "properties": {}}), "a form without fields");
        let id = question["id"].clone();
        Self { wire, done, id }
    }

    fn answer(&self, with: &Value) -> String {
        let mut answer = json!({"jsonrpc": "2.0", "id": self.id});
        answer.as_object_mut().unwrap().extend(with.as_object().cloned().unwrap());
        answer.to_string()
    }

    fn done(&self) -> usize {
        self.done.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn an_answer_inside_the_call_counts_and_others_are_served_meanwhile() {
    let mut asked = Asked::under(json!({"elicitation": {}})).await;
    asked.wire.is_alive().await;
    let line = asked.answer(&json!({"result": {"action": "accept", "content": {}}}));
    let answer = asked.wire.ask(&line).await;
    assert_eq!(answer["result"]["content"][0]["text"], "forgot it");
    // The same answer again is an answer to nothing.
    asked.wire.say(&line).await;
    asked.wire.is_alive().await;
    assert_eq!(asked.done(), 1);
}

#[tokio::test]
async fn what_is_no_answer_is_no_consent() {
    for with in [
        json!({"error": {"code": -1, "message": "no"}}),
        json!({"result": {}}),
        json!({"result": {"action": "perhaps"}}),
        json!({"result": {"content": {"confirm": true}}}),
    ] {
        let mut asked = Asked::under(json!({"elicitation": {"form": {}}})).await;
        let line = asked.answer(&with);
        let answer = asked.wire.ask(line).await;
        assert_eq!(answer["result"]["isError"], true, "{with} {answer}");
        assert_eq!(asked.done(), 0, "{with}");
        asked.wire.is_alive().await;
    }
}

#[tokio::test]
async fn a_client_that_can_only_open_pages_is_not_asked() {
    let (server, done) = server();
    let mut wire = Wire::to(server.build().unwrap());
    let capabilities = json!({"elicitation": {"url": {}}});
    let hello = json!({"protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": {"name": "wire", "version": "0"}});
    wire.ask(request(&json!("hello"), "initialize", hello)).await;
    wire.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    let answer = wire.call("forget", json!({"what": "it"})).await;
    assert_eq!(answer["result"]["_meta"]["candor/reason"], "confirmation_unavailable", "{answer}");
    assert_eq!(done.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_call_that_was_taken_back_runs_not_even_with_a_late_yes() {
    let mut asked = Asked::under(json!({"elicitation": {}})).await;
    asked
        .wire
        .say(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"it"}}"#)
        .await;
    asked.wire.is_alive().await;
    let line = asked.answer(&json!({"result": {"action": "accept", "content": {}}}));
    asked.wire.say(line).await;
    for _ in 0..20 {
        asked.wire.is_alive().await;
    }
    assert_eq!(asked.done(), 0);
}

#[tokio::test]
async fn a_last_word_before_the_client_leaves_counts() {
    // Often, since the answer and the end of the connection race.
    for _ in 0..50 {
        let mut asked = Asked::under(json!({"elicitation": {}})).await;
        asked.wire.say(asked.answer(&json!({"result": {"action": "accept", "content": {}}}))).await;
        let rest = asked.wire.end().await;
        assert_eq!(rest[0]["result"]["content"][0]["text"], "forgot it", "{rest:?}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_of_a_question_confirms_nothing() {
    let mut asked = Asked::under(json!({"elicitation": {}})).await;
    // Nobody waits for an answer that can no longer come: the wire would lose its patience.
    let rest = asked.wire.end().await;
    assert_eq!(rest.len(), 1, "{rest:?}");
    assert_eq!(rest[0]["result"]["_meta"]["candor/reason"], "confirmation_unanswered", "{rest:?}");
    assert_eq!(asked.done(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_question_that_nobody_answers_is_given_up_after_ten_minutes() {
    let mut asked = Asked::under(json!({"elicitation": {}})).await;
    let started = tokio::time::Instant::now();
    // The wire has less patience than a person may take.
    tokio::time::advance(Duration::from_secs(590)).await;
    let answer = asked.wire.hear().await;
    assert_eq!(answer["result"]["_meta"]["candor/reason"], "confirmation_unanswered", "{answer}");
    assert_eq!((started.elapsed().as_secs(), asked.done()), (600, 0));
}
