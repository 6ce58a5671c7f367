//! Servers that run as several replicas: their names in sessions, records and logs, and the key that they share.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use candor::{KeyStore, Server, StartError, mcp_tool, tools};
use candor_tests::{
    http::{HttpRequest, HttpServer, call, legacy},
    log::{records, verified},
};
use serde_json::{Value, json};

const LEDGER: &str = env!("CARGO_BIN_EXE_ledger");

fn run(arguments: &[&str]) -> Output {
    Command::new(LEDGER).args(arguments).stdin(Stdio::null()).output().expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn path(path: &Path) -> &str {
    path.to_str().expect("its name is text")
}

/// Starts a replica of the server `web`, with its log in a folder of its name.
async fn replica(name: &str, folder: &Path) -> HttpServer {
    let log = folder.join(name);
    let flags = ["--replica", name, "--audit", path(&log), "--log-level", "info"];
    HttpServer::start(Command::new(env!("CARGO_BIN_EXE_web")), &flags).await
}

/// Starts a replica of the server `ledger`, calls a tool that writes and one that reads, and stops it.
async fn replica_with_calls(name: &str, folder: &Path) {
    let log = folder.join(name);
    let flags = ["--replica", name, "--audit", path(&log)];
    let mut server = HttpServer::start(Command::new(LEDGER), &flags).await;
    for tool in ["enter", "look"] {
        let answer = server.send(&call(tool, json!({"n": 1}))).await;
        assert_eq!(answer.message()["result"]["structuredContent"], 1, "{answer:?}");
    }
    server.process.signal("TERM");
    assert_eq!(server.wait().await.code(), Some(0));
}

#[tokio::test]
async fn session_id_names_its_replica_and_another_replica_answers_404() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (replica("a", folder.path()).await, replica("b-2", folder.path()).await);
    let hello = |session: &str| legacy(session, "tools/call", json!({"name": "hello", "arguments": {}}));
    let mut ids = BTreeSet::new();
    for (server, prefix, other) in [(&a, "a.", &b), (&b, "b-2.", &a)] {
        for _ in 0..3 {
            let session = server.open_session(None).await;
            assert_eq!(session.strip_prefix(prefix).map(str::len), Some(32), "{session}");
            assert_eq!(server.send(&hello(&session)).await.status, 200);
            let answer = other.send(&hello(&session)).await;
            assert_eq!(answer.status, 404, "{answer:?}");
            assert!(answer.body.contains("begin a new one with `initialize`"), "{answer:?}");
            ids.insert(session);
        }
    }
    assert_eq!(ids.len(), 6);
    let session = ids.first().unwrap();
    let delete = HttpRequest { line: "DELETE /mcp".to_owned(), body: String::new(), ..hello(session) };
    assert_eq!(a.send(&delete).await.status / 100, 2);
    assert_eq!(a.send(&hello(session)).await.status, 404, "the session has ended");
}

#[tokio::test]
async fn readiness_and_the_lines_of_calls_name_the_replica() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = replica("a", folder.path()).await;
    assert!(server.stderr().contains("  replica a\n"), "{}", server.stderr());
    let ready: Value = serde_json::from_str(&server.send(&HttpRequest::get("/readyz")).await.body).unwrap();
    assert_eq!(ready, json!({"ready": true, "failed": [], "replica": "a"}));
    server.assert_alive().await;
    server.process.signal("TERM");
    assert_eq!(server.wait().await.code(), Some(0));
    let line = server.stderr().lines().find(|line| line.contains("\"tool\":\"measure\"")).map(str::to_owned);
    let line: Value = serde_json::from_str(&line.expect("the call has a line")).unwrap();
    assert_eq!(line["replica"], "a");
}

#[tokio::test]
async fn each_record_of_a_log_names_the_replica() {
    let folder = tempfile::tempdir().unwrap();
    replica_with_calls("a", folder.path()).await;
    let log = folder.path().join("a");
    let mut kinds = BTreeSet::new();
    for record in records(&log) {
        kinds.insert(record["event"].as_str().or(record["kind"].as_str()).unwrap().to_owned());
        // The members that many reads have in common are those of their context.
        let expected = if record["kind"] == "read" { Value::Null } else { json!("a") };
        assert_eq!(record["replica"], expected, "{record}");
    }
    let expected = ["context", "intent", "outcome", "read", "segment", "start", "stop"];
    assert_eq!(kinds.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    let shown = run(&["audit", "show", "--json", path(&log)]);
    let shown: Vec<Value> =
        text(&shown.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(shown.iter().any(|record| record["kind"] == "read"));
    assert!(shown.iter().all(|record| record["replica"] == "a"), "{shown:?}");
    assert_eq!(verified(LEDGER, &log, &[]).0, Some(0));
    // A process without a name goes on with the log.
    let call = run(&["call", "enter", "n=2", "--audit", path(&log)]);
    assert_eq!(call.status.code(), Some(0), "{}", text(&call.stderr));
    let (code, report) = verified(LEDGER, &log, &[]);
    assert_eq!((code, &report["calls_without_outcome"]), (Some(0), &json!(0)), "{report}");
    assert_eq!(records(&log).last().unwrap()["replica"], Value::Null);
}

#[tokio::test]
async fn logs_of_several_replicas_are_shown_verified_exported_and_summed_up_together() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a", "b", "c"] {
        replica_with_calls(name, folder.path()).await;
    }
    let logs = ["a", "b", "c"].map(|name| folder.path().join(name));
    let logs: Vec<&str> = logs.iter().map(|log| path(log)).collect();

    let shown = run(&[&["audit", "show", "--tool", "enter"], &logs[..]].concat());
    let table = text(&shown.stdout);
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0][..4], ["TIME", "(UTC)", "REPLICA", "TOOL"], "{table}");
    let replicas: Vec<&str> = rows[1..].iter().map(|row| row[2]).collect();
    assert_eq!(replicas, ["a", "b", "c"], "{table}");
    // In the order of time, whatever the order of the folders.
    let reversed: Vec<&str> = logs.iter().rev().copied().collect();
    assert_eq!(text(&run(&[&["audit", "show", "--tool", "enter"], &reversed[..]].concat()).stdout), table);

    let exported = run(&[&["audit", "export", "--format", "csv", "--kind", "intent"], &logs[..]].concat());
    let rows = text(&exported.stdout);
    let cells: Vec<&str> = rows.lines().map(|row| row.trim_end().rsplit(',').next().unwrap()).collect();
    assert_eq!(cells, ["replica", "\"a\"", "\"b\"", "\"c\""], "{rows}");

    let flags: Vec<&str> = logs.iter().flat_map(|log| ["--audit", log]).collect();
    let stats = run(&[&["stats", "--format", "json"], &flags[..]].concat());
    let stats: Value = serde_json::from_slice(&stats.stdout).unwrap();
    let calls: Vec<&Value> = stats["tools"].as_array().unwrap().iter().map(|tool| &tool["calls"]).collect();
    assert_eq!(calls, [3, 3], "{stats}");

    let verify = || run(&[&["audit", "verify"], &logs[..]].concat());
    let intact = verify();
    assert_eq!(intact.status.code(), Some(0), "{}", text(&intact.stderr));
    assert_eq!(text(&intact.stdout).matches("no change is found").count(), 3);
    let segment = candor_tests::log::segment(Path::new(logs[1]), 1);
    let changed = fs::read_to_string(&segment).unwrap().replace("\"replica\":\"b\"", "\"replica\":\"c\"");
    fs::write(&segment, changed).unwrap();
    let changed = verify();
    assert_eq!(changed.status.code(), Some(1));
    assert_eq!(text(&changed.stdout).matches("no change is found").count(), 2, "{}", text(&changed.stdout));
    let missing = run(&["audit", "verify", logs[0], path(&folder.path().join("d"))]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(text(&missing.stderr).contains("found no audit log in"), "{}", text(&missing.stderr));
}

/// Say the time.
#[mcp_tool(read_only, closed_world, public)]
fn clock() -> &'static str {
    "noon"
}

#[test]
fn state_key_without_a_store_that_replicas_share_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys/state");
    let created = run(&["state-key", "new", "--file", path(&file)]);
    assert_eq!(created.status.code(), Some(0), "{}", text(&created.stderr));
    assert_eq!(text(&created.stdout).trim().len(), 32, "the id of the key");
    assert!(text(&created.stderr).contains("`serve --state-key "), "{}", text(&created.stderr));
    assert!(!text(&created.stdout).contains(fs::read_to_string(&file).unwrap().trim()));
    let again = run(&["state-key", "new", "--file", path(&file)]);
    assert_eq!(again.status.code(), Some(2));
    assert!(text(&again.stderr).contains("already exists"), "{}", text(&again.stderr));

    let served = run(&["serve", "--state-key", path(&file), "--audit", path(&folder.path().join("audit"))]);
    assert_eq!(served.status.code(), Some(2));
    let help = "help: name a database with `--store postgres://…`, or remove `--state-key`";
    assert!(text(&served.stderr).contains(help), "{}", text(&served.stderr));
    let server = Server::new("s", "1").idempotency(KeyStore::memory()).state_key(&file).tools(tools![clock]);
    assert!(matches!(server.build().err(), Some(StartError::Replicas(_))));
}

#[test]
fn replica_with_an_unsuitable_name_does_not_start() {
    for name in ["", "a.b", "a b", "ä"] {
        let error = Server::new("s", "1").replica(name).tools(tools![clock]).build().err();
        let error = error.expect("it does not start").to_string();
        assert!(error.contains("is not a name of a replica"), "{error}");
        let served = run(&["serve", "--replica", name]);
        assert_eq!(served.status.code(), Some(2));
        assert!(text(&served.stderr).contains("1 to 63 of `A-Z a-z 0-9 - _`"), "{}", text(&served.stderr));
    }
}
