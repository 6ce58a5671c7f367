//! A server that is told to stop: what is in flight has its whole answer, what comes too late is told, exit codes tell.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use candor_tests::{
    http::{Ask, Site, call, until},
    wire::{Process, call as line, initialize},
};
use serde_json::json;

fn web() -> Command {
    Command::new(env!("CARGO_BIN_EXE_web"))
}

/// Sends a call that takes so long, and waits until it is at work.
async fn at_work(site: &Site, time: u64) -> candor_tests::http::Connection {
    let mut busy = site.connect().await;
    let ask = call("alone", json!({"time": time}));
    busy.send(&ask.bytes(site.address)).await;
    until(async || site.ask(&call("at_work", json!({}))).await.message()["result"]["structuredContent"] == 1)
        .await;
    busy
}

#[tokio::test]
async fn a_call_in_flight_has_its_whole_answer_and_the_process_ends_well() {
    for signal in ["TERM", "INT"] {
        let mut site = Site::start(web(), &[]).await;
        let mut busy = at_work(&site, 5_000).await;
        site.program.signal(signal);
        let answer = busy.answer().await.expect("its answer");
        assert_eq!(answer.status, 200, "{signal}: {answer:?}");
        assert_eq!(answer.message()["result"]["isError"], false, "{answer:?}");
        assert_eq!(site.ended().await.code(), Some(0), "{signal}");
    }
}

#[tokio::test]
async fn readiness_turns_first_and_then_new_calls_are_told_to_come_back() {
    let mut site = Site::start(web(), &["--drain-delay", "1s"]).await;
    let mut kept = site.connect().await;
    kept.send(&call("hello", json!({})).bytes(site.address)).await;
    assert_eq!(kept.answer().await.unwrap().status, 200);
    let mut busy = at_work(&site, 3_000).await;
    assert_eq!(site.ask(&Ask::get("/readyz")).await.status, 200);
    site.program.signal("TERM");
    until(async || site.ask(&Ask::get("/readyz")).await.status != 200).await;
    assert_eq!(site.ask(&Ask::get("/livez")).await.status, 200);
    site.is_alive().await;
    // After the delay nobody is let in: not over a connection there is, nor over a new one.
    let refused = loop {
        kept.send(&call("hello", json!({})).bytes(site.address)).await;
        let answer = kept.answer().await.expect("the connection is kept");
        if answer.status != 200 {
            break answer;
        }
    };
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert_eq!(refused.message()["error"]["data"]["reason"], "shutting_down");
    assert!(tokio::net::TcpStream::connect(site.address).await.is_err(), "nothing listens any more");
    assert_eq!(busy.answer().await.unwrap().status, 200);
    assert_eq!(site.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_call_that_is_turned_away_by_a_server_that_stops_is_on_record() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut site = Site::start(web(), &["--audit", log.to_str().unwrap()]).await;
    let mut kept = site.connect().await;
    let mut busy = at_work(&site, 2_000).await;
    site.program.signal("TERM");
    let mut let_in = 0;
    loop {
        kept.send(&call("hello", json!({})).bytes(site.address)).await;
        let answer = kept.answer().await.expect("the connection is kept");
        if answer.status == 503 {
            break;
        }
        let_in += 1;
    }
    assert_eq!(busy.answer().await.unwrap().status, 200);
    assert_eq!(site.ended().await.code(), Some(0));
    let records = candor_tests::log::records(&log);
    let denied: Vec<_> = records.iter().filter(|record| record["kind"] == "denied").collect();
    assert_eq!(denied.len(), 1, "{denied:?}");
    assert_eq!(denied[0]["decision"], json!({"verdict": "deny", "denied_by": "draining"}));
    assert_eq!(denied[0]["transport"], "http");
    let ran = |record: &&serde_json::Value| record["kind"] == "outcome" && record["tool"] == "hello";
    assert_eq!(records.iter().filter(ran).count(), let_in, "what was let in ran, and what was not did not");
}

#[tokio::test]
async fn what_takes_too_long_is_cut_off_and_the_exit_code_tells() {
    let mut site = Site::start(web(), &["--drain-timeout", "500ms"]).await;
    let mut busy = at_work(&site, 30_000).await;
    let start = Instant::now();
    site.program.signal("TERM");
    let answer = busy.answer().await.expect("it is told");
    assert_eq!((answer.status, &answer.message()["id"]), (503, &json!(7)), "{answer:?}");
    assert_eq!(site.ended().await.code(), Some(1));
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    for (first, second) in [("TERM", "TERM"), ("INT", "TERM")] {
        let mut site = Site::start(web(), &["--drain-delay", "30s"]).await;
        let _busy = at_work(&site, 30_000).await;
        site.program.signal(first);
        until(async || site.ask(&Ask::get("/readyz")).await.status != 200).await;
        let start = Instant::now();
        site.program.signal(second);
        assert_eq!(site.ended().await.code(), Some(1));
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    }
}

#[tokio::test]
async fn a_stream_that_no_call_waits_for_holds_up_nobody() {
    let mut site = Site::start(web(), &[]).await;
    let session = site.session(None).await;
    let mut stream = site.connect().await;
    let ask = Ask::get("/mcp").with("accept", "text/event-stream").with("mcp-session-id", &session);
    stream.send(&ask.bytes(site.address)).await;
    let idle = site.connect().await;
    site.is_alive().await;
    let start = Instant::now();
    site.program.signal("TERM");
    assert_eq!(site.ended().await.code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    drop(idle);
}

/// `web` under `unshare --pid --fork`, where it is process 1; not everywhere may that be done.
fn as_process_one(flags: &[&str]) -> Option<Command> {
    let namespaces = ["--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let may = Command::new("unshare").args(namespaces).arg("true").output();
    if !may.is_ok_and(|ended| ended.status.success()) {
        eprintln!("skipped: this machine lets nobody make a process namespace");
        return None;
    }
    let mut command = Command::new("unshare");
    let program = env!("CARGO_BIN_EXE_web");
    command.args(namespaces).args([program, "serve"]).args(flags);
    Some(command)
}

#[tokio::test]
async fn process_one_hears_signals_as_any_other() {
    let Some(command) = as_process_one(&["--http", "127.0.0.1:0"]) else { return };
    let mut site = Site::run(command).await;
    let mut busy = at_work(&site, 2_000).await;
    site.program.signal_child("TERM");
    assert_eq!(busy.answer().await.unwrap().status, 200);
    assert_eq!(site.ended().await.code(), Some(0));
}

#[tokio::test]
async fn on_stdio_a_signal_lets_calls_end_and_begins_none() {
    let mut command = web();
    command.arg("serve");
    let mut process = Process::start(command);
    process.wire.ask(initialize("2025-11-25")).await;
    process.wire.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    process.wire.say(line(&json!("slow"), "alone", json!({"time": 3_000}))).await;
    until(async || {
        process.wire.call("at_work", json!({})).await["result"]["structuredContent"]["result"] == 1
    })
    .await;
    process.program.signal("TERM");
    let late = loop {
        let answer = process.wire.ask(line(&json!("late"), "hello", json!({}))).await;
        if answer["error"].is_object() {
            break answer;
        }
        assert_eq!(answer["id"], "late", "the slow call is answered last: {answer}");
    };
    assert_eq!(late["error"]["data"], json!({"reason": "shutting_down", "retryAfterSeconds": 1}));
    let slow = process.wire.hear().await;
    assert_eq!((&slow["id"], &slow["result"]["isError"]), (&json!("slow"), &json!(false)), "{slow}");
    // Its input is still open.
    assert_eq!(process.wire.hear_or_end().await, None);
    assert_eq!(process.end().await.status.code(), Some(0));
}

#[tokio::test]
async fn on_stdio_what_takes_too_long_is_cut_off_too() {
    for by_signal in [true, false] {
        let mut command = web();
        command.args(["serve", "--drain-timeout", "300ms"]);
        let mut process = Process::start(command);
        process.wire.ask(initialize("2025-11-25")).await;
        process.wire.say(line(&json!("slow"), "alone", json!({"time": 30_000}))).await;
        until(async || {
            process.wire.call("at_work", json!({})).await["result"]["structuredContent"]["result"] == 1
        })
        .await;
        if by_signal {
            process.program.signal("INT");
            while process.wire.hear_or_end().await.is_some() {}
        }
        assert_eq!(process.end().await.status.code(), Some(1), "{by_signal}");
    }
}

#[tokio::test]
async fn ready_is_what_the_servers_own_checks_say() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ready");
    let mut command = web();
    command.env("WEB", format!("ready={} slow", file.display()));
    let site = Site::start(command, &[]).await;
    let answer = site.ask(&Ask::get("/readyz")).await;
    assert_eq!((answer.status, answer.message()), (503, json!({"ready": false, "failed": ["file", "slow"]})));
    assert_eq!(site.ask(&Ask::get("/livez")).await.status, 200);
    std::fs::write(&file, "").unwrap();
    until(async || !site.ask(&Ask::get("/readyz")).await.body.contains("file")).await;
}

#[tokio::test]
async fn health_is_asked_for_without_curl_and_in_a_place_of_its_own() {
    let place = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut site = Site::start(web(), &["--health", &place, "--drain-delay", "1s"]).await;
    let health = |place: String| async move {
        let run = move || web().args(["health", &place]).output().unwrap();
        let ended = tokio::task::spawn_blocking(run).await.unwrap();
        (ended.status.code(), String::from_utf8(ended.stdout).unwrap())
    };
    assert_eq!(health(place.clone()).await, (Some(0), "{\"failed\":[],\"ready\":true}\n".to_owned()));
    assert_eq!(site.ask(&Ask::get("/readyz")).await.status, 404, "not where calls are answered");
    site.program.signal("TERM");
    until(async || health(place.clone()).await.0 != Some(0)).await;
    assert_eq!(site.ended().await.code(), Some(0));
    assert_eq!(health(place).await.0, Some(1), "nobody is there");
}
