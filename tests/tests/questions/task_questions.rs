//! Questions of tasks: a confirmation before the task, and the handler's questions inside it.

use candor::{
    Revision,
    testing::{ClientBuilder, ElicitAction},
};
use candor_tests::{
    gate::Gate,
    task_client::{TaskClient, name_form},
    task_server::{EXTENSION, service},
};
use serde_json::{Value, json};

#[tokio::test]
async fn task_questions_are_answered_by_updates() {
    let mut client = TaskClient::connect(service(&Gate::closed(), "")).await;
    let id = client.start_task("names", json!({})).await;
    let task = client.settled(&id).await;
    assert_eq!(task["status"], "input_required", "{task}");
    let open_questions = |task: &Value| {
        let requests = task["inputRequests"].as_object().expect("questions");
        requests.keys().cloned().collect::<Vec<_>>()
    };
    let keys = open_questions(&task);
    assert_eq!(keys.len(), 2, "{task}");
    assert_eq!(task["inputRequests"][&keys[0]]["method"], "elicitation/create", "{task}");
    client.update(&id, json!({&keys[0]: name_form("Ada"), "unknown": name_form("Eve")})).await;
    assert_eq!(open_questions(&client.settled(&id).await), [keys[1].clone()]);
    client.update(&id, json!({&keys[1]: name_form("Bob")})).await;
    let task = client.settled(&id).await;
    let [third] = open_questions(&task).try_into().expect("one question");
    assert!(!keys.contains(&third), "the id of a question is used once: {third}");
    client.update(&id, json!({&third: name_form("Cyd")})).await;
    let task = client.settled(&id).await;
    assert_eq!(task["result"]["content"][0]["text"], "Ada, Bob, Cyd", "{task}");
}

#[tokio::test]
async fn task_question_without_the_clients_capability_fails_the_task() {
    let mut client =
        TaskClient::with_capabilities(service(&Gate::closed(), ""), json!({"extensions": {EXTENSION: {}}}))
            .await;
    let id = client.start_task("names", json!({})).await;
    let task = client.settled(&id).await;
    assert_eq!((&task["status"], &task["error"]["code"]), (&json!("failed"), &json!(-32021)), "{task}");
    assert_eq!(task.get("result"), None);
}

#[tokio::test]
async fn task_confirmation_is_asked_before_the_task() {
    let mut client = TaskClient::connect(service(&Gate::closed(), "")).await;
    let round = client.call("forget", json!({})).await["result"].clone();
    assert_eq!((&round["resultType"], round.get("taskId")), (&json!("input_required"), None), "{round}");
    let second_round = |action: &str| json!({"name": "forget", "arguments": {}, "requestState": round["requestState"], "inputResponses": {"io.github.candor-mcp/confirm": {"action": action}}});
    let answer = client.request("tools/call", second_round("accept")).await;
    assert_eq!(answer["result"]["resultType"], "task", "{answer}");
    let id = answer["result"]["taskId"].as_str().unwrap().to_owned();
    let task = client.settled(&id).await;
    assert_eq!(task["result"]["content"][0]["text"], "forgotten", "{task}");
    // A confirmation is single-use.
    let answer = client.request("tools/call", second_round("accept")).await;
    assert_eq!(answer["result"]["_meta"]["io.github.candor-mcp/reason"], "confirmation_state", "{answer}");
}

#[tokio::test]
async fn task_answer_waits_for_a_slot() {
    let gate = Gate::closed();
    let mut client = TaskClient::connect(service(&gate, "")).await;
    let mut waiting = Vec::new();
    for _ in 0..2 {
        let id = client.start_task("one_by_one", json!({"asks": true})).await;
        let key =
            client.settled(&id).await["inputRequests"].as_object().expect("questions").keys().next().cloned();
        waiting.push((id, key.expect("one")));
    }
    let blocking = client.start_task("one_by_one", json!({"asks": false})).await;
    for (id, key) in &waiting {
        client.update(id, json!({key: name_form("Ada")})).await;
        assert_eq!(client.get(id).await["result"]["status"], "working");
    }
    let [(first, _), (second, _)] = &waiting[..] else { unreachable!("two") };
    client.request("tasks/cancel", json!({"taskId": first})).await;
    assert_eq!(client.settled(first).await["status"], "cancelled", "it no longer waits");
    let refused = client.call("one_by_one", json!({"asks": true})).await;
    assert_eq!(refused["error"]["code"], -31429, "a new call does not wait: {refused}");
    gate.admit(1);
    for id in [&blocking, second] {
        let task = client.settled(id).await;
        assert_eq!(task["result"]["content"][0]["text"], "done", "{task}");
    }
}

#[tokio::test]
async fn task_answer_that_is_too_long_is_refused() {
    let mut client = TaskClient::connect(service(&Gate::closed(), "")).await;
    let id = client.start_task("names", json!({})).await;
    let task = client.settled(&id).await;
    let key = task["inputRequests"].as_object().expect("questions").keys().next().expect("two");
    let long = json!({"taskId": id, "inputResponses": {key: name_form(&"x".repeat(1 << 20))}});
    let answer = client.request("tasks/update", long).await;
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    assert_eq!(client.settled(&id).await["inputRequests"], task["inputRequests"]);
}

#[tokio::test]
async fn client_builder_with_tasks_answers_questions_and_waits_for_the_result() {
    let gate = Gate::closed();
    let service = service(&gate, "");
    let client = ClientBuilder::new().with_tasks().on_confirm(|_| ElicitAction::Accept);
    let client = client.on_form(|question| Some(json!({"name": question.replace('?', "")})));
    let client = client.to(service.clone(), Revision::V2026_07_28).await;
    assert_eq!(client.call("names", json!({})).await.unwrap().text(), "A name, Another, A third");
    assert_eq!(client.call("forget", json!({})).await.unwrap().text(), "forgotten");
    client.close().await;
    let (sender, mut statuses) = tokio::sync::mpsc::unbounded_channel();
    let builder = ClientBuilder::new()
        .with_tasks()
        .on_status(move |status| sender.send(status.to_owned()).expect("the test receives"));
    let client = builder.to(service.clone(), Revision::V2026_07_28).await;
    let admit = async {
        assert_eq!(statuses.recv().await.as_deref(), Some("half of it (1 of 2.5)"));
        gate.admit(2);
    };
    let (answer, ()) = tokio::join!(client.call("steps", json!({})), admit);
    assert_eq!(answer.unwrap().text(), "done");
    let without_forms = ClientBuilder::new().with_tasks().to(service, Revision::V2026_07_28).await;
    assert_eq!(without_forms.call("names", json!({})).await.unwrap_err().code, -32021);
}

#[tokio::test]
async fn task_that_asks_ten_times_fails() {
    let mut client = TaskClient::connect(service(&Gate::closed(), "")).await;
    let id = client.start_task("never_enough", json!({})).await;
    for _ in 0..10 {
        let task = client.settled(&id).await;
        let key = task["inputRequests"].as_object().expect("a question").keys().next().expect("one");
        client.update(&id, json!({key: name_form("Ada")})).await;
    }
    let task = client.settled(&id).await;
    assert_eq!(task["error"]["message"], "the tool asked 10 times without answering", "{task}");
}
