//! Level three: the built program, called over its pipes and over HTTP.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use candor::{Revision, rmcp::model::SubscriptionFilter};
use serde_json::{Value, json};

use crate::program::{HttpProgram, StdioProgram};

const NOTES: &str = env!("CARGO_BIN_EXE_notes");

/// The options for a database in `folder`.
fn options(folder: &Path) -> [String; 4] {
    let db = folder.join("notes.db").display().to_string();
    ["--db".to_owned(), db, "--grant".to_owned(), "notes:write".to_owned()]
}

async fn start(folder: &Path, revision: Revision) -> StdioProgram {
    let options = options(folder);
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    StdioProgram::under(NOTES, &options, folder, revision).await
}

async fn titles(server: &StdioProgram) -> Vec<Value> {
    let listed = server.call("list_notes", json!({})).await;
    listed["notes"].as_array().unwrap().iter().map(|note| note["title"].clone()).collect()
}

async fn add(server: &StdioProgram, title: &str) {
    server.call("add_note", json!({"title": title, "text": "Milk"})).await;
}

#[tokio::test]
async fn notes_serves_over_stdio_under_each_revision() {
    let folder = tempfile::tempdir().unwrap();
    for revision in Revision::ALL {
        let server = start(folder.path(), revision).await;
        add(&server, revision.as_str()).await;
        let found = server.call("search_notes", json!({"text": revision.as_str()})).await;
        assert_eq!(found["notes"].as_array().unwrap().len(), 1, "{revision}");
        let exit = server.close().await;
        assert_eq!(exit.code, Some(0), "{}", exit.stderr);
        assert!(!exit.stderr.contains("warning"), "{}", exit.stderr);
    }
}

#[tokio::test]
async fn answered_notes_survive_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path(), Revision::V2026_07_28).await;
    for title in ["one", "two"] {
        add(&server, title).await;
    }
    server.kill().await;
    let server = start(folder.path(), Revision::V2026_07_28).await;
    assert_eq!(titles(&server).await, ["two", "one"]);
    assert_eq!(server.close().await.code, Some(0));
}

#[tokio::test]
async fn sigterm_writes_the_log_of_the_database_into_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path(), Revision::V2025_11_25).await;
    add(&server, "one").await;
    let exit = server.terminate().await;
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    // A copy of the file alone has the note.
    let copy = folder.path().join("copy");
    std::fs::create_dir(&copy).unwrap();
    std::fs::copy(folder.path().join("notes.db"), copy.join("notes.db")).unwrap();
    let server = start(&copy, Revision::V2025_11_25).await;
    assert_eq!(titles(&server).await, ["one"]);
    assert_eq!(server.close().await.code, Some(0));
}

#[tokio::test]
async fn open_subscription_does_not_delay_the_end() {
    let folder = tempfile::tempdir().unwrap();
    for by_signal in [true, false] {
        let server = start(folder.path(), Revision::V2026_07_28).await;
        let filter = SubscriptionFilter::builder().resource_subscriptions(["memo://notes"]).build();
        let mut listening = server.client.peer().listen(filter).await.unwrap();
        add(&server, "one").await;
        assert!(listening.next().await.unwrap().is_some());
        let start = Instant::now();
        let exit = if by_signal { server.terminate().await } else { server.close().await };
        assert_eq!(exit.code, Some(0), "{}", exit.stderr);
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    }
}

#[test]
fn notes_serves_over_http_and_shares_its_database() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path());
    let options: Vec<&str> = options.iter().map(String::as_str).chain(["--yes", "delete_notes"]).collect();
    let server = HttpProgram::start(NOTES, &options, folder.path());
    let added = server.call("add_note", json!({"title": "Shopping", "text": "Milk"}));
    assert_eq!(added["structuredContent"]["id"], 1);
    let read = server.request("resources/read", "memo://1", json!({"uri": "memo://1"}));
    assert_eq!(read["contents"][0]["text"], "# Shopping\n\nMilk\n");
    let prompt = server.request("prompts/get", "summarise_day", json!({"name": "summarise_day"}));
    assert!(prompt["messages"][0]["content"]["text"].as_str().unwrap().contains("# Shopping"), "{prompt}");
    let call = ["call", "list_notes", "--grant", "notes:read", "--db"];
    let output =
        std::process::Command::new(NOTES).args(call).arg(folder.path().join("notes.db")).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("Shopping"), "{output:?}");
    let deleted = server.call("delete_notes", json!({"matching": "shopping", "dry_run": false}));
    assert_eq!(deleted["structuredContent"]["ids"], json!([1]), "{deleted}");
    server.terminate();
    let exit = server.exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
}
