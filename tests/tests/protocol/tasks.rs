//! Tasks: `tools/call` answers with a task (SEP-2663), whose state and result the client polls.

use std::time::Duration;

use candor::{
    AuditLog, Per, Rate, Revision, StartError,
    rmcp::{
        ErrorData, RoleServer, ServerHandler,
        model::{
            DetailedTask, GetTaskParams, GetTaskResult, ServerCapabilities, ServerConfig, Task, TaskPayload,
            TaskStatus,
        },
        service::RequestContext,
    },
    testing::Clock,
};
use candor_tests::{
    capability_client::CapabilityClient,
    gate::Gate,
    log::records,
    messages::request,
    task_client::TaskClient,
    task_server::{EXTENSION, server, service},
};
use serde_json::json;

#[tokio::test]
async fn task_is_returned_at_once_and_its_result_later() {
    let gate = Gate::closed();
    let mut client = TaskClient::connect(service(&gate, "")).await;
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
    gate.admit(1);
    let task = client.settled(&id).await;
    assert_eq!((&task["status"], &task["resultType"]), (&json!("completed"), &json!("complete")), "{task}");
    assert_eq!(task["result"]["content"][0]["text"], "done", "{task}");
    assert_eq!(client.settled(&id).await["result"], task["result"], "the result can be polled again");
}

#[tokio::test]
async fn task_without_the_extension_gets_a_plain_answer_or_an_error() {
    let gate = Gate::closed();
    gate.admit(1);
    let mut client = TaskClient::with_capabilities(service(&gate, "wait"), json!({})).await;
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
async fn task_is_not_made_for_a_refused_call() {
    let mut client = TaskClient::connect(service(&Gate::closed(), "")).await;
    let answer = client.call("wait", json!({"word": "much too long"})).await;
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    let answer = client.call("only_wait", json!({})).await;
    assert_eq!(answer["error"]["code"], -31403, "{answer}");
    for method in ["tasks/get", "tasks/cancel"] {
        let answer = client.request(method, json!({"taskId": "0123"})).await;
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
    }
}

#[tokio::test]
async fn task_request_with_invalid_params_gets_help() {
    let mut client = TaskClient::connect(service(&Gate::closed(), "")).await;
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
        let answer = client.request(method, params).await;
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert_eq!((&answer["error"]["code"], message.contains(help)), (&json!(-32602), true), "{answer}");
    }
}

#[tokio::test]
async fn task_limit_refusal_tells_a_wait_after_which_a_call_succeeds() {
    let (gate, clock) = (Gate::closed(), Clock::manual());
    let rate = Rate { calls: 66, per: Per::Hour };
    let service = server(&gate).clock(clock.clone()).default_rate(rate).unaudited().build();
    let mut client = TaskClient::connect(service.unwrap().grant("wait")).await;
    let mut ids = Vec::new();
    for _ in 0..64 {
        ids.push(client.start_task("only_wait", json!({})).await);
    }
    gate.admit(64);
    for id in &ids {
        assert_eq!(client.settled(id).await["status"], "completed");
    }
    for _ in 0..10 {
        let answer = client.call("only_wait", json!({})).await;
        let data = json!({"reason": "too_many_tasks", "limit": "caller", "retryAfterSeconds": 630});
        assert_eq!((&answer["error"]["code"], &answer["error"]["data"]), (&json!(-31429), &data), "{answer}");
    }
    clock.advance(Duration::from_secs(630));
    // The ten refused calls have not used up the rate.
    client.start_task("only_wait", json!({})).await;
}

#[tokio::test]
async fn task_is_visible_only_with_the_scope_of_its_tool() {
    let public = service(&Gate::closed(), "");
    let mut granted = TaskClient::connect(public.clone().grant("wait")).await;
    let id = granted.start_task("only_wait", json!({})).await;
    // The same server and caller, without the scope.
    let mut without_scope = TaskClient::connect(public).await;
    for method in ["tasks/get", "tasks/cancel", "tasks/update"] {
        let answer = without_scope.request(method, json!({"taskId": id, "inputResponses": {}})).await;
        assert_eq!(answer["error"]["code"], -32602, "{method} {answer}");
    }
    assert_eq!(granted.get(&id).await["result"]["status"], "working");
}

#[tokio::test]
async fn task_cancel_ends_a_read_only_task() {
    let mut client = TaskClient::connect(service(&Gate::closed(), "")).await;
    let (working, asking) =
        (client.start_task("wait", json!({"word": ""})).await, client.start_task("names", json!({})).await);
    assert_eq!(client.settled(&asking).await["status"], "input_required");
    for id in [working, asking] {
        for _again in 0..2 {
            let answer = client.request("tasks/cancel", json!({"taskId": id})).await;
            assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
        }
        let task = client.poll_until(&id, |task| task["status"] == "cancelled").await;
        assert_eq!((&task["status"], task.get("result")), (&json!("cancelled"), None), "{task}");
    }
}

#[tokio::test]
async fn task_status_shows_progress() {
    let gate = Gate::closed();
    let mut client = TaskClient::connect(service(&gate, "")).await;
    let id = client.start_task("steps", json!({})).await;
    for message in ["half of it (1 of 2.5)", "2"] {
        let task = client.poll_until(&id, |task| task["statusMessage"] == message).await;
        assert_eq!(task["status"], "working", "{task}");
        gate.admit(1);
    }
    let task = client.settled(&id).await;
    assert_eq!((&task["status"], task.get("statusMessage")), (&json!("completed"), None), "{task}");
}

#[tokio::test]
async fn task_cancel_lets_a_write_finish_and_return_its_result() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit");
    let gate = Gate::closed();
    let service = server(&gate).audit(AuditLog::at(&path)).build().unwrap();
    let mut client = TaskClient::connect(service.clone()).await;
    let id = client.start_task("pay", json!({})).await;
    let answer = client.request("tasks/cancel", json!({"taskId": id})).await;
    assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
    assert_eq!(client.get(&id).await["result"]["status"], "working");
    gate.admit(1);
    let task = client.settled(&id).await;
    assert_eq!(task["result"]["content"][0]["text"], "paid, with no key; cancelled: true", "{task}");
    service.stop_audit();
    let outcomes = records(&path).into_iter().filter(|record| record["kind"] == "outcome");
    assert_eq!(outcomes.map(|record| record["outcome"]["status"].clone()).collect::<Vec<_>>(), ["ok"]);
}

/// A user's handler with one task.
struct OneTask;

impl ServerHandler for OneTask {
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
            _ => Err(ErrorData::invalid_params("the handler has no such task", None)),
        }
    }
}

#[tokio::test]
async fn task_of_the_user_handler_is_served_beside_those_of_tools() {
    let gate = Gate::closed();
    let mut client = TaskClient::connect(server(&gate).handler(OneTask).unaudited().build().unwrap()).await;
    let id = client.start_task("wait", json!({"word": "done"})).await;
    assert_eq!(client.get(&id).await["result"]["status"], "working");
    let of_handler = client.get("own").await;
    assert_eq!(of_handler["result"]["taskId"], "own", "{of_handler}");
    assert_eq!(client.get("none").await["error"]["message"], "the handler has no such task");
    gate.admit(1);
    assert_eq!(client.settled(&id).await["result"]["content"][0]["text"], "done");
}

#[tokio::test]
async fn task_handler_gets_the_idempotency_key() {
    let gate = Gate::closed();
    gate.admit(1);
    let mut client = TaskClient::connect(service(&gate, "")).await;
    let key = "0123456789abcdef";
    let meta = json!({"io.github.candor-mcp/idempotency-key": key});
    let answer = client.request("tools/call", json!({"name": "pay", "arguments": {}, "_meta": meta})).await;
    let task = client.settled(answer["result"]["taskId"].as_str().expect("a name")).await;
    let text = format!("paid, with {key}; cancelled: false");
    assert_eq!(task["result"]["content"][0]["text"], text, "{task}");
}

#[tokio::test]
async fn task_rounds_are_each_recorded_in_the_audit_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit");
    let service = server(&Gate::closed()).audit(AuditLog::at(&path)).build().unwrap();
    let mut client = TaskClient::connect(service.clone()).await;
    let names = client.start_task("names", json!({})).await;
    assert_eq!(client.settled(&names).await["status"], "input_required");
    let cancelled = client.start_task("wait", json!({"word": ""})).await;
    client.request("tasks/cancel", json!({"taskId": cancelled})).await;
    assert_eq!(client.settled(&cancelled).await["status"], "cancelled");
    client.call("only_wait", json!({})).await;
    let mut without_tasks = TaskClient::with_capabilities(service.clone().grant("wait"), json!({})).await;
    without_tasks.call("only_wait", json!({})).await;
    service.stop_audit();
    let entries: Vec<_> = records(&path)
        .into_iter()
        .filter(|record| record["tool"].is_string() && record["kind"] != "server")
        .map(|record| {
            let part = match record["kind"].as_str() {
                Some("outcome") => &record["outcome"],
                Some("read") => &record,
                _ => &record["decision"],
            };
            let value = ["status", "denied_by", "verdict"].iter().find_map(|key| part[key].as_str());
            format!(
                "{} {} {}",
                record["tool"].as_str().unwrap(),
                record["kind"].as_str().unwrap(),
                value.unwrap()
            )
        })
        .collect();
    assert_eq!(
        entries,
        ["names read asked", "wait read error", "only_wait denied scope", "only_wait denied task",]
    );
}

#[test]
fn task_required_without_a_task_revision_does_not_start() {
    let older = server(&Gate::closed()).unaudited().revisions([Revision::V2025_11_25]).build();
    let error = older.err().expect("`only_wait` answers with a task only");
    assert_eq!(error, StartError::NoTasks("only_wait"));
    let message = error.to_string();
    assert!(
        message.contains("`Revision::V2026_07_28`") && message.contains("task = \"optional\""),
        "{message}"
    );
}

#[tokio::test]
async fn task_is_not_offered_before_2026_07_28() {
    let gate = Gate::closed();
    gate.admit(1);
    let capabilities = json!({"extensions": {EXTENSION: {}}});
    let service = service(&gate, "wait");
    let mut client = CapabilityClient::connect(service, Revision::V2025_11_25, capabilities).await.connection;
    let answer = client.call("wait", json!({"word": "done"})).await;
    assert_eq!(answer["result"]["content"][0]["text"], "done", "{answer}");
    let answer = client.call("only_wait", json!({})).await;
    assert_eq!(answer["error"]["code"], -32021, "{answer}");
    let answer = client.exchange(request(&json!(9), "tasks/get", json!({"taskId": "0123"}))).await;
    assert!(answer["error"].is_object(), "{answer}");
}
