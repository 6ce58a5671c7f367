//! Tools that ask the client before they answer: in rounds from 2026-07-28 on, inside the call before.

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
    capability_client::CapabilityClient,
    conformance,
    messages::{accept, request},
};
use serde_json::{Value, json};

async fn connect<C: State>(server: Server<C>, revision: Revision, capabilities: Value) -> CapabilityClient {
    CapabilityClient::connect(server.build().unwrap(), revision, capabilities).await
}

fn conformance_server() -> Server {
    conformance::server().unaudited()
}

const LEGACY: [Revision; 2] = [Revision::V2025_06_18, Revision::V2025_11_25];
const MODERN: Revision = Revision::V2026_07_28;
/// Asks for a name, then for a color.
const MULTI_ROUND: &str = "test_input_required_result_multi_round";

#[tokio::test]
async fn ask_rounds_before_2026_07_28_run_inside_the_call() {
    for revision in LEGACY {
        let mut client = connect(conformance_server(), revision, json!({"elicitation": {}})).await;
        let first = client.call(MULTI_ROUND, json!({})).await;
        assert_eq!(first["method"], "elicitation/create", "{revision} {first}");
        assert_eq!(first["params"]["requestedSchema"]["required"], json!(["name"]));
        let second = client.answer(&first, accept(json!({"name": "Ada"}))).await;
        assert_eq!(second["params"]["message"], "Step 2: What is your favorite color?", "{second}");
        let answer = client.answer(&second, accept(json!({"color": "blue"}))).await;
        assert_eq!(answer["result"]["content"][0]["text"], "Ada likes blue.", "{answer}");
        // This tool asks again after a refusal. The server ends the call after ten rounds.
        let mut question = client.call(MULTI_ROUND, json!({})).await;
        for _ in 0..10 {
            assert_eq!(question["method"], "elicitation/create", "{question}");
            question = client.answer(&question, json!({"action": "decline"})).await;
        }
        assert_eq!(question["error"]["code"], -32603, "{question}");
    }
}

#[tokio::test]
async fn ask_state_of_2026_07_28_is_single_use_and_bound_to_its_tool() {
    let mut client = connect(conformance_server(), MODERN, json!({"elicitation": {}})).await;
    let first = client.call(MULTI_ROUND, json!({})).await["result"].take();
    assert_eq!(first["resultType"], "input_required", "{first}");
    let responses = json!({"step1": accept(json!({"name": "Ada"}))});
    let retry = json!({"requestState": first["requestState"], "inputResponses": responses});
    let second = client.call(MULTI_ROUND, retry.clone()).await["result"].take();
    assert_eq!(second["inputRequests"]["step2"]["method"], "elicitation/create", "{second}");
    // The first state is used up.
    assert_eq!(client.call(MULTI_ROUND, retry).await["error"]["code"], -32602);
    let retry = json!({"requestState": second["requestState"], "inputResponses": {"step2": accept(json!({"color": "blue"}))}});
    // The second state belongs to another tool.
    let other_tool = "test_input_required_result_request_state";
    assert_eq!(client.call(other_tool, retry.clone()).await["error"]["code"], -32602);
    let answer = client.call(MULTI_ROUND, retry).await;
    assert_eq!(answer["result"]["content"][0]["text"], "Ada likes blue.", "{answer}");
}

#[tokio::test]
async fn ask_without_the_clients_capability_is_refused() {
    let tool = "test_sampling";
    let prompt = json!({"arguments": {"prompt": "Hello?"}});
    for capabilities in [json!({}), json!({"elicitation": {}})] {
        for revision in LEGACY {
            let mut client = connect(conformance_server(), revision, capabilities.clone()).await;
            let answer = client.call(tool, prompt.clone()).await;
            assert_eq!(
                answer["result"]["_meta"]["io.github.candor-mcp/reason"], "question_unavailable",
                "{answer}"
            );
        }
        let mut client = connect(conformance_server(), MODERN, capabilities).await;
        let error = client.call(tool, prompt.clone()).await["error"].take();
        assert_eq!(error["code"], -32021, "{error}");
        assert_eq!(error["data"]["requiredCapabilities"], json!({"sampling": {}}), "{error}");
    }
}

#[tokio::test]
async fn ask_form_returns_the_users_action_under_each_revision() {
    const FORM_TOOL: &str = "test_elicitation_sep1034_defaults";
    for revision in Revision::ALL {
        let service = conformance::server().unaudited().build().unwrap();
        let answer = async |client: ClientBuilder| {
            let client = client.to(service.clone(), revision).await;
            client.call(FORM_TOOL, json!({})).await.unwrap().text()
        };
        let accepted = answer(ClientBuilder::new().on_form(|_| Some(json!({"name": "Ada"})))).await;
        assert_eq!(accepted, r#"Elicitation completed: action=accept, content={"name":"Ada"}"#, "{revision}");
        let declined = "Elicitation completed: action=decline, content=null";
        assert_eq!(answer(ClientBuilder::new().on_form(|_| None)).await, declined, "{revision}");
        // A client that only confirms cannot fill in a form.
        assert_eq!(
            answer(ClientBuilder::new().on_confirm(|_| ElicitAction::Accept)).await,
            declined,
            "{revision}"
        );
    }
}

/// Counts the runs of the destructive tool.
#[derive(State)]
struct App {
    runs: Arc<AtomicUsize>,
}

/// Forget what the user names.
#[mcp_tool(destructive, idempotency_key = "optional", public)]
fn forget(runs: &Arc<AtomicUsize>, call: &Call) -> Result<String, Ask> {
    let Some(form) = call.form("what").filled() else {
        let schema = json!({"type": "object", "properties": {"what": {"type": "string"}}});
        return Err(Ask::default().form("what", "Which?", schema));
    };
    runs.fetch_add(1, Ordering::SeqCst);
    Ok(format!("forgot {}", form["what"]))
}

#[tokio::test]
async fn confirmation_of_a_tool_that_asks_is_asked_once_and_never_skipped() {
    for revision in LEGACY {
        let runs = Arc::new(AtomicUsize::new(0));
        let server =
            Server::new("s", "1").unaudited().state(App { runs: Arc::clone(&runs) }).tools(tools![forget]);
        let mut client = connect(server, revision, json!({"elicitation": {}})).await;
        let confirmation = client.call("forget", json!({})).await;
        assert!(
            confirmation["params"]["message"].as_str().unwrap().starts_with("Allow `forget`?"),
            "{confirmation}"
        );
        let question = client.answer(&confirmation, json!({"action": "accept", "content": {}})).await;
        assert_eq!(question["params"]["message"], "Which?", "{question}");
        let answer = client.answer(&question, accept(json!({"what": "it"}))).await;
        assert_eq!(answer["result"]["content"][0]["text"], "forgot \"it\"", "{answer}");
        assert_eq!(runs.load(Ordering::SeqCst), 1);
    }
    let runs = Arc::new(AtomicUsize::new(0));
    let server =
        Server::new("s", "1").unaudited().state(App { runs: Arc::clone(&runs) }).tools(tools![forget]);
    let mut client = connect(server, MODERN, json!({"elicitation": {}})).await;
    // An answer to the tool's question does not confirm the call.
    let what = json!({"what": accept(json!({"what": "it"}))});
    let confirmation = client.call("forget", json!({"inputResponses": what})).await["result"].take();
    assert!(confirmation["inputRequests"]["io.github.candor-mcp/confirm"].is_object(), "{confirmation}");
    let accepted = json!({"io.github.candor-mcp/confirm": {"action": "accept", "content": {}}});
    let params = json!({"requestState": confirmation["requestState"], "inputResponses": accepted});
    let question = client.call("forget", params).await;
    assert!(question["result"]["inputRequests"]["what"].is_object(), "{question}");
    let retry = json!({"requestState": question["result"]["requestState"], "inputResponses": what});
    assert_eq!(runs.load(Ordering::SeqCst), 0);
    let answer = client.call("forget", retry.clone()).await;
    assert_eq!(answer["result"]["content"][0]["text"], "forgot \"it\"", "{answer}");
    // The same request again would be a write without a confirmation.
    let again = client.call("forget", retry).await;
    assert_eq!(again["result"]["_meta"]["io.github.candor-mcp/reason"], "confirmation_state", "{again}");
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn logging_sends_messages_from_the_requested_level_on() {
    for (level, is_sent) in [("info", true), ("warning", false)] {
        for revision in LEGACY {
            let mut client = connect(conformance_server(), revision, json!({})).await;
            let set = request(&json!("set"), "logging/setLevel", json!({"level": level}));
            assert_eq!(client.connection.exchange(set).await["result"], json!({}), "{revision}");
            let next = client.call("test_logging_tool", json!({})).await;
            assert_eq!(next["method"] == "notifications/message", is_sent, "{revision} {level} {next}");
        }
        let mut client = connect(conformance_server(), MODERN, json!({})).await;
        client.log_level = Some(level);
        let next = client.call("test_logging_tool", json!({})).await;
        assert_eq!(next["method"] == "notifications/message", is_sent, "{level} {next}");
    }
    let mut client = connect(conformance_server(), MODERN, json!({})).await;
    let next = client.call("test_logging_tool", json!({})).await;
    assert_eq!(next["result"]["content"][0]["text"], "The tool is done.", "no level was requested: {next}");
}

#[tokio::test]
async fn ask_rounds_are_each_recorded_in_the_audit_log() {
    let folder = tempfile::tempdir().unwrap();
    let log = AuditLog::at(folder.path().join("audit"));
    let server = Server::new("s", "1").audit(log).state(App { runs: Arc::default() }).tools(tools![forget]);
    let mut client = connect(server.yes_destructive(), LEGACY[0], json!({"elicitation": {}})).await;
    let question = client.call("forget", json!({})).await;
    client.answer(&question, accept(json!({"what": "it"}))).await;
    let records = candor_tests::log::records(&folder.path().join("audit"));
    let of_calls = records.iter().filter(|record| record["call_id"].is_string());
    let kinds_and_statuses: Vec<_> =
        of_calls.map(|record| (record["kind"].clone(), record["outcome"]["status"].clone())).collect();
    let intent = (json!("intent"), Value::Null);
    let outcome = |status: &str| (json!("outcome"), json!(status));
    assert_eq!(kinds_and_statuses, [intent.clone(), outcome("asked"), intent, outcome("ok")]);
}

/// Ask for a name and greet the user, once an hour.
#[mcp_tool(read_only, closed_world, public, rate = "1/h")]
fn greet(call: &Call) -> Result<String, Ask> {
    let schema = json!({"type": "object", "properties": {"name": {"type": "string"}}});
    let Some(form) = call.form("name").filled() else {
        return Err(Ask::default().form("name", "Who?", schema));
    };
    Ok(format!("hello {}", form["name"]))
}

#[tokio::test]
async fn rate_counts_a_call_with_questions_once() {
    for revision in LEGACY {
        let server = Server::new("s", "1").tools(tools![greet]);
        let mut client = connect(server, revision, json!({"elicitation": {}})).await;
        let question = client.call("greet", json!({})).await;
        let answer = client.answer(&question, accept(json!({"name": "Ada"}))).await;
        assert_eq!(answer["result"]["content"][0]["text"], "hello \"Ada\"", "{answer}");
        assert_eq!(client.call("greet", json!({})).await["error"]["code"], -31429);
    }
}
