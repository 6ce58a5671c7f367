//! Tasks of a server in a process of its own: whose they are, what gateways read, and what is waited for at the end.

use std::{fs, path::Path, process::Command};

use candor_tests::{
    http::{Answer, Ask, Site, modern, tokens},
    log::records,
    wire::{self, Process},
};
use serde_json::{Value, json};

fn conformance() -> Command {
    Command::new(env!("CARGO_BIN_EXE_conformance"))
}

/// The same request of a client that takes tasks.
fn taking_tasks(body: &str) -> String {
    let none = "\"io.modelcontextprotocol/clientCapabilities\":{}";
    let tasks = "\"io.modelcontextprotocol/clientCapabilities\":{\"extensions\":{\"io.modelcontextprotocol/tasks\":{}}}";
    assert!(body.contains(none), "{body}");
    body.replace(none, tasks)
}

fn ask(method: &str, name: &str, params: Value) -> Ask {
    let ask = modern(method, params).with("mcp-name", name);
    Ask { body: taking_tasks(&ask.body), ..ask }
}

fn compute(seconds: u32) -> Value {
    json!({"name": "slow_compute", "arguments": {"seconds": seconds}})
}

fn of_task(method: &str, id: &str) -> Ask {
    ask(method, id, json!({"taskId": id, "inputResponses": {}}))
}

fn id_of(answer: &Answer) -> String {
    answer.message()["result"]["taskId"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

/// How calls of `slow_compute` ended, by the audit log.
fn endings(log: &Path) -> Vec<String> {
    let records = records(log).into_iter().filter(|record| record["tool"] == "slow_compute");
    let ends = records.filter_map(|record| Some(record["outcome"]["status"].as_str()?.to_owned()));
    ends.collect()
}

#[tokio::test]
async fn a_task_is_its_callers_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = tokens(folder.path(), &[("ada", "ada", ""), ("eve", "eve", "")]);
    let site = Site::start(conformance(), &["--tokens", &file]).await;
    let id = id_of(&site.ask(&ask("tools/call", "slow_compute", compute(60)).bearer("ada")).await);
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        let elsewhere = site.ask(&of_task(method, &id).bearer("eve")).await;
        let nowhere = site.ask(&of_task(method, "no-such").bearer("eve")).await;
        assert_eq!((elsewhere.status, &elsewhere.body), (nowhere.status, &nowhere.body), "{method}");
        assert_eq!(elsewhere.message()["error"]["code"], -32602, "{elsewhere:?}");
    }
    let seen = site.ask(&of_task("tasks/get", &id).bearer("ada")).await;
    assert_eq!(seen.message()["result"]["status"], "working", "{seen:?}");
    let misnamed = site.ask(&of_task("tasks/get", &id).with("mcp-name", "another").bearer("ada")).await;
    assert_eq!((misnamed.status, &misnamed.message()["error"]["code"]), (400, &json!(-32020)));
}

#[tokio::test]
async fn a_caller_has_no_more_than_so_many_tasks() {
    let site = Site::start(conformance(), &[]).await;
    let begin = || ask("tools/call", "failing_job", json!({"name": "failing_job", "arguments": {}}));
    for _ in 0..64 {
        id_of(&site.ask(&begin()).await);
    }
    let refused = site.ask(&begin()).await;
    assert_eq!(refused.message()["error"]["code"], -31429, "{refused:?}");
    let plain = site.ask(&ask("tools/call", "slow_compute", compute(0))).await;
    assert_eq!(plain.message()["result"]["content"][0]["text"], "It took 0 s.", "{plain:?}");
}

#[tokio::test]
async fn a_server_that_is_to_stop_waits_for_its_tasks() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit");
    let mut site = Site::start(conformance(), &["--audit", log.to_str().unwrap()]).await;
    id_of(&site.ask(&ask("tools/call", "slow_compute", compute(2))).await);
    site.program.signal("TERM");
    assert_eq!(site.ended().await.code(), Some(0));
    assert_eq!(endings(&log), ["ok"], "{}", fs::read_to_string(candor_tests::log::segment(&log, 1)).unwrap());
}

#[tokio::test]
async fn a_client_that_has_gone_leaves_its_tasks_the_time_that_they_need() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit");
    let mut command = conformance();
    command.args(["serve", "--audit", log.to_str().unwrap()]);
    let mut process = Process::start(command);
    let call = wire::modern(&json!(1), "2026-07-28", "tools/call", compute(2));
    let answer = process.wire.ask(taking_tasks(&call)).await;
    assert_eq!(answer["result"]["resultType"], "task", "{answer}");
    let ended = process.end().await;
    assert!(ended.status.success(), "{}", ended.stderr);
    assert_eq!(endings(&log), ["ok"]);
}

#[tokio::test]
async fn a_server_does_not_wait_for_its_tasks_for_ever() {
    let mut site = Site::start(conformance(), &["--drain-timeout", "1s"]).await;
    id_of(&site.ask(&ask("tools/call", "slow_compute", compute(60))).await);
    site.program.signal("TERM");
    assert_eq!(site.ended().await.code(), Some(1), "a call was cut off");
}

#[test]
fn a_call_on_the_command_line_waits_for_the_task() {
    let call = |arguments: &[&str]| {
        let output = conformance().arg("call").args(arguments).output().expect("it runs");
        let [stdout, stderr] = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap());
        (output.status.code(), stdout, stderr)
    };
    let (code, _, stderr) = call(&["failing_job"]);
    assert_eq!((code, stderr.contains("the job failed, as it always does")), (Some(1), true), "{stderr}");
    let (code, _, stderr) = call(&["test_tool_with_task"]);
    assert_eq!((code, stderr.contains("--yes-destructive")), (Some(1), true), "{stderr}");
    let (code, stdout, stderr) = call(&["test_tool_with_task", "--yes-destructive"]);
    assert_eq!((code, &*stdout), (Some(0), "Hello, whoever you are!\n"), "{stderr}");
}
