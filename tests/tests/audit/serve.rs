//! Tests where `serve` records, whether it starts without a folder for records, and what it says about them on stderr.

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use candor::Revision;
use candor_tests::{
    http::{HttpServer, call},
    issuer::{AUDIENCE, Issuer, Signer},
    log,
    stdio_server::StdioServer,
};
use serde_json::json;

/// Returns `ledger` with this state folder.
fn ledger(state: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ledger"));
    command.args(arguments).env("XDG_STATE_HOME", state);
    command
}

fn ran(state: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } =
        ledger(state, arguments).stdin(Stdio::null()).output().expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("it writes UTF-8");
    (status.code(), text(stdout), text(stderr))
}

async fn served(state: &Path, arguments: &[&str]) -> StdioServer {
    let mut process = StdioServer::start(ledger(state, &[&["serve"], arguments].concat()));
    process.client.initialize(Revision::V2025_11_25).await;
    let answer = process.client.call("enter", json!({"n": 1})).await;
    assert_eq!(answer["result"]["structuredContent"], json!({"result": 1}), "{answer}");
    process
}

fn kinds(log: &Path) -> Vec<String> {
    let kind = |record: &serde_json::Value| {
        record["event"].as_str().or(record["kind"].as_str()).expect("it has a kind").to_owned()
    };
    log::records(log).iter().map(kind).collect()
}

const ONE_CALL: [&str; 5] = ["segment", "start", "intent", "outcome", "stop"];

#[tokio::test]
async fn default_log_is_in_the_users_state_folder_one_for_each_process() {
    let state = tempfile::tempdir().unwrap();
    let first = served(state.path(), &[]).await;
    let second = served(state.path(), &[]).await;
    let (first, second) = (first.close().await, second.close().await);
    let logs = ["ledger/audit", "ledger/audit-2"].map(|log| state.path().join(log));
    for (log, ended) in logs.iter().zip([first, second]) {
        assert_eq!(kinds(log), ONE_CALL);
        let line = format!("audit: {}, not signed (`audit key new` makes a key)\n", log.display());
        assert!(ended.stderr.contains(&line), "{}", ended.stderr);
    }
    // Both logs share one key file beside them.
    let mut beside: Vec<_> = fs::read_dir(state.path().join("ledger")).unwrap().collect();
    beside.retain(|entry| entry.as_ref().unwrap().file_type().unwrap().is_file());
    assert_eq!(beside.len(), 1, "{beside:?}");
}

#[tokio::test]
async fn named_folder_is_taken_by_one_process_only() {
    let state = tempfile::tempdir().unwrap();
    let log = state.path().join("here");
    let log = log.to_str().unwrap();
    let first = served(state.path(), &["--audit", log]).await;
    let (code, _, stderr) = ran(state.path(), &["serve", "--audit", log]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("another process") && stderr.contains("`--audit DIR`"), "{stderr}");
    assert_eq!(first.close().await.status.code(), Some(0));
    assert!(!state.path().join("ledger").exists());
}

#[test]
fn server_with_required_records_does_not_start_without_a_folder() {
    let state = tempfile::tempdir().unwrap();
    // A file has the name of the server's folder.
    fs::write(state.path().join("ledger"), "").unwrap();
    let (code, _, stderr) = ran(state.path(), &["serve"]);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("tool `enter` is declared `audit = \"required\"`"), "{stderr}");
    assert!(stderr.contains("`--audit DIR`"), "{stderr}");
    let (code, _, stderr) = ran(state.path(), &["serve", "--read-only"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("audit: no call is recorded"), "{stderr}");
}

#[tokio::test]
async fn call_on_the_command_line_is_recorded_silently() {
    let state = tempfile::tempdir().unwrap();
    let (code, stdout, stderr) = ran(state.path(), &["call", "enter", "n=7"]);
    assert_eq!((code, &*stdout, &*stderr), (Some(0), "7\n", ""));
    assert_eq!(kinds(&state.path().join("ledger/audit")), ONE_CALL);
    let elsewhere = state.path().join("elsewhere");
    ran(state.path(), &["call", "enter", "n=7", "--audit", elsewhere.to_str().unwrap()]);
    assert_eq!(kinds(&elsewhere), ONE_CALL);
}

#[tokio::test]
async fn show_prints_records_for_people_and_programs() {
    let state = tempfile::tempdir().unwrap();
    let mut process = served(state.path(), &[]).await;
    process.client.call("look", json!({"n": 2})).await;
    process.client.call("enter", json!({"n": "x"})).await;
    process.client.call("open_drawer", json!({})).await;
    process.close().await;
    let show = |arguments: &[&str]| {
        let (code, text, stderr) = ran(state.path(), &[&["audit", "show"], arguments].concat());
        assert_eq!((code, &*stderr), (Some(0), ""), "{text}");
        text
    };
    let ends = |text: &str| -> Vec<String> {
        let rows = text.lines().skip(1).map(|row| row.split_whitespace().skip(2).collect::<Vec<_>>());
        rows.map(|row| format!("{} {}", row[0], row.last().unwrap())).collect()
    };
    let all = show(&[]);
    assert!(all.starts_with("TIME (UTC)"), "{all}");
    let calls = ["enter ok", "look ok", "enter schema", "open_drawer scope"];
    assert_eq!(ends(&show(&["--caller", "local"])), calls, "{all}");
    assert!(all.contains("the server: start") && all.contains("the server: stop"), "{all}");
    assert_eq!(ends(&show(&["--tool", "enter"])), ["enter ok", "enter schema"]);
    assert_eq!(ends(&show(&["--outcome", "denied"])), ["enter schema", "open_drawer scope"]);
    assert_eq!(ends(&show(&["--outcome", "scope"])), ["open_drawer scope"]);
    assert_eq!(ends(&show(&["--outcome", "none"])), [""; 0]);
    assert_eq!(ends(&show(&["--since", "1h", "--tool", "look"])), ["look ok"]);
    assert_eq!(show(&["--until", "2020-01-01T00:00:00Z"]), "");
    let (code, _, stderr) = ran(state.path(), &["audit", "show", "--since", "yesterday-ish"]);
    assert!(code == Some(2) && stderr.contains("is not a time"), "{stderr}");
    let records: Vec<serde_json::Value> = show(&["--json", "--tool", "enter"])
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let kinds: Vec<&str> = records.iter().map(|record| record["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["intent", "outcome", "denied"]);
}

#[tokio::test]
async fn show_follows_a_log_while_it_is_written() {
    use std::io::{BufRead as _, BufReader};

    let state = tempfile::tempdir().unwrap();
    let mut process = served(state.path(), &[]).await;
    let mut child = ledger(state.path(), &["audit", "show", "--follow", "--tool", "enter"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let mut next = || lines.next().expect("it goes on").expect("it is text");
    assert!(next().starts_with("TIME"));
    assert!(next().ends_with("ok"));
    process.client.call("enter", json!({"n": true})).await;
    assert!(next().ends_with("denied: schema"));
    process.close().await;
    child.kill().expect("it follows until it is stopped");
    child.wait().expect("it ends");
}

#[tokio::test]
async fn denial_in_read_only_mode_names_the_mode() {
    let state = tempfile::tempdir().unwrap();
    let mut process = StdioServer::start(ledger(state.path(), &["serve", "--read-only"]));
    process.client.initialize(Revision::V2025_11_25).await;
    process.client.call("enter", json!({"n": 1})).await;
    process.client.call("nothing", json!({"n": 1})).await;
    process.close().await;
    let (_, text, _) = ran(state.path(), &["audit", "show", "--json", "--outcome", "denied"]);
    assert!(
        text.contains("\"tool\":\"enter\"") && text.contains("\"denied_by\":\"read_only_mode\""),
        "{text}"
    );
    assert!(text.contains("\"denied_by\":\"unknown_tool\""), "{text}");
}

#[tokio::test]
async fn flood_of_denials_is_counted() {
    let state = tempfile::tempdir().unwrap();
    let mut process = served(state.path(), &[]).await;
    for n in 0..1_000 {
        process.client.send(candor_tests::messages::call(&json!(n), "look", json!({"n": "x"}))).await;
    }
    for _ in 0..1_000 {
        process.client.receive().await;
    }
    process.close().await;
    let (_, text, _) = ran(state.path(), &["audit", "show", "--json"]);
    let records = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let (mut each, mut counted) = (0, 0);
    for record in records {
        each += u64::from(record["kind"] == "denied");
        let lines = record["denied"].as_array().into_iter().flatten();
        let lines = lines.filter(|line| line["denied_by"] == "schema" && line["sub"] == "local");
        counted += lines.map(|line| line["denials"].as_u64().unwrap()).sum::<u64>();
    }
    assert_eq!(each + counted, 1_000, "{text}");
    assert!(counted > 0 && each > 0, "{each} {counted}");
}

#[tokio::test]
async fn record_of_a_call_with_a_token_names_subject_and_issuer() {
    let state = tempfile::tempdir().unwrap();
    let signer = Signer::named("ed");
    let issuer = Issuer::with(&[&signer]).await;
    let flags = ["--oauth-issuer", &issuer.address, "--oauth-audience", AUDIENCE];
    let mut site = HttpServer::start(ledger(state.path(), &[]), &flags).await;
    let claims = json!({
        "iss": issuer.address,
        "sub": "ada",
        "aud": AUDIENCE,
        "exp": jiff::Timestamp::now().as_second() + 3_600,
        "scope": "write:drawer read:nothing",
    });
    let token = signer.sign(&claims);
    let enter = call("enter", json!({"n": 1})).bearer(&token);
    assert_eq!(site.send(&enter).await.status, 200);
    assert_eq!(site.send(&call("nowhere", json!({})).bearer(&token)).await.status, 200);
    site.process.signal("TERM");
    assert_eq!(site.wait().await.code(), Some(0));

    let records = log::records(&state.path().join("ledger/audit"));
    let kinds: Vec<&str> = records.iter().filter_map(|record| record["kind"].as_str()).collect();
    assert_eq!(kinds, ["server", "server", "intent", "outcome", "denied", "server"]);
    for record in &records[2..5] {
        let caller = json!({"iss": issuer.address, "sub": "ada", "client": "tests/0"});
        assert_eq!((&record["caller"], &record["transport"]), (&caller, &json!("http")), "{record}");
        assert_eq!(record["scopes"], "read:nothing write:drawer");
    }
    assert!(!records.iter().any(|record| record.to_string().contains(&token)));
}
