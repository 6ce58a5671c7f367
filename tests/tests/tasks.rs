//! Tools whose work outlasts a request: `tools/call` answers with a task (SEP-2663), and the rest is asked for later.

use std::sync::Arc;

use candor::{
    Ask, AuditLog, Built, Call, Revision, Server, State, mcp_tool,
    rmcp::{
        ErrorData, RoleServer, ServerHandler,
        model::{
            DetailedTask, GetTaskParams, GetTaskResult, ServerCapabilities, ServerConfig, Task, TaskPayload,
            TaskStatus,
        },
        service::RequestContext,
    },
    testing::{Guest, Said},
    tools,
};
use candor_tests::{
    log::records,
    wire::{Wire, request},
};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

const EXTENSION: &str = "io.modelcontextprotocol/tasks";

/// What tools of this file wait for.
#[derive(Clone)]
struct Gate(Arc<Semaphore>);

impl Gate {
    fn shut() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    fn open(&self) {
        self.0.add_permits(1);
    }
}

#[derive(State)]
struct App {
    gate: Gate,
}

/// Wait until the gate opens.
#[mcp_tool(read_only, public, task = "optional")]
async fn wait(
    gate: &Gate,
    /// Said at the end.
    #[param(max_len = 10)]
    word: String,
) -> String {
    gate.0.acquire().await.expect("it is never closed").forget();
    word
}

/// The same, for those alone who take a task, and may.
#[mcp_tool(read_only, scope = "wait", task = "required")]
async fn only_wait(gate: &Gate) -> &'static str {
    gate.0.acquire().await.expect("it is never closed").forget();
    "waited"
}

/// Ask for two names, and then for a third.
#[mcp_tool(read_only, public, task = "optional")]
fn names(call: &Call) -> Result<String, Ask> {
    let schema = || json!({"type": "object", "properties": {"name": {"type": "string"}}});
    let name = |key| Some(call.form(key)?.get("name")?.as_str()?.to_owned());
    match (call.state(), name("a"), name("b")) {
        (Some(two), Some(third), _) => Ok(format!("{two}, {third}")),
        (_, Some(a), Some(b)) => {
            Err(Ask::default().form("a", "A third?", schema()).state(format!("{a}, {b}")))
        }
        _ => Err(Ask::default().form("a", "A name?", schema()).form("b", "Another?", schema())),
    }
}

/// Forget everything.
#[mcp_tool(destructive, idempotent, public, task = "optional")]
fn forget() -> &'static str {
    "forgotten"
}

/// Say how far it is, and wait until the gate opens.
#[mcp_tool(read_only, public, task = "optional")]
async fn steps(call: &Call, gate: &Gate) {
    call.progress(1.0, Some(2.5), "half of it");
    gate.0.acquire().await.expect("it is never closed").forget();
    call.progress(2.0, None, "");
    gate.0.acquire().await.expect("it is never closed").forget();
}

/// Pay, which is not undone by taking it back.
#[mcp_tool(additive, public, task = "optional")]
async fn pay(call: &Call, gate: &Gate) -> String {
    gate.0.acquire().await.expect("it is never closed").forget();
    format!("paid, with {}; taken back: {}", call.idempotency_key().unwrap_or("no key"), call.is_cancelled())
}

/// Ask for a name, one call at a time.
#[mcp_tool(read_only, public, task = "optional", max_in_flight = 1)]
async fn one_by_one(
    call: &Call,
    gate: &Gate,
    /// Whether to ask.
    asks: bool,
) -> Result<&'static str, Ask> {
    if !asks {
        gate.0.acquire().await.expect("it is never closed").forget();
    } else if call.form("name").is_none() {
        let schema = json!({"type": "object", "properties": {"name": {"type": "string"}}});
        return Err(Ask::default().form("name", "A name?", schema));
    }
    Ok("done")
}

fn built(gate: &Gate, grant: &str) -> Built {
    server(gate).unaudited().build().unwrap().grant(grant)
}

fn server(gate: &Gate) -> Server<App> {
    let server = Server::new("tasks", "1.0.0").state(App { gate: gate.clone() });
    server.tools(tools![wait, only_wait, names, forget, steps, pay, one_by_one])
}

/// A client of 2026-07-28 that declares these capabilities.
struct Client {
    wire: Wire,
    capabilities: Value,
}

impl Client {
    fn of(built: Built, capabilities: Value) -> Self {
        Self { wire: Wire::to(built), capabilities }
    }

    fn with_tasks(built: Built) -> Self {
        Self::of(built, json!({"elicitation": {}, "extensions": {EXTENSION: {}}}))
    }

    async fn ask(&mut self, method: &str, mut params: Value) -> Value {
        for (key, value) in [
            ("protocolVersion", json!("2026-07-28")),
            ("clientCapabilities", self.capabilities.clone()),
            ("clientInfo", json!({"name": "wire", "version": "0"})),
        ] {
            params["_meta"][format!("io.modelcontextprotocol/{key}")] = value;
        }
        self.wire.ask(request(&json!(1), method, params)).await
    }

    async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.ask("tools/call", json!({"name": tool, "arguments": arguments})).await
    }

    /// Calls a tool, and takes its task.
    async fn begin(&mut self, tool: &str, arguments: Value) -> String {
        let answer = self.call(tool, arguments).await;
        assert_eq!(answer["result"]["resultType"], "task", "{answer}");
        answer["result"]["taskId"].as_str().expect("a name").to_owned()
    }

    async fn get(&mut self, id: &str) -> Value {
        self.ask("tasks/get", json!({"taskId": id})).await
    }

    /// Asks until the task is no longer at work.
    async fn settled(&mut self, id: &str) -> Value {
        loop {
            let answer = self.get(id).await;
            if answer["result"]["status"] != "working" {
                return answer["result"].clone();
            }
        }
    }

    async fn update(&mut self, id: &str, responses: Value) {
        let answer = self.ask("tasks/update", json!({"taskId": id, "inputResponses": responses})).await;
        assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
        assert_eq!(answer["result"].get("taskId"), None, "{answer}");
    }
}

fn named(name: &str) -> Value {
    json!({"action": "accept", "content": {"name": name}})
}

#[tokio::test]
async fn a_task_is_told_at_once_and_its_result_later() {
    let gate = Gate::shut();
    let mut client = Client::with_tasks(built(&gate, ""));
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
    let mut client = Client::of(built(&gate, "wait"), json!({}));
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
    let mut client = Client::with_tasks(built(&Gate::shut(), ""));
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
async fn a_task_is_known_only_to_who_may_call_its_tool() {
    let public = built(&Gate::shut(), "");
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
async fn questions_of_a_task_are_answered_by_updates() {
    let mut client = Client::with_tasks(built(&Gate::shut(), ""));
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
    let mut client = Client::of(built(&Gate::shut(), ""), json!({"extensions": {EXTENSION: {}}}));
    let id = client.begin("names", json!({})).await;
    let task = client.settled(&id).await;
    assert_eq!((&task["status"], &task["error"]["code"]), (&json!("failed"), &json!(-32021)), "{task}");
    assert_eq!(task.get("result"), None);
}

#[tokio::test]
async fn a_person_is_asked_before_the_task() {
    let mut client = Client::with_tasks(built(&Gate::shut(), ""));
    let round = client.call("forget", json!({})).await["result"].clone();
    assert_eq!((&round["resultType"], round.get("taskId")), (&json!("input_required"), None), "{round}");
    let back = |action: &str| json!({"name": "forget", "arguments": {}, "requestState": round["requestState"], "inputResponses": {"candor/confirm": {"action": action}}});
    let answer = client.ask("tools/call", back("accept")).await;
    assert_eq!(answer["result"]["resultType"], "task", "{answer}");
    let id = answer["result"]["taskId"].as_str().unwrap().to_owned();
    let task = client.settled(&id).await;
    assert_eq!(task["result"]["content"][0]["text"], "forgotten", "{task}");
    // Once.
    let answer = client.ask("tools/call", back("accept")).await;
    assert_eq!(answer["result"]["_meta"]["candor/reason"], "confirmation_state", "{answer}");
}

#[tokio::test]
async fn a_task_that_is_taken_back_ends_so() {
    let mut client = Client::with_tasks(built(&Gate::shut(), ""));
    let (at_work, asking) =
        (client.begin("wait", json!({"word": ""})).await, client.begin("names", json!({})).await);
    assert_eq!(client.settled(&asking).await["status"], "input_required");
    for id in [at_work, asking] {
        for _again in 0..2 {
            let answer = client.ask("tasks/cancel", json!({"taskId": id})).await;
            assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
        }
        let mut task = client.settled(&id).await;
        while task["status"] == "input_required" {
            task = client.settled(&id).await;
        }
        assert_eq!((&task["status"], task.get("result")), (&json!("cancelled"), None), "{task}");
    }
}

#[tokio::test]
async fn a_task_says_how_far_it_is() {
    let gate = Gate::shut();
    let mut client = Client::with_tasks(built(&gate, ""));
    let id = client.begin("steps", json!({})).await;
    for far in ["half of it (1 of 2.5)", "2"] {
        let mut task = client.get(&id).await["result"].clone();
        while task["statusMessage"] != far {
            assert_eq!(task["status"], "working", "{task}");
            task = client.get(&id).await["result"].clone();
        }
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
    let built = server(&gate).audit(AuditLog::at(&path)).build().unwrap();
    let mut client = Client::with_tasks(built.clone());
    let id = client.begin("pay", json!({})).await;
    let answer = client.ask("tasks/cancel", json!({"taskId": id})).await;
    assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
    assert_eq!(client.get(&id).await["result"]["status"], "working");
    gate.open();
    let task = client.settled(&id).await;
    assert_eq!(task["result"]["content"][0]["text"], "paid, with no key; taken back: true", "{task}");
    built.stop_audit();
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
    let mut client = Client::with_tasks(built(&gate, ""));
    let key = "0123456789abcdef";
    let meta = json!({"candor/idempotency-key": key});
    let answer = client.ask("tools/call", json!({"name": "pay", "arguments": {}, "_meta": meta})).await;
    let task = client.settled(answer["result"]["taskId"].as_str().expect("a name")).await;
    let said = format!("paid, with {key}; taken back: false");
    assert_eq!(task["result"]["content"][0]["text"], said, "{task}");
}

#[tokio::test]
async fn a_later_round_waits_for_its_place() {
    let gate = Gate::shut();
    let mut client = Client::with_tasks(built(&gate, ""));
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
    let mut client = Client::with_tasks(built(&Gate::shut(), ""));
    let id = client.begin("names", json!({})).await;
    let task = client.settled(&id).await;
    let key = task["inputRequests"].as_object().expect("questions").keys().next().expect("two");
    let long = json!({"taskId": id, "inputResponses": {key: named(&"x".repeat(1 << 20))}});
    let answer = client.ask("tasks/update", long).await;
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    assert_eq!(client.settled(&id).await["inputRequests"], task["inputRequests"]);
}

#[tokio::test]
async fn every_round_of_a_task_is_on_record_with_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit");
    let built = server(&Gate::shut()).audit(AuditLog::at(&path)).build().unwrap();
    let mut client = Client::with_tasks(built.clone());
    let names = client.begin("names", json!({})).await;
    assert_eq!(client.settled(&names).await["status"], "input_required");
    let back = client.begin("wait", json!({"word": ""})).await;
    client.ask("tasks/cancel", json!({"taskId": back})).await;
    assert_eq!(client.settled(&back).await["status"], "cancelled");
    client.call("only_wait", json!({})).await;
    let mut without = Client::of(built.clone().grant("wait"), json!({}));
    without.call("only_wait", json!({})).await;
    built.stop_audit();
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

#[tokio::test]
async fn before_2026_07_28_there_are_no_tasks() {
    let gate = Gate::shut();
    gate.open();
    let mut wire = Wire::to(built(&gate, "wait"));
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

#[tokio::test]
async fn a_guest_that_takes_tasks_answers_and_waits() {
    let gate = Gate::shut();
    let built = built(&gate, "");
    let guest = Guest::new().takes_tasks().answers(|_| Said::Accept);
    let guest = guest.fills_in(|question| Some(json!({"name": question.replace('?', "")})));
    let client = guest.to(built.clone(), Revision::V2026_07_28).await;
    assert_eq!(client.call("names", json!({})).await.unwrap().text(), "A name, Another, A third");
    assert_eq!(client.call("forget", json!({})).await.unwrap().text(), "forgotten");
    client.close().await;
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let reader =
        Guest::new().takes_tasks().reads(move |status| told.send(status.to_owned()).expect("it is heard"));
    let reader = reader.to(built.clone(), Revision::V2026_07_28).await;
    let opens = async {
        assert_eq!(heard.recv().await.as_deref(), Some("half of it (1 of 2.5)"));
        gate.open();
        gate.open();
    };
    let (answer, ()) = tokio::join!(reader.call("steps", json!({})), opens);
    assert_eq!(answer.unwrap().text(), "done");
    let nobody = Guest::new().takes_tasks().to(built, Revision::V2026_07_28).await;
    assert_eq!(nobody.call("names", json!({})).await.unwrap_err().code, -32021);
}
