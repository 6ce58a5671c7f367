//! Tests at level three: the built program, called by a client over its pipes.

use std::{
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use candor::{
    Revision,
    testing::{Client, ClientBuilder, ElicitAction},
};
use serde_json::{Value, json};
use tokio::{
    io::AsyncReadExt as _,
    process::{Child, Command},
};

/// A process of `prices serve`, with a client.
struct RunningServer {
    client: Client,
    child: Child,
}

impl RunningServer {
    async fn start(folder: &Path, grants: &str, revision: Option<Revision>) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_prices"))
            .args(["serve", "--grant", grants])
            .env("PRICES_DATA", folder)
            .env("XDG_STATE_HOME", folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (stdout, stdin) = (child.stdout.take().unwrap(), child.stdin.take().unwrap());
        let builder = ClientBuilder::new().on_confirm(|_question| ElicitAction::Accept);
        Self { client: builder.connect(stdout, stdin, revision).await.unwrap(), child }
    }

    async fn call(&self, tool: &str, arguments: Value) -> Value {
        let answer = self.client.call(tool, arguments).await.unwrap();
        assert!(!answer.is_error, "{}", answer.text());
        answer.structured.unwrap()
    }

    /// Closes the connection, waits until the program ends by itself, and returns its status and its stderr.
    async fn stop(mut self) -> (ExitStatus, String) {
        self.client.close().await;
        let status = tokio::time::timeout(Duration::from_secs(20), self.child.wait()).await;
        let mut stderr = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).await.unwrap();
        (status.expect("it ends by itself").unwrap(), stderr)
    }
}

/// The start of stderr if every scope is granted and the kernel supports every sandbox.
const STARTUP: &str =
    "prices 0.1.0 on stdio: 7 of 7 tools available\n  the kernel enforces read_only and closed_world\n";

const ALL: &str = "read:prices read:alerts write:alerts";

#[tokio::test]
async fn serve_starts_lists_calls_and_stops_under_each_revision() {
    let folder = tempfile::tempdir().unwrap();
    for revision in Revision::ALL {
        let server = RunningServer::start(folder.path(), "read:prices", Some(revision)).await;
        assert_eq!(server.client.revision().as_deref(), Some(revision.as_str()));
        let tools = server.client.tools().await.unwrap();
        assert_eq!(tools.len(), 4, "{revision}");
        let quote = server.call("get_stock_price", json!({"symbol": "AAPL"})).await;
        assert_eq!(quote, json!({"symbol": "AAPL", "date": "2010-03-01", "price": 223.02}), "{revision}");
        let refused = server.client.call("clear_alerts", json!({"symbol": "AAPL"})).await.unwrap_err();
        assert_eq!(refused.code, -31403, "{revision}");
        let (status, stderr) = server.stop().await;
        assert_eq!(status.code(), Some(0), "{revision}");
        let log = folder.path().join("prices/audit").display().to_string();
        // One line a call, and the others are for people.
        let (calls, others): (Vec<_>, Vec<_>) = stderr.lines().partition(|line| line.starts_with('{'));
        let calls: Vec<Value> = calls.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let outcomes: Vec<_> = calls.iter().map(|call| (&call["tool"], &call["outcome"])).collect();
        let expected = [(json!("get_stock_price"), json!("ok")), (json!("clear_alerts"), json!("error"))];
        assert_eq!(outcomes, expected.each_ref().map(|(tool, outcome)| (tool, outcome)), "{revision}");
        assert_eq!(
            (others.join("\n") + "\n").replace(&log, "LOG"),
            "prices 0.1.0 on stdio: 4 of 7 tools available\n  \
               the kernel enforces read_only and closed_world\n  \
               audit: LOG, not signed (`audit key new` makes a key)\n  \
               keys: LOG.keys\n  \
               hidden without `read:alerts`: list_alerts\n  \
               hidden without `write:alerts`: clear_alerts, set_alert\n\
             help: to show them all: prices serve --grant \"read:prices write:alerts read:alerts\"\n"
        );
    }
    let files: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files, ["prices"], "only the audit log and the key store are written");
}

#[tokio::test]
async fn client_without_a_revision_gets_the_newest() {
    let folder = tempfile::tempdir().unwrap();
    let server = RunningServer::start(folder.path(), ALL, None).await;
    assert_eq!(server.client.revision().as_deref(), Some("2026-07-28"));
    let (status, stderr) = server.stop().await;
    let log = folder.path().join("prices/audit");
    let log = log.display();
    let startup =
        format!("{STARTUP}  audit: {log}, not signed (`audit key new` makes a key)\n  keys: {log}.keys\n");
    assert_eq!((status.code(), stderr), (Some(0), startup));
}

#[tokio::test]
async fn alerts_survive_a_restart_and_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let alert = |price: u32| json!({"symbol": "AAPL", "when": "above", "price": price});
    let server = RunningServer::start(folder.path(), ALL, None).await;
    assert_eq!(server.call("set_alert", alert(250)).await["id"], 1);
    assert_eq!(server.stop().await.0.code(), Some(0));

    let mut server = RunningServer::start(folder.path(), ALL, None).await;
    assert_eq!(server.call("set_alert", alert(300)).await["id"], 2);
    server.child.kill().await.unwrap();

    let server = RunningServer::start(folder.path(), ALL, None).await;
    let listed = server.call("list_alerts", json!({})).await;
    let prices: Vec<_> = listed["alerts"].as_array().unwrap().iter().map(|alert| &alert["price"]).collect();
    assert_eq!(prices, [250.0, 300.0], "an answered write is on the disk");
    assert_eq!(server.call("clear_alerts", json!({"symbol": "AAPL"})).await["removed"], 2);
    assert_eq!(server.stop().await.0.code(), Some(0));
}

#[tokio::test]
async fn second_server_on_one_folder_gets_help() {
    let folder = tempfile::tempdir().unwrap();
    let first = RunningServer::start(folder.path(), ALL, None).await;
    first.call("set_alert", json!({"symbol": "IBM", "when": "below", "price": 1})).await;
    let second = RunningServer::start(folder.path(), ALL, None).await;
    let answer = second.client.call("list_alerts", json!({})).await.unwrap();
    assert!(answer.is_error);
    assert!(answer.text().contains("set PRICES_DATA to another folder"), "{}", answer.text());
    second.call("get_stock_price", json!({"symbol": "IBM"})).await;
    assert_eq!(first.stop().await.0.code(), Some(0));
    assert_eq!(
        second.call("list_alerts", json!({})).await["alerts"][0]["id"],
        1,
        "the file is no longer locked"
    );
    assert_eq!(second.stop().await.0.code(), Some(0));
}
