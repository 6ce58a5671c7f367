//! Tests which calls leave which records: questions without an answer, denials in a flood, reads, and records that were left
//! out.

use std::path::{Path, PathBuf};

use candor::{AuditLog, Revision, Server, Service, mcp_tool, testing::Disk, tools};
use candor_tests::{
    capability_client::CapabilityClient,
    http::{HttpServer, call},
    log::{self, records},
    messages,
    raw_client::RawClient,
};
use serde_json::{Value, json};

const LEDGER: &str = env!("CARGO_BIN_EXE_ledger");

/// Forget something for good.
#[mcp_tool(destructive, idempotent, closed_world, public)]
fn forget(
    /// The thing to forget.
    what: u32,
) -> u32 {
    what
}

/// Look something up.
#[mcp_tool(read_only, closed_world, public)]
fn look(
    /// The thing to look up.
    what: &str,
    /// How often.
    times: Option<u32>,
) -> String {
    format!("{what} {}", times.unwrap_or_default())
}

/// Write something down.
#[mcp_tool(additive, closed_world, public)]
fn write_down() {}

/// Open the drawer.
#[mcp_tool(additive, closed_world, scope = "write:drawer")]
fn open_drawer() {}

/// Look into the drawer.
#[mcp_tool(read_only, closed_world, scope = "read:drawer")]
fn look_into_drawer() {}

/// A server with a log, in a folder of its own.
struct Recorded {
    /// Removed when dropped.
    _folder: tempfile::TempDir,
    log: PathBuf,
    service: Service,
}

impl Recorded {
    fn new(disk: Disk) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("audit");
        Self::in_folder(folder, log, disk)
    }

    /// With a key that signs the log.
    fn signed(disk: Disk) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("audit");
        let mut command = std::process::Command::new(LEDGER);
        assert!(command.args(["audit", "key", "new"]).arg(&log).output().unwrap().status.success());
        Self::in_folder(folder, log, disk)
    }

    fn in_folder(folder: tempfile::TempDir, log: PathBuf, disk: Disk) -> Self {
        let server = Server::new("s", "1").audit(AuditLog::at(&log).disk(disk));
        let service =
            server.tools(tools![forget, look, write_down, open_drawer, look_into_drawer]).build().unwrap();
        Self { _folder: folder, log, service }
    }

    /// Ends the log, and returns its records about calls.
    fn ended(&self) -> Vec<Value> {
        self.service.stop_audit();
        assert_eq!(log::verified(LEDGER, &self.log, &[]).0, Some(0));
        records(&self.log).into_iter().filter(|record| record["kind"] != "server").collect()
    }
}

fn kinds(records: &[Value]) -> Vec<&str> {
    records.iter().map(|record| record["kind"].as_str().unwrap()).collect()
}

/// Runs `audit show` on a log.
fn shown(log: &Path, arguments: &[&str]) -> String {
    let mut command = std::process::Command::new(LEDGER);
    let output = command.args(["audit", "show"]).args(arguments).arg(log).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn elicitation() -> Value {
    json!({"elicitation": {}})
}

#[tokio::test]
async fn question_within_a_call_leaves_a_record_if_it_is_never_answered() {
    let recorded = Recorded::new(Disk::default());
    let arguments = json!({"arguments": {"what": 7}});
    let mut client =
        CapabilityClient::connect(recorded.service.clone(), Revision::V2025_11_25, elicitation()).await;
    let question = client.call("forget", arguments.clone()).await;
    assert_eq!(question["method"], "elicitation/create", "{question}");
    // The record is on the disk before the user sees the question.
    let asked = records(&recorded.log).pop().unwrap();
    assert_eq!((&asked["kind"], &asked["args"]), (&json!("asked"), &json!({"what": 7})), "{asked}");
    // The client goes away.
    client.connection.close().await;
    let mut other =
        CapabilityClient::connect(recorded.service.clone(), Revision::V2025_11_25, elicitation()).await;
    let question = other.call("forget", arguments).await;
    let answer = other.answer(&question, messages::accept(json!({}))).await;
    assert_eq!(answer["result"]["structuredContent"]["result"], 7, "{answer}");
    let records = recorded.ended();
    let asked: Vec<&Value> = records.iter().filter(|record| record["kind"] == "asked").collect();
    let intent = records.iter().find(|record| record["kind"] == "intent").unwrap();
    assert_eq!(asked.len(), 2, "{records:?}");
    assert_ne!(asked[0]["call_id"], intent["call_id"]);
    assert_eq!((&asked[1]["call_id"], &intent["confirm"]), (&intent["call_id"], &json!("given")));
    assert!(
        !records.iter().any(|record| record["kind"] == "intent" && record["call_id"] == asked[0]["call_id"])
    );
}

#[tokio::test]
async fn question_in_a_round_leaves_a_record_that_its_answer_names() {
    let recorded = Recorded::new(Disk::default());
    let mut client =
        CapabilityClient::connect(recorded.service.clone(), Revision::V2026_07_28, elicitation()).await;
    let mut rounds = Vec::new();
    for action in [None, Some("decline"), Some("accept")] {
        let question = client.call("forget", json!({"arguments": {"what": 7}})).await;
        let state = question["result"]["requestState"].clone();
        assert!(state.is_string(), "{question}");
        if let Some(action) = action {
            let answers = json!({"io.github.candor-mcp/confirm": {"action": action, "content": {}}});
            let answer = json!({"arguments": {"what": 7}, "requestState": state, "inputResponses": answers});
            client.call("forget", answer).await;
        }
        rounds.push(state);
    }
    recorded.service.stop_audit();
    let text = shown(&recorded.log, &["--outcome", "asked"]);
    assert_eq!(text.matches("asked the user").count(), 3, "{text}");
    let records = recorded.ended();
    assert_eq!(kinds(&records), ["asked", "asked", "denied", "asked", "intent", "outcome"]);
    let questions: Vec<&str> = records.iter().filter_map(|record| record["question"].as_str()).collect();
    let [unanswered, declined, by_denial, accepted, by_intent] = questions[..] else {
        panic!("{questions:?}")
    };
    assert_eq!((declined, accepted), (by_denial, by_intent));
    assert!(unanswered != declined && unanswered != accepted && declined != accepted);
    // The state itself would let its reader answer.
    let whole = records.iter().map(Value::to_string).collect::<String>();
    assert!(rounds.iter().all(|state| !whole.contains(state.as_str().unwrap())));
}

#[tokio::test]
async fn question_that_cannot_be_recorded_is_not_asked() {
    let disk = Disk::faulty();
    let recorded = Recorded::new(disk.clone());
    disk.set_full(true);
    for revision in [Revision::V2025_11_25, Revision::V2026_07_28] {
        let mut client = CapabilityClient::connect(recorded.service.clone(), revision, elicitation()).await;
        let answer = client.call("forget", json!({"arguments": {"what": 7}})).await;
        assert_eq!(answer["error"]["data"]["reason"], "not_run", "{answer}");
    }
    disk.set_full(false);
}

#[tokio::test]
async fn flood_of_denials_hides_neither_other_reasons_nor_required_tools() {
    let recorded = Recorded::new(Disk::default());
    let mut client = RawClient::initialized(recorded.service.clone()).await;
    for n in 0..300 {
        client.call(&format!("no_tool_{n}"), json!({})).await;
    }
    client.call("look_into_drawer", json!({})).await;
    for _ in 0..100 {
        client.call("open_drawer", json!({})).await;
    }
    let denied = recorded.ended();
    let by = |by: &str, tool: &str| {
        let fits = |record: &&Value| {
            record["decision"]["denied_by"] == by && (tool.is_empty() || record["tool"] == tool)
        };
        denied.iter().filter(fits).count() as u64
    };
    assert_eq!(by("scope", "look_into_drawer"), 1, "another reason");
    assert_eq!(by("scope", "open_drawer"), 100, "records of this tool are required");
    let counted = records(&recorded.log).into_iter().filter(|record| record["event"] == "denied_more");
    let lines = counted.flat_map(|record| record["denied"].as_array().unwrap().clone());
    let counted: u64 = lines
        .inspect(|line| {
            assert_eq!((&line["sub"], &line["denied_by"]), (&json!("local"), &json!("unknown_tool")));
        })
        .map(|line| line["denials"].as_u64().unwrap())
        .sum();
    assert!(counted > 0, "the flood is counted");
    assert_eq!(by("unknown_tool", "") + counted, 300);
}

#[tokio::test]
async fn concealed_tool_is_refused_without_waiting_for_the_disk() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), Disk::faulty());
    let server = Server::new("s", "1").conceal().audit(AuditLog::at(folder.path()).disk(disk.clone()));
    let service = server.tools(tools![write_down, open_drawer, look_into_drawer]).build().unwrap();
    let mut client = RawClient::initialized(service.clone()).await;
    disk.set_stalled(true);
    // A call that does wait for the disk, as the records of this tool must be on it.
    client.send(messages::call(&json!("waits"), "write_down", json!({}))).await;
    // Sent afterwards and answered before: the refusals of a tool whose records are required as well, of one whose records
    // are not, and of one that does not exist.
    for tool in ["open_drawer", "look_into_drawer", "no_such_tool"] {
        let refused = client.exchange(messages::call(&json!(tool), tool, json!({}))).await;
        assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!(tool), &json!(-32602)), "{refused}");
    }
    disk.set_stalled(false);
    let written = client.receive().await;
    assert_eq!(
        (&written["id"], &written["result"]["isError"]),
        (&json!("waits"), &json!(false)),
        "{written}"
    );
    // The refusals are recorded nevertheless.
    service.stop_audit();
    let records = records(folder.path());
    let denied = |tool: &str| records.iter().filter(|record| record["tool"] == tool).count();
    assert_eq!((denied("open_drawer"), denied("look_into_drawer")), (1, 1), "{records:?}");
}

#[tokio::test]
async fn records_left_out_are_told_by_a_server_that_stops_before_it_writes_again() {
    let disk = Disk::faulty();
    let recorded = Recorded::signed(disk.clone());
    let mut client = RawClient::initialized(recorded.service.clone()).await;
    disk.set_full(true);
    for _ in 0..5 {
        client.call("write_down", json!({})).await;
    }
    disk.set_full(false);
    recorded.service.stop_audit();
    let (code, report) = log::verified(LEDGER, &recorded.log, &[]);
    assert_eq!((code, &report["stopped"]), (Some(0), &json!(true)), "{report}");
    // Of each call two records are left out: that it was about to run, and that it did not run.
    assert_eq!(report["left_out"], 10, "{report}");
    let required = json!({"intents": 5, "outcomes": 0, "others": 0, "unknown": 0});
    assert_eq!(report["left_out_required"], required, "{report}");
    assert_eq!(report["signed_records"], report["records"], "{report}");
}

#[tokio::test]
async fn counted_denials_are_told_by_a_server_that_stops_before_it_writes_again() {
    let disk = Disk::faulty();
    let recorded = Recorded::new(disk.clone());
    let mut client = RawClient::initialized(recorded.service.clone()).await;
    disk.set_full(true);
    for _ in 0..100 {
        client.call("look", json!({"what": 7})).await;
    }
    client.call("write_down", json!({})).await;
    disk.set_full(false);
    recorded.service.stop_audit();
    let events: Vec<Value> = records(&recorded.log)
        .iter()
        .map(|record| record["event"].clone())
        .filter(Value::is_string)
        .collect();
    let counts = [json!("left_out"), json!("denied_more"), json!("stop")];
    assert!(events.ends_with(&counts), "{events:?}");
}

#[tokio::test]
async fn records_left_out_say_which_of_them_were_required() {
    let disk = Disk::faulty();
    let recorded = Recorded::new(disk.clone());
    let mut client = RawClient::initialized(recorded.service.clone()).await;
    disk.set_full(true);
    for _ in 0..5 {
        client.call("open_drawer", json!({})).await;
        client.call("write_down", json!({})).await;
        client.call("look", json!({"what": "x"})).await;
    }
    disk.set_full(false);
    recorded.service.stop_audit();
    let (code, report) = log::verified(LEDGER, &recorded.log, &[]);
    assert_eq!(code, Some(0), "{report}");
    let required = &report["left_out_required"];
    assert_eq!((&required["others"], &required["intents"]), (&json!(5), &json!(5)), "{report}");
    assert!(report["left_out"].as_u64() >= Some(10), "{report}");
    let mut command = std::process::Command::new(LEDGER);
    let text = command.args(["audit", "verify"]).arg(&recorded.log).output().unwrap().stdout;
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("5 calls that must be recorded did not run"), "{text}");
    assert!(text.contains("5 required records of refusals or questions"), "{text}");
    assert!(!text.contains("none of them required"), "{text}");
}

#[tokio::test]
async fn read_has_one_short_record_that_show_and_filters_understand() {
    let recorded = Recorded::new(Disk::default());
    let mut client = RawClient::initialized(recorded.service.clone()).await;
    let symbol = "a text of some length, such as a search term, of which only a digest is kept";
    for times in 0..50 {
        client.call("look", json!({"what": symbol, "times": times})).await;
    }
    client.call("look", json!({"what": 7})).await;
    let records = recorded.ended();
    assert_eq!(records.iter().filter(|record| record["kind"] == "read").count(), 50);
    let text = std::fs::read_to_string(log::segment(&recorded.log, 1)).unwrap();
    let reads: Vec<&str> = text.lines().filter(|line| line.contains(r#""kind":"read""#)).collect();
    for line in reads {
        assert!(line.len() < 400, "{} bytes: {line}", line.len());
    }
    assert_eq!(text.matches(r#""event":"context""#).count(), 1, "one caller, one tool");
    // The digest is the one to search for.
    let mut command = std::process::Command::new(LEDGER);
    let digest = command.args(["audit", "hash", symbol]).arg(&recorded.log).output().unwrap().stdout;
    assert_eq!(text.matches(String::from_utf8(digest).unwrap().trim()).count(), 50);
    let rows = |arguments: &[&str]| shown(&recorded.log, arguments).lines().skip(1).count();
    assert_eq!(rows(&["--tool", "look", "--outcome", "ok"]), 50);
    assert_eq!((rows(&["--caller", "local"]), rows(&["--caller", "ada"])), (51, 0));
    let json = shown(&recorded.log, &["--json", "--caller", "local", "--outcome", "ok"]);
    let read: Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!(read["caller"], json!({"sub": "local", "client": "tests/0"}), "{read}");
    assert_eq!((&read["transport"], &read["protocol"]), (&json!("stdio"), &json!("2025-11-25")), "{read}");
    assert!(read["us"].is_u64() && read["result"].as_str().unwrap().starts_with("hmac:"), "{read}");
}

#[tokio::test]
async fn read_over_http_with_a_token_has_a_record_of_at_most_400_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (tokens, log) = (folder.path().join("tokens"), folder.path().join("log"));
    let subject = "auth0|64b1f3c2a9e8d70012ab34cd-a-long-subject-as-authorization-servers-give";
    let mut command = std::process::Command::new(LEDGER);
    command.args(["token", "new", "--subject", subject, "--scope", "read:x", "--file"]).arg(&tokens);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let token = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    let flags = ["--quiet", "--tokens", tokens.to_str().unwrap(), "--audit", log.to_str().unwrap()];
    let mut server = HttpServer::start(std::process::Command::new(LEDGER), &flags).await;
    for n in 0..20 {
        assert_eq!(server.send(&call("look", json!({"n": n})).bearer(&token)).await.status, 200);
    }
    server.process.signal("TERM");
    assert_eq!(server.wait().await.code(), Some(0));
    let text = std::fs::read_to_string(log::segment(&log, 1)).unwrap();
    let reads: Vec<&str> = text.lines().filter(|line| line.contains(r#""kind":"read""#)).collect();
    assert_eq!(reads.len(), 20, "{text}");
    assert!(reads.iter().all(|line| line.len() < 400), "{text}");
    assert_eq!(shown(&log, &["--caller", subject]).lines().count(), 21);
    assert_eq!(log::verified(LEDGER, &log, &[]).0, Some(0));
}
