//! Tools whose work outlasts a request: `tools/call` answers with a task (SEP-2663), and the rest is asked for later.

use candor::{
    AuditLog, Revision, StartError,
    rmcp::{
        ErrorData, RoleServer, ServerHandler,
        model::{
            DetailedTask, GetTaskParams, GetTaskResult, ServerCapabilities, ServerConfig, Task, TaskPayload,
            TaskStatus,
        },
        service::RequestContext,
    },
};
use candor_tests::{
    log::records,
    tasks::{Client, EXTENSION, Gate, server, service},
    wire::{Wire, request},
};
use serde_json::json;

#[tokio::test]
async fn a_task_is_told_at_once_and_its_result_later() {
    let gate = Gate::shut();
    let mut client = Client::with_tasks(service(&gate, ""));
    let answer = client.call("wait", json!({"word": "done"})).await;
    let task = &answer["result"];
    assert_eq!((&task["resultType"], &task["status"]), (&json!("task"), &json!("working")), "{answer}");
    assert_eq!(task["ttlMs"], 630_000, "{answer}");
    assert!(
        task["pollIntervalMs"].is_u64() && task["createdAt"].as_str().unwrap().ends_with('Z'),
        "{answer}"
    );
    let id = task["taskId"].as_str().unwrap().to_owned();
    let answer = client.get(&id).await;
    assert_eq!((&answer["result"]["status"], answer["result"].get("result")), (&json!("working"), None));
    gate.open();
    let task = client.settled(&id).await;
    assert_eq!((&task["status"], &task["resultType"]), (&json!("completed"), &json!("complete")), "{task}");
    assert_eq!(task["result"]["content"][0]["text"], "done", "{task}");
    assert_eq!(client.settled(&id).await["result"], task["result"], "it can be asked for again");
}

#[tokio::test]
async fn a_client_without_the_extension_has_the_plain_answer_or_the_error() {
    let gate = Gate::shut();
    gate.open();
    let mut client = Client::of(service(&gate, "wait"), json!({}));
    let answer = client.call("wait", json!({"word": "done"})).await;
    assert_eq!(answer["result"]["content"][0]["text"], "done", "{answer}");
    let answer = client.call("only_wait", json!({})).await;
    assert_eq!(answer["error"]["code"], -32021, "{answer}");
    let required = json!({"extensions": {EXTENSION: {}}});
    assert_eq!(answer["error"]["data"]["requiredCapabilities"], required, "{answer}");
    let answer = client.get("any").await;
    assert_eq!(answer["error"]["code"], -32021, "{answer}");
}

#[tokio::test]
async fn what_is_refused_before_the_handler_is_no_task() {
    let mut client = Client::with_tasks(service(&Gate::shut(), ""));
    let answer = client.call("wait", json!({"word": "much too long"})).await;
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    let answer = client.call("only_wait", json!({})).await;
    assert_eq!(answer["error"]["code"], -31403, "{answer}");
    for method in ["tasks/get", "tasks/cancel"] {
        let answer = client.ask(method, json!({"taskId": "0123"})).await;
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
    }
}

#[tokio::test]
async fn parameters_that_are_none_are_told_what_to_send() {
    let mut client = Client::with_tasks(service(&Gate::shut(), ""));
    for (method, params, help) in [
        ("tasks/get", json!({}), r#"send {"taskId": "…"}"#),
        ("tasks/get", json!({"taskId": 5}), r#"send {"taskId": "…"}"#),
        ("tasks/cancel", json!({"taskId": null}), r#"send {"taskId": "…"}"#),
        (
            "tasks/update",
            json!({"taskId": "a", "inputResponses": 5}),
            r#"{"taskId": "…", "inputResponses": {…}}"#,
        ),
    ] {
        let answer = client.ask(method, params).await;
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert_eq!((&answer["error"]["code"], message.contains(help)), (&json!(-32602), true), "{answer}");
    }
}

#[tokio::test]
async fn a_task_is_known_only_to_who_may_call_its_tool() {
    let public = service(&Gate::shut(), "");
    let mut granted = Client::with_tasks(public.clone().grant("wait"));
    let id = granted.begin("only_wait", json!({})).await;
    // The same server and caller, without the scope.
    let mut less = Client::with_tasks(public);
    for method in ["tasks/get", "tasks/cancel", "tasks/update"] {
        let answer = less.ask(method, json!({"taskId": id, "inputResponses": {}})).await;
        assert_eq!(answer["error"]["code"], -32602, "{method} {answer}");
    }
    assert_eq!(granted.get(&id).await["result"]["status"], "working");
}

#[tokio::test]
async fn a_task_that_is_taken_back_ends_so() {
    let mut client = Client::with_tasks(service(&Gate::shut(), ""));
    let (at_work, asking) =
        (client.begin("wait", json!({"word": ""})).await, client.begin("names", json!({})).await);
    assert_eq!(client.settled(&asking).await["status"], "input_required");
    for id in [at_work, asking] {
        for _again in 0..2 {
            let answer = client.ask("tasks/cancel", json!({"taskId": id})).await;
            assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
        }
        let task = client.until(&id, |task| task["status"] == "cancelled").await;
        assert_eq!((&task["status"], task.get("result")), (&json!("cancelled"), None), "{task}");
    }
}

#[tokio::test]
async fn a_task_says_how_far_it_is() {
    let gate = Gate::shut();
    let mut client = Client::with_tasks(service(&gate, ""));
    let id = client.begin("steps", json!({})).await;
    for far in ["half of it (1 of 2.5)", "2"] {
        let task = client.until(&id, |task| task["statusMessage"] == far).await;
        assert_eq!(task["status"], "working", "{task}");
        gate.open();
    }
    let task = client.settled(&id).await;
    assert_eq!((&task["status"], task.get("statusMessage")), (&json!("completed"), None), "{task}");
}

#[tokio::test]
async fn what_may_not_be_repeated_is_taken_back_in_vain_and_its_end_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit");
    let gate = Gate::shut();
    let service = server(&gate).audit(AuditLog::at(&path)).build().unwrap();
    let mut client = Client::with_tasks(service.clone());
    let id = client.begin("pay", json!({})).await;
    let answer = client.ask("tasks/cancel", json!({"taskId": id})).await;
    assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
    assert_eq!(client.get(&id).await["result"]["status"], "working");
    gate.open();
    let task = client.settled(&id).await;
    assert_eq!(task["result"]["content"][0]["text"], "paid, with no key; taken back: true", "{task}");
    service.stop_audit();
    let ends = records(&path).into_iter().filter(|record| record["kind"] == "outcome");
    assert_eq!(ends.map(|record| record["outcome"]["status"].clone()).collect::<Vec<_>>(), ["ok"]);
}

/// Has one task of its own.
struct Own;

impl ServerHandler for Own {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tasks().build())
    }

    async fn get_task(
        &self,
        params: GetTaskParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        match &*params.task_id {
            "own" => {
                let task =
                    Task::new("own", TaskStatus::Working, "2026-07-28T00:00:00Z", "2026-07-28T00:00:00Z");
                Ok(GetTaskResult::new(DetailedTask::new(task, TaskPayload::Working)))
            }
            _ => Err(ErrorData::invalid_params("the handler knows none", None)),
        }
    }
}

#[tokio::test]
async fn a_handlers_own_tasks_stand_beside_those_of_the_tools() {
    let gate = Gate::shut();
    let mut client = Client::with_tasks(server(&gate).handler(Own).unaudited().build().unwrap());
    let id = client.begin("wait", json!({"word": "done"})).await;
    assert_eq!(client.get(&id).await["result"]["status"], "working");
    let own = client.get("own").await;
    assert_eq!(own["result"]["taskId"], "own", "{own}");
    assert_eq!(client.get("none").await["error"]["message"], "the handler knows none");
    gate.open();
    assert_eq!(client.settled(&id).await["result"]["content"][0]["text"], "done");
}

#[tokio::test]
async fn an_idempotency_key_reaches_the_handler_of_a_task() {
    let gate = Gate::shut();
    gate.open();
    let mut client = Client::with_tasks(service(&gate, ""));
    let key = "0123456789abcdef";
    let meta = json!({"io.github.candor-mcp/idempotency-key": key});
    let answer = client.ask("tools/call", json!({"name": "pay", "arguments": {}, "_meta": meta})).await;
    let task = client.settled(answer["result"]["taskId"].as_str().expect("a name")).await;
    let said = format!("paid, with {key}; taken back: false");
    assert_eq!(task["result"]["content"][0]["text"], said, "{task}");
}

#[tokio::test]
async fn every_round_of_a_task_is_on_record_with_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit");
    let service = server(&Gate::shut()).audit(AuditLog::at(&path)).build().unwrap();
    let mut client = Client::with_tasks(service.clone());
    let names = client.begin("names", json!({})).await;
    assert_eq!(client.settled(&names).await["status"], "input_required");
    let back = client.begin("wait", json!({"word": ""})).await;
    client.ask("tasks/cancel", json!({"taskId": back})).await;
    assert_eq!(client.settled(&back).await["status"], "cancelled");
    client.call("only_wait", json!({})).await;
    let mut without = Client::of(service.clone().grant("wait"), json!({}));
    without.call("only_wait", json!({})).await;
    service.stop_audit();
    let said: Vec<_> = records(&path)
        .into_iter()
        .filter(|record| record["tool"].is_string())
        .map(|record| {
            let end = if record["kind"] == "outcome" { "outcome" } else { "decision" };
            let word = ["status", "denied_by", "verdict"].iter().find_map(|key| record[end][key].as_str());
            format!(
                "{} {} {}",
                record["tool"].as_str().unwrap(),
                record["kind"].as_str().unwrap(),
                word.unwrap()
            )
        })
        .collect();
    assert_eq!(
        said,
        [
            "names intent allow",
            "names outcome asked",
            "wait intent allow",
            "wait outcome error",
            "only_wait denied scope",
            "only_wait denied task",
        ]
    );
}

#[test]
fn a_tool_that_nobody_could_call_is_no_start() {
    let older = server(&Gate::shut()).unaudited().revisions([Revision::V2025_11_25]).build();
    let error = older.err().expect("`only_wait` answers with a task only");
    assert_eq!(error, StartError::NoTasks("only_wait"));
    let said = error.to_string();
    assert!(said.contains("`Revision::V2026_07_28`") && said.contains("task = \"optional\""), "{said}");
}

#[tokio::test]
async fn before_2026_07_28_there_are_no_tasks() {
    let gate = Gate::shut();
    gate.open();
    let mut wire = Wire::to(service(&gate, "wait"));
    let hello = json!({"protocolVersion": Revision::V2025_11_25.as_str(), "capabilities": {"extensions": {EXTENSION: {}}}, "clientInfo": {"name": "wire", "version": "0"}});
    wire.ask(request(&json!("hello"), "initialize", hello)).await;
    wire.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    let answer = wire.call("wait", json!({"word": "done"})).await;
    assert_eq!(answer["result"]["content"][0]["text"], "done", "{answer}");
    let answer = wire.call("only_wait", json!({})).await;
    assert_eq!(answer["error"]["code"], -32021, "{answer}");
    let answer = wire.ask(request(&json!(9), "tasks/get", json!({"taskId": "0123"}))).await;
    assert!(answer["error"].is_object(), "{answer}");
}
