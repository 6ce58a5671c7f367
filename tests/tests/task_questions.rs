//! Questions of tools whose work outlasts a request: before the task, inside it, and in what order they are answered.

use candor::{
    Revision,
    testing::{ClientBuilder, ElicitAction},
};
use candor_tests::tasks::{Client, EXTENSION, Gate, named, service};
use serde_json::{Value, json};

#[tokio::test]
async fn questions_of_a_task_are_answered_by_updates() {
    let mut client = Client::with_tasks(service(&Gate::shut(), ""));
    let id = client.begin("names", json!({})).await;
    let task = client.settled(&id).await;
    assert_eq!(task["status"], "input_required", "{task}");
    let open = |task: &Value| {
        let requests = task["inputRequests"].as_object().expect("questions");
        requests.keys().cloned().collect::<Vec<_>>()
    };
    let keys = open(&task);
    assert_eq!(keys.len(), 2, "{task}");
    assert_eq!(task["inputRequests"][&keys[0]]["method"], "elicitation/create", "{task}");
    client.update(&id, json!({&keys[0]: named("Ada"), "unknown": named("Eve")})).await;
    assert_eq!(open(&client.settled(&id).await), [keys[1].clone()]);
    client.update(&id, json!({&keys[1]: named("Bob")})).await;
    let task = client.settled(&id).await;
    let [third] = open(&task).try_into().expect("one question");
    assert!(!keys.contains(&third), "a name of a question is used once: {third}");
    client.update(&id, json!({&third: named("Cyd")})).await;
    let task = client.settled(&id).await;
    assert_eq!(task["result"]["content"][0]["text"], "Ada, Bob, Cyd", "{task}");
}

#[tokio::test]
async fn a_task_whose_question_cannot_be_put_fails() {
    let mut client = Client::of(service(&Gate::shut(), ""), json!({"extensions": {EXTENSION: {}}}));
    let id = client.begin("names", json!({})).await;
    let task = client.settled(&id).await;
    assert_eq!((&task["status"], &task["error"]["code"]), (&json!("failed"), &json!(-32021)), "{task}");
    assert_eq!(task.get("result"), None);
}

#[tokio::test]
async fn a_person_is_asked_before_the_task() {
    let mut client = Client::with_tasks(service(&Gate::shut(), ""));
    let round = client.call("forget", json!({})).await["result"].clone();
    assert_eq!((&round["resultType"], round.get("taskId")), (&json!("input_required"), None), "{round}");
    let back = |action: &str| json!({"name": "forget", "arguments": {}, "requestState": round["requestState"], "inputResponses": {"io.github.candor-mcp/confirm": {"action": action}}});
    let answer = client.ask("tools/call", back("accept")).await;
    assert_eq!(answer["result"]["resultType"], "task", "{answer}");
    let id = answer["result"]["taskId"].as_str().unwrap().to_owned();
    let task = client.settled(&id).await;
    assert_eq!(task["result"]["content"][0]["text"], "forgotten", "{task}");
    // Once.
    let answer = client.ask("tools/call", back("accept")).await;
    assert_eq!(answer["result"]["_meta"]["io.github.candor-mcp/reason"], "confirmation_state", "{answer}");
}

#[tokio::test]
async fn a_later_round_waits_for_its_place() {
    let gate = Gate::shut();
    let mut client = Client::with_tasks(service(&gate, ""));
    let mut waiting = Vec::new();
    for _ in 0..2 {
        let id = client.begin("one_by_one", json!({"asks": true})).await;
        let key =
            client.settled(&id).await["inputRequests"].as_object().expect("questions").keys().next().cloned();
        waiting.push((id, key.expect("one")));
    }
    let holds = client.begin("one_by_one", json!({"asks": false})).await;
    for (id, key) in &waiting {
        client.update(id, json!({key: named("Ada")})).await;
        assert_eq!(client.get(id).await["result"]["status"], "working");
    }
    let [(first, _), (second, _)] = &waiting[..] else { unreachable!("two") };
    client.ask("tasks/cancel", json!({"taskId": first})).await;
    assert_eq!(client.settled(first).await["status"], "cancelled", "it waits no longer");
    let refused = client.call("one_by_one", json!({"asks": true})).await;
    assert_eq!(refused["error"]["code"], -31429, "what is new does not wait: {refused}");
    gate.open();
    for id in [&holds, second] {
        let task = client.settled(id).await;
        assert_eq!(task["result"]["content"][0]["text"], "done", "{task}");
    }
}

#[tokio::test]
async fn answers_that_are_too_long_are_not_kept() {
    let mut client = Client::with_tasks(service(&Gate::shut(), ""));
    let id = client.begin("names", json!({})).await;
    let task = client.settled(&id).await;
    let key = task["inputRequests"].as_object().expect("questions").keys().next().expect("two");
    let long = json!({"taskId": id, "inputResponses": {key: named(&"x".repeat(1 << 20))}});
    let answer = client.ask("tasks/update", long).await;
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    assert_eq!(client.settled(&id).await["inputRequests"], task["inputRequests"]);
}

#[tokio::test]
async fn a_guest_that_takes_tasks_answers_and_waits() {
    let gate = Gate::shut();
    let service = service(&gate, "");
    let client = ClientBuilder::new().with_tasks().on_confirm(|_| ElicitAction::Accept);
    let client = client.on_form(|question| Some(json!({"name": question.replace('?', "")})));
    let client = client.to(service.clone(), Revision::V2026_07_28).await;
    assert_eq!(client.call("names", json!({})).await.unwrap().text(), "A name, Another, A third");
    assert_eq!(client.call("forget", json!({})).await.unwrap().text(), "forgotten");
    client.close().await;
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let reader = ClientBuilder::new()
        .with_tasks()
        .on_status(move |status| told.send(status.to_owned()).expect("it is heard"));
    let reader = reader.to(service.clone(), Revision::V2026_07_28).await;
    let opens = async {
        assert_eq!(heard.recv().await.as_deref(), Some("half of it (1 of 2.5)"));
        gate.open();
        gate.open();
    };
    let (answer, ()) = tokio::join!(reader.call("steps", json!({})), opens);
    assert_eq!(answer.unwrap().text(), "done");
    let nobody = ClientBuilder::new().with_tasks().to(service, Revision::V2026_07_28).await;
    assert_eq!(nobody.call("names", json!({})).await.unwrap_err().code, -32021);
}

#[tokio::test]
async fn a_tool_that_never_has_enough_is_asked_no_more() {
    let mut client = Client::with_tasks(service(&Gate::shut(), ""));
    let id = client.begin("never_enough", json!({})).await;
    for _ in 0..10 {
        let task = client.settled(&id).await;
        let key = task["inputRequests"].as_object().expect("a question").keys().next().expect("one");
        client.update(&id, json!({key: named("Ada")})).await;
    }
    let task = client.settled(&id).await;
    assert_eq!(task["error"]["message"], "the tool asked 10 times without answering", "{task}");
}
