//! Tools that ask the client before they answer: in rounds on 2026-07-28, inside the call before.

#![expect(clippy::needless_pass_by_value, reason = "a `json!` is read better where it is sent than lent")]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use candor::{
    Ask, AuditLog, Call, Revision, Server, State, mcp_tool,
    testing::{ClientBuilder, ElicitAction},
    tools,
};
use candor_tests::{
    conformance,
    wire::{Wire, request},
};
use serde_json::{Value, json};

/// A client that declares `capabilities`, under a revision with or without a handshake.
struct Client {
    wire: Wire,
    revision: Revision,
    capabilities: Value,
    /// What it sets itself as the level of its log, with each request.
    level: Option<&'static str>,
}

impl Client {
    async fn of<C: State>(server: Server<C>, revision: Revision, capabilities: Value) -> Self {
        let mut wire = Wire::to(server.build().unwrap());
        if revision != Revision::V2026_07_28 {
            let hello = json!({"protocolVersion": revision.as_str(), "capabilities": capabilities, "clientInfo": {"name": "wire", "version": "0"}});
            wire.ask(request(&json!("hello"), "initialize", hello)).await;
            wire.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
        }
        Self { wire, revision, capabilities, level: None }
    }

    /// Sends a call, and hears the next message, which need not be its answer.
    async fn call(&mut self, tool: &str, more: Value) -> Value {
        let mut params = json!({"name": tool, "arguments": {}});
        params.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        if self.revision == Revision::V2026_07_28 {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": self.revision.as_str(),
                "io.modelcontextprotocol/clientCapabilities": self.capabilities,
                "io.modelcontextprotocol/clientInfo": {"name": "wire", "version": "0"},
            });
            if let Some(level) = self.level {
                params["_meta"]["io.modelcontextprotocol/logLevel"] = level.into();
            }
        }
        self.wire.ask(request(&json!("call"), "tools/call", params)).await
    }

    /// OnConfirm a question inside a call, and hears the next message.
    async fn answer(&mut self, question: &Value, result: Value) -> Value {
        let answer = json!({"jsonrpc": "2.0", "id": question["id"], "result": result});
        self.wire.ask(answer.to_string()).await
    }
}

fn accepted(content: Value) -> Value {
    json!({"action": "accept", "content": content})
}

const BEFORE: [Revision; 2] = [Revision::V2025_06_18, Revision::V2025_11_25];
const MODERN: Revision = Revision::V2026_07_28;
const MULTI: &str = "test_input_required_result_multi_round";

#[tokio::test]
async fn before_2026_07_28_the_server_makes_the_rounds() {
    for revision in BEFORE {
        let mut client =
            Client::of(conformance::server().unaudited(), revision, json!({"elicitation": {}})).await;
        let first = client.call(MULTI, json!({})).await;
        assert_eq!(first["method"], "elicitation/create", "{revision} {first}");
        assert_eq!(first["params"]["requestedSchema"]["required"], json!(["name"]));
        let second = client.answer(&first, accepted(json!({"name": "Ada"}))).await;
        assert_eq!(second["params"]["message"], "Step 2: What is your favorite color?", "{second}");
        let answer = client.answer(&second, accepted(json!({"color": "blue"}))).await;
        assert_eq!(answer["result"]["content"][0]["text"], "Ada likes blue.", "{answer}");
        // Whoever declines is asked again by this tool, and not for ever.
        let mut question = client.call(MULTI, json!({})).await;
        for _ in 0..10 {
            assert_eq!(question["method"], "elicitation/create", "{question}");
            question = client.answer(&question, json!({"action": "decline"})).await;
        }
        assert_eq!(question["error"]["code"], -32603, "{question}");
    }
}

#[tokio::test]
async fn on_2026_07_28_the_client_makes_them_and_a_state_counts_once() {
    let mut client = Client::of(conformance::server().unaudited(), MODERN, json!({"elicitation": {}})).await;
    let first = client.call(MULTI, json!({})).await["result"].take();
    assert_eq!(first["resultType"], "input_required", "{first}");
    let said = json!({"step1": accepted(json!({"name": "Ada"}))});
    let back = json!({"requestState": first["requestState"], "inputResponses": said});
    let second = client.call(MULTI, back.clone()).await["result"].take();
    assert_eq!(second["inputRequests"]["step2"]["method"], "elicitation/create", "{second}");
    // The first state was used, and the second is another tool's.
    assert_eq!(client.call(MULTI, back).await["error"]["code"], -32602);
    let back = json!({"requestState": second["requestState"], "inputResponses": {"step2": accepted(json!({"color": "blue"}))}});
    let other = "test_input_required_result_request_state";
    assert_eq!(client.call(other, back.clone()).await["error"]["code"], -32602);
    let answer = client.call(MULTI, back).await;
    assert_eq!(answer["result"]["content"][0]["text"], "Ada likes blue.", "{answer}");
}

#[tokio::test]
async fn a_client_is_asked_nothing_that_it_did_not_declare() {
    let asks = "test_sampling";
    let prompt = json!({"arguments": {"prompt": "Hello?"}});
    for capabilities in [json!({}), json!({"elicitation": {}})] {
        for revision in BEFORE {
            let mut client =
                Client::of(conformance::server().unaudited(), revision, capabilities.clone()).await;
            let answer = client.call(asks, prompt.clone()).await;
            assert_eq!(answer["result"]["_meta"]["candor/reason"], "question_unavailable", "{answer}");
        }
        let mut client = Client::of(conformance::server().unaudited(), MODERN, capabilities).await;
        let error = client.call(asks, prompt.clone()).await["error"].take();
        assert_eq!(error["code"], -32021, "{error}");
        assert_eq!(error["data"]["requiredCapabilities"], json!({"sampling": {}}), "{error}");
    }
}

#[tokio::test]
async fn a_form_is_filled_in_declined_or_left_open_under_each_revision() {
    const GREETS: &str = "test_elicitation_sep1034_defaults";
    for revision in Revision::ALL {
        let service = conformance::server().unaudited().build().unwrap();
        let answer = async |client: ClientBuilder| {
            let client = client.to(service.clone(), revision).await;
            client.call(GREETS, json!({})).await.unwrap().text()
        };
        let filled = answer(ClientBuilder::new().on_form(|_| Some(json!({"name": "Ada"})))).await;
        assert_eq!(filled, r#"Elicitation completed: action=accept, content={"name":"Ada"}"#, "{revision}");
        let declined = "Elicitation completed: action=decline, content=null";
        assert_eq!(answer(ClientBuilder::new().on_form(|_| None)).await, declined, "{revision}");
        // Whoever only says yes or no fills in nothing.
        assert_eq!(
            answer(ClientBuilder::new().on_confirm(|_| ElicitAction::Accept)).await,
            declined,
            "{revision}"
        );
    }
}

/// What the destructive tool does: it counts.
#[derive(State)]
struct App {
    done: Arc<AtomicUsize>,
}

/// Forget what the user names.
#[mcp_tool(destructive, idempotency_key = "optional", public)]
fn forget(done: &Arc<AtomicUsize>, call: &Call) -> Result<String, Ask> {
    let Some(form) = call.form("what") else {
        let schema = json!({"type": "object", "properties": {"what": {"type": "string"}}});
        return Err(Ask::default().form("what", "Which?", schema));
    };
    done.fetch_add(1, Ordering::SeqCst);
    Ok(format!("forgot {}", form["what"]))
}

#[tokio::test]
async fn a_tool_that_was_confirmed_is_not_confirmed_again_when_it_asks_and_never_skips_it() {
    for revision in BEFORE {
        let done = Arc::new(AtomicUsize::new(0));
        let server =
            Server::new("s", "1").unaudited().state(App { done: Arc::clone(&done) }).tools(tools![forget]);
        let mut client = Client::of(server, revision, json!({"elicitation": {}})).await;
        let allow = client.call("forget", json!({})).await;
        assert!(allow["params"]["message"].as_str().unwrap().starts_with("Allow `forget`?"), "{allow}");
        let which = client.answer(&allow, json!({"action": "accept", "content": {}})).await;
        assert_eq!(which["params"]["message"], "Which?", "{which}");
        let answer = client.answer(&which, accepted(json!({"what": "it"}))).await;
        assert_eq!(answer["result"]["content"][0]["text"], "forgot \"it\"", "{answer}");
        assert_eq!(done.load(Ordering::SeqCst), 1);
    }
    let done = Arc::new(AtomicUsize::new(0));
    let server =
        Server::new("s", "1").unaudited().state(App { done: Arc::clone(&done) }).tools(tools![forget]);
    let mut client = Client::of(server, MODERN, json!({"elicitation": {}})).await;
    // An answer to the tool's question is none to ours.
    let what = json!({"what": accepted(json!({"what": "it"}))});
    let allow = client.call("forget", json!({"inputResponses": what})).await["result"].take();
    assert!(allow["inputRequests"]["candor/confirm"].is_object(), "{allow}");
    let yes = json!({"candor/confirm": {"action": "accept", "content": {}}});
    let which =
        client.call("forget", json!({"requestState": allow["requestState"], "inputResponses": yes})).await;
    assert!(which["result"]["inputRequests"]["what"].is_object(), "{which}");
    let back = json!({"requestState": which["result"]["requestState"], "inputResponses": what});
    assert_eq!(done.load(Ordering::SeqCst), 0);
    let answer = client.call("forget", back.clone()).await;
    assert_eq!(answer["result"]["content"][0]["text"], "forgot \"it\"", "{answer}");
    // The same again would be a write that nobody confirmed.
    let again = client.call("forget", back).await;
    assert_eq!(again["result"]["_meta"]["candor/reason"], "confirmation_state", "{again}");
    assert_eq!(done.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn messages_for_a_log_are_sent_from_the_level_that_was_asked_for() {
    for (level, heard) in [("info", true), ("warning", false)] {
        for revision in BEFORE {
            let mut client = Client::of(conformance::server().unaudited(), revision, json!({})).await;
            let set = request(&json!("set"), "logging/setLevel", json!({"level": level}));
            assert_eq!(client.wire.ask(set).await["result"], json!({}), "{revision}");
            let next = client.call("test_logging_tool", json!({})).await;
            assert_eq!(next["method"] == "notifications/message", heard, "{revision} {level} {next}");
        }
        let mut client = Client::of(conformance::server().unaudited(), MODERN, json!({})).await;
        client.level = Some(level);
        let next = client.call("test_logging_tool", json!({})).await;
        assert_eq!(next["method"] == "notifications/message", heard, "{level} {next}");
    }
    let mut client = Client::of(conformance::server().unaudited(), MODERN, json!({})).await;
    let next = client.call("test_logging_tool", json!({})).await;
    assert_eq!(next["result"]["content"][0]["text"], "The tool is done.", "unasked: {next}");
}

#[tokio::test]
async fn each_round_of_a_tool_that_asks_is_on_record() {
    let folder = tempfile::tempdir().unwrap();
    let log = AuditLog::at(folder.path().join("audit"));
    let server = Server::new("s", "1").audit(log).state(App { done: Arc::default() }).tools(tools![forget]);
    let mut client = Client::of(server.yes_destructive(), BEFORE[0], json!({"elicitation": {}})).await;
    let which = client.call("forget", json!({})).await;
    client.answer(&which, accepted(json!({"what": "it"}))).await;
    let records = candor_tests::log::records(&folder.path().join("audit"));
    let said = records.iter().filter(|record| record["call_id"].is_string());
    let said: Vec<_> =
        said.map(|record| (record["kind"].clone(), record["outcome"]["status"].clone())).collect();
    let intent = (json!("intent"), Value::Null);
    let ended = |how: &str| (json!("outcome"), json!(how));
    assert_eq!(said, [intent.clone(), ended("asked"), intent, ended("ok")]);
}

/// Greet whoever says their name, once an hour.
#[mcp_tool(read_only, closed_world, public, rate = "1/h")]
fn greet(call: &Call) -> Result<String, Ask> {
    let schema = json!({"type": "object", "properties": {"name": {"type": "string"}}});
    let Some(form) = call.form("name") else { return Err(Ask::default().form("name", "Who?", schema)) };
    Ok(format!("hello {}", form["name"]))
}

#[tokio::test]
async fn one_call_with_questions_in_between_counts_once() {
    for revision in BEFORE {
        let server = Server::new("s", "1").tools(tools![greet]);
        let mut client = Client::of(server, revision, json!({"elicitation": {}})).await;
        let who = client.call("greet", json!({})).await;
        let answer = client.answer(&who, accepted(json!({"name": "Ada"}))).await;
        assert_eq!(answer["result"]["content"][0]["text"], "hello \"Ada\"", "{answer}");
        assert_eq!(client.call("greet", json!({})).await["error"]["code"], -31429);
    }
}
