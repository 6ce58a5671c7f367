//! Sends calls again to real processes: after a restart, a kill, a cancellation and a shutdown.

use std::{fs, process::Command};

use candor_tests::{
    http::{HttpServer, modern},
    log,
    messages::cancel,
    orders::{KEY, OTHER_KEY},
    orders_site::{OrdersSite, is_replayed, keyed_call, order_under, reason},
    wait::wait_until,
};
use serde_json::{Value, json};

const ORDERS: &str = env!("CARGO_BIN_EXE_orders");

#[tokio::test]
async fn next_process_replays_what_the_last_one_did() {
    let folder = tempfile::tempdir().unwrap();
    let site = OrdersSite::new(ORDERS, folder.path());
    let mut server = site.start().await;
    let first = order_under(&mut server, KEY).await;
    assert!(!is_replayed(&first), "{first}");
    server.close().await;
    let mut server = site.start().await;
    let again = order_under(&mut server, KEY).await;
    assert!(is_replayed(&again));
    assert_eq!(again["result"]["content"], first["result"]["content"]);
    let ended = server.close().await;
    assert_eq!(site.effects(), [KEY]);
    // Neither the store, the log nor stderr contains the key.
    for file in [site.keys(), log::segment(&site.path("log"), 1)] {
        let bytes = fs::read(&file).unwrap();
        let key = bytes.windows(KEY.len()).any(|window| window == KEY.as_bytes());
        assert_eq!(
            key,
            file == site.keys(),
            "the result, which names its item, is the only text: {}",
            file.display()
        );
    }
    assert!(!ended.stderr.contains(KEY), "{}", ended.stderr);
    assert!(ended.stderr.contains("keys: ") && ended.stderr.contains("log.keys"), "{}", ended.stderr);
}

#[tokio::test]
async fn audit_log_records_the_state_of_each_key() {
    let folder = tempfile::tempdir().unwrap();
    let site = OrdersSite::new(ORDERS, folder.path());
    let mut server = site.start().await;
    order_under(&mut server, KEY).await;
    order_under(&mut server, KEY).await;
    server.client.exchange(keyed_call(&json!(1), KEY, "put", json!({"item": "x"}))).await;
    server.close().await;
    let records = log::records(&site.path("log"));
    let hash = Command::new(ORDERS).args(["audit", "hash", KEY]).arg(site.path("log")).output().unwrap();
    let hash = String::from_utf8(hash.stdout).unwrap().trim().to_owned();
    let entries: Vec<_> = records
        .iter()
        .filter(|record| record["idempotency"].is_object())
        .map(|record| {
            assert_eq!(record["idempotency"]["key"], hash.as_str(), "{record}");
            (
                record["kind"].as_str().unwrap(),
                record["idempotency"]["state"].as_str().unwrap(),
                &record["idempotency"]["replayed"],
            )
        })
        .collect();
    assert_eq!(
        entries,
        [
            ("intent", "in_progress", &Value::Null),
            ("read", "completed", &json!(true)),
            ("denied", "mismatch", &Value::Null)
        ]
    );
    let outcomes = records.iter().filter(|record| record["kind"] == "outcome").count();
    assert_eq!(outcomes, 1, "a replay has one record, since nothing runs");
    let (code, report) = log::verified(ORDERS, &site.path("log"), &[]);
    assert_eq!((code, &report["intact"]), (Some(0), &json!(true)), "{report}");
}

#[tokio::test]
async fn killed_call_is_unknown_and_an_idempotent_one_runs_again() {
    let folder = tempfile::tempdir().unwrap();
    let site = OrdersSite::new(ORDERS, folder.path());
    let mut server = site.start().await;
    server.client.send(keyed_call(&json!(1), KEY, "order_slowly", json!({"item": "slow"}))).await;
    server
        .client
        .send(keyed_call(&json!(2), "put-0123456789abcdef", "put_slowly", json!({"item": "put"})))
        .await;
    wait_until(async || site.effects().len() == 2).await;
    server.process.signal("KILL");
    server.close().await;
    let mut server = site.start().await;
    // The next process knows at once that the attempt is dead.
    let answer =
        server.client.exchange(keyed_call(&json!(2), KEY, "order_slowly", json!({"item": "slow"}))).await;
    assert_eq!(reason(&answer), Some("idempotency_outcome_unknown"), "{answer}");
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    let intent = log::records(&site.path("log"))
        .into_iter()
        .find(|record| record["kind"] == "intent" && record["tool"] == "order_slowly")
        .unwrap();
    let call = intent["call_id"].as_str().unwrap();
    assert!(text.contains("began at 2") && text.contains(call) && text.contains("new key"), "{text}");
    // Another call under the key is told nothing of this one.
    let other = server.client.exchange(keyed_call(&json!(3), KEY, "order", json!({"item": "x"}))).await;
    assert_eq!(reason(&other), Some("idempotency_mismatch"), "{other}");
    // A call that may be repeated begins anew.
    server
        .client
        .send(keyed_call(&json!(4), "put-0123456789abcdef", "put_slowly", json!({"item": "put"})))
        .await;
    wait_until(async || site.effects().len() == 3).await;
    server.process.signal("KILL");
    server.close().await;
    let count = |item: &str| site.effects().iter().filter(|effect| *effect == item).count();
    assert_eq!((count("slow"), count("put")), (1, 2), "one never runs again, the other does");
}

#[tokio::test]
async fn key_of_a_tool_that_the_next_version_declares_otherwise_is_a_mismatch() {
    let folder = tempfile::tempdir().unwrap();
    let site = OrdersSite::new(ORDERS, folder.path());
    let book = |id, item: &str| keyed_call(&json!(id), KEY, "book", json!({"item": item}));
    let mut server = site.start_version("1.0.0").await;
    let booked = server.client.exchange(book(1, "x")).await;
    assert!(!is_replayed(&booked) && reason(&booked).is_none(), "{booked}");
    order_under(&mut server, OTHER_KEY).await;
    server.close().await;
    let mut server = site.start_version("2.0.0").await;
    let text = |answer: &Value| answer["result"]["content"][0]["text"].as_str().map(str::to_owned).unwrap();
    let redeclared = server.client.exchange(book(1, "x")).await;
    assert_eq!(reason(&redeclared), Some("idempotency_mismatch"), "{redeclared}");
    assert!(text(&redeclared).starts_with("the tool's declaration changed since this key was used"));
    let other = server.client.exchange(book(2, "y")).await;
    assert_eq!(reason(&other), Some("idempotency_mismatch"), "{other}");
    assert!(text(&other).starts_with("this idempotency key was sent with another call before"), "{other}");
    assert!(is_replayed(&order_under(&mut server, OTHER_KEY).await), "its tool is declared as before");
    server.close().await;
    let mut server = site.start_version("1.1.0").await;
    assert!(is_replayed(&server.client.exchange(book(3, "x")).await));
    server.close().await;
    assert_eq!(site.effects(), ["booked x", OTHER_KEY]);
}

#[tokio::test]
async fn call_that_its_client_cancels_is_finished_and_stored() {
    let folder = tempfile::tempdir().unwrap();
    let site = OrdersSite::new(ORDERS, folder.path());
    let mut server = site.start().await;
    // The client cancels, and closes its end: the process waits for the handler.
    server.client.send(keyed_call(&json!(1), KEY, "order_briefly", json!({"item": "brief"}))).await;
    server.client.send(cancel(&json!(1))).await;
    server.close().await;
    assert_eq!(site.effects(), ["begun brief", "done brief"]);
    let mut server = site.start().await;
    let again =
        server.client.exchange(keyed_call(&json!(2), KEY, "order_briefly", json!({"item": "brief"}))).await;
    assert!(is_replayed(&again), "{again}");
    server.close().await;
}

#[tokio::test]
async fn shutdown_waits_for_calls_whose_clients_are_gone() {
    let folder = tempfile::tempdir().unwrap();
    let site = OrdersSite::new(ORDERS, folder.path());
    let mut command = site.serve();
    command.args(["--http", "127.0.0.1:0"]);
    let mut server = HttpServer::start_command(command).await;
    let call = |key: &str| {
        let arguments = json!({"item": "brief"});
        modern("tools/call", json!({"name": "order_briefly", "arguments": arguments}))
            .with("mcp-name", "order_briefly")
            .with("idempotency-key", &format!("\"{key}\""))
    };
    let mut connection = server.connect().await;
    connection.send(&call(KEY).bytes(server.address)).await;
    wait_until(async || site.effects() == ["begun brief"]).await;
    drop(connection);
    server.process.signal("TERM");
    assert_eq!(server.wait().await.code(), Some(0));
    assert_eq!(site.effects(), ["begun brief", "done brief"]);
    let mut command = site.serve();
    command.args(["--http", "127.0.0.1:0"]);
    let server = HttpServer::start_command(command).await;
    let again = server.send(&call(KEY)).await.message();
    assert!(is_replayed(&again), "{again}");
}
