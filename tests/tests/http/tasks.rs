//! Tasks over HTTP: who may see them, their headers, their number, and what becomes of them at shutdown.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use candor_tests::{
    http::{HttpConnection, HttpRequest, HttpResponse, HttpServer, modern, write_token_file},
    log::ends,
    messages,
    stdio_server::StdioServer,
    wait::wait_until,
};
use serde_json::{Value, json};
use tokio::net::TcpStream;

fn conformance() -> Command {
    Command::new(env!("CARGO_BIN_EXE_conformance"))
}

fn web() -> Command {
    Command::new(env!("CARGO_BIN_EXE_web"))
}

/// The same request from a client that takes tasks.
fn with_task_capability(body: &str) -> String {
    let without = "\"io.modelcontextprotocol/clientCapabilities\":{}";
    let with = "\"io.modelcontextprotocol/clientCapabilities\":{\"extensions\":{\"io.modelcontextprotocol/tasks\":{}}}";
    assert!(body.contains(without), "{body}");
    body.replace(without, with)
}

fn request(method: &str, name: &str, params: Value) -> HttpRequest {
    let request = modern(method, params).with("mcp-name", name);
    HttpRequest { body: with_task_capability(&request.body), ..request }
}

fn slow_compute(seconds: u32) -> HttpRequest {
    let params = json!({"name": "slow_compute", "arguments": {"seconds": seconds}});
    request("tools/call", "slow_compute", params)
}

/// The parameters of a call of `alone`, which ends when the file `end` exists.
fn alone_until(end: &Path) -> Value {
    json!({"name": "alone", "arguments": {"time": 30_000, "until": end}})
}

fn task_request(method: &str, id: &str) -> HttpRequest {
    request(method, id, json!({"taskId": id, "inputResponses": {}}))
}

fn task_id(response: &HttpResponse) -> String {
    response.message()["result"]["taskId"].as_str().unwrap_or_else(|| panic!("{response:?}")).to_owned()
}

/// The statuses of the calls of `alone`, from the audit log.
fn recorded_statuses(log: &Path) -> Vec<String> {
    ends(log, "alone").into_iter().map(|(status, _)| status).collect()
}

/// A folder with an audit log, and with the file that ends a call of `alone`.
fn folder() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (log, end) = (folder.path().join("audit"), folder.path().join("end"));
    (folder, log, end)
}

#[tokio::test]
async fn task_is_visible_to_its_caller_only() {
    let folder = tempfile::tempdir().unwrap();
    let file = write_token_file(folder.path(), &[("ada", "ada", ""), ("eve", "eve", "")]);
    let server = HttpServer::start(conformance(), &["--tokens", &file]).await;
    let id = task_id(&server.send(&slow_compute(60).bearer("ada")).await);
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        let of_other_caller = server.send(&task_request(method, &id).bearer("eve")).await;
        let unknown = server.send(&task_request(method, "no-such").bearer("eve")).await;
        assert_eq!(
            (of_other_caller.status, &of_other_caller.body),
            (unknown.status, &unknown.body),
            "{method}"
        );
        assert_eq!(of_other_caller.message()["error"]["code"], -32602, "{of_other_caller:?}");
    }
    let task = server.send(&task_request("tasks/get", &id).bearer("ada")).await;
    assert_eq!(task.message()["result"]["status"], "working", "{task:?}");
    let misnamed = task_request("tasks/get", &id).with("mcp-name", "another");
    let refused = server.send(&misnamed.bearer("ada")).await;
    assert_eq!((refused.status, &refused.message()["error"]["code"]), (400, &json!(-32020)));
}

/// Starts this many tasks as one caller, all at once, and returns the responses that refuse one.
async fn refusals(address: SocketAddr, token: String, tasks: usize) -> Vec<HttpResponse> {
    let mut refused = Vec::new();
    let mut connections = Vec::new();
    let job = request("tools/call", "failing_job", json!({"name": "failing_job", "arguments": {}}));
    for _ in 0..tasks {
        let mut connection = HttpConnection::open(address).await;
        connection.send(&job.clone().bearer(&token).bytes(address)).await;
        connections.push(connection);
    }
    for mut connection in connections {
        let response = connection.response().await.expect("a response");
        if response.message()["result"]["resultType"] != "task" {
            refused.push(response);
        }
    }
    refused
}

#[tokio::test]
async fn tasks_over_a_limit_are_refused_with_status_429_and_the_time_to_wait() {
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..9).map(|n| format!("caller-{n}")).collect();
    let keys: Vec<_> = names.iter().map(|name| (name.as_str(), name.as_str(), "")).collect();
    let file = write_token_file(folder.path(), &keys);
    let server = HttpServer::start(conformance(), &["--tokens", &file]).await;
    // Eight callers with 64 tasks each. The first sends more at the same time.
    let callers = names.iter().take(8).enumerate();
    let starts: Vec<_> = callers
        .map(|(n, name)| {
            let tasks = if n == 0 { 70 } else { 64 };
            tokio::spawn(refusals(server.address, name.clone(), tasks))
        })
        .collect();
    let mut refused = Vec::new();
    for start in starts {
        refused.push(start.await.unwrap());
    }
    assert_eq!(refused.iter().map(Vec::len).collect::<Vec<_>>(), [6, 0, 0, 0, 0, 0, 0, 0]);
    let of_server = refusals(server.address, names[8].clone(), 1).await;
    for (refusals, limit, fact) in [
        (&refused[0], "caller", "this caller is at its limit of 64 tasks\n"),
        (&of_server, "server", "this server is at its limit of 512 tasks\n"),
    ] {
        for refused in refusals {
            let error = &refused.message()["error"];
            assert_eq!((refused.status, &error["code"]), (429, &json!(-31429)), "{refused:?}");
            assert!(error["message"].as_str().unwrap().starts_with(fact), "{refused:?}");
            let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
            // The tool's timeout of 30 s, and 10 min for the client to fetch the result.
            assert!((600..=630).contains(&seconds), "{refused:?}");
            let data = json!({"reason": "too_many_tasks", "limit": limit, "retryAfterSeconds": seconds});
            assert_eq!(error["data"], data);
        }
    }
    // A tool that can also answer plainly does so.
    let plain = server.send(&slow_compute(0).bearer(&names[0])).await;
    assert_eq!(plain.message()["result"]["content"][0]["text"], "It took 0 s.", "{plain:?}");
}

#[tokio::test]
async fn shutdown_waits_for_a_task() {
    let (_folder, log, end) = folder();
    let mut server = HttpServer::start(web(), &["--audit", log.to_str().unwrap()]).await;
    task_id(&server.send(&request("tools/call", "alone", alone_until(&end))).await);
    server.process.signal("TERM");
    wait_until(async || TcpStream::connect(server.address).await.is_err()).await;
    std::fs::write(&end, "").unwrap();
    assert_eq!(server.wait().await.code(), Some(0));
    assert_eq!(recorded_statuses(&log), ["ok"]);
}

#[tokio::test]
async fn end_of_input_waits_for_a_task() {
    let (_folder, log, end) = folder();
    let mut command = web();
    command.args(["serve", "--audit", log.to_str().unwrap()]);
    let mut server = StdioServer::start(command);
    let call = messages::modern(&json!(1), "2026-07-28", "tools/call", alone_until(&end));
    let answer = server.client.exchange(with_task_capability(&call)).await;
    assert_eq!(answer["result"]["resultType"], "task", "{answer}");
    server.client.close().await;
    let ended = server.process.ends_within(Duration::from_millis(300)).await;
    assert!(!ended, "the server ended before its task");
    std::fs::write(&end, "").unwrap();
    let exit = server.close().await;
    assert!(exit.status.success(), "{}", exit.stderr);
    assert_eq!(recorded_statuses(&log), ["ok"]);
}

#[tokio::test]
async fn shutdown_past_the_drain_timeout_cuts_a_task_off() {
    let (_folder, _, never) = folder();
    let mut server = HttpServer::start(web(), &["--drain-timeout", "100ms"]).await;
    task_id(&server.send(&request("tools/call", "alone", alone_until(&never))).await);
    server.process.signal("TERM");
    assert_eq!(server.wait().await.code(), Some(1), "a call was cut off");
}

#[test]
fn call_command_waits_for_a_task() {
    let call = |arguments: &[&str]| {
        let output = conformance().arg("call").args(arguments).output().expect("it runs");
        let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        (output.status.code(), stdout, stderr)
    };
    let (code, _, stderr) = call(&["failing_job"]);
    assert_eq!((code, stderr.contains("the job failed, as it always does")), (Some(1), true), "{stderr}");
    let (code, _, stderr) = call(&["test_tool_with_task"]);
    assert_eq!((code, stderr.contains("--yes test_tool_with_task")), (Some(1), true), "{stderr}");
    let (code, stdout, stderr) = call(&["test_tool_with_task", "--yes-destructive"]);
    assert_eq!((code, &*stdout), (Some(0), "Hello, stranger!\n"), "{stderr}");
}
