//! The metrics of this moment: calls in flight, tasks, sessions, and the state of the audit log.

use std::process::Command;

use candor::{AuditLog, Revision, Server, Service, State, mcp_tool, testing::Disk, tools};
use candor_tests::{
    gate::Gate,
    http::{HttpRequest, HttpServer},
    messages,
    raw_client::RawClient,
    task_client::TaskClient,
    task_server,
    wait::wait_until,
};
use serde_json::json;

#[derive(State)]
struct App {
    gate: Gate,
}

/// Write something down, and wait.
#[mcp_tool(additive, closed_world, public)]
async fn write_down(gate: &Gate) -> &'static str {
    gate.pass().await;
    "written"
}

/// Look at something.
#[mcp_tool(read_only, closed_world, public)]
fn look() -> &'static str {
    "seen"
}

fn value(service: &Service, name: &str) -> u64 {
    let metrics = service.metrics();
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {metrics}")).parse().expect("a number")
}

#[tokio::test]
async fn calls_in_flight_are_counted_until_they_are_answered() {
    let gate = Gate::closed();
    let server =
        Server::new("counted", "1.0.0").state(App { gate: gate.clone() }).tools(tools![write_down, look]);
    let service = server.unaudited().build().unwrap();
    let mut client = RawClient::initialized(service.clone()).await;
    for id in 0..3 {
        client.send(messages::call(&json!(id), "write_down", json!({}))).await;
    }
    wait_until(async || value(&service, "candor_calls_in_flight") == 3).await;
    gate.admit(2);
    for _ in 0..2 {
        client.receive().await;
    }
    wait_until(async || value(&service, "candor_calls_in_flight") == 1).await;
    // A call whose client leaves has ended, too.
    client.send(messages::cancel(&json!(2))).await;
    client.send(messages::cancel(&json!(0))).await;
    client.send(messages::cancel(&json!(1))).await;
    wait_until(async || value(&service, "candor_calls_in_flight") == 0).await;
}

#[tokio::test]
async fn tasks_are_counted_while_they_are_kept() {
    let gate = Gate::closed();
    let service = task_server::service(&gate, "");
    let mut client = TaskClient::connect(service.clone()).await;
    assert_eq!(value(&service, "candor_tasks"), 0);
    let id = client.start_task("wait", json!({"word": "done"})).await;
    assert_eq!(value(&service, "candor_tasks"), 1);
    gate.admit(1);
    client.settled(&id).await;
    assert_eq!(value(&service, "candor_tasks"), 1, "its result can still be asked for");
}

#[tokio::test]
async fn records_that_wait_or_cannot_be_written_are_counted() {
    let (folder, disk, gate) = (tempfile::tempdir().unwrap(), Disk::faulty(), Gate::closed());
    gate.admit(100);
    let log = AuditLog::at(folder.path()).disk(disk.clone());
    let server = Server::new("counted", "1.0.0").state(App { gate }).tools(tools![write_down, look]);
    let service = server.audit(log).build().unwrap();
    let mut client = RawClient::initialized(service.clone()).await;
    assert_eq!(value(&service, "candor_audit_failures_total"), 0);
    disk.set_stalled(true);
    // The first records keep the writer busy; those of reads wait in the queue, and their calls do not.
    client.send(messages::call(&json!("waits"), "write_down", json!({}))).await;
    for _ in 0..5 {
        assert_eq!(client.call("look", json!({})).await["result"]["content"][0]["text"], "seen");
    }
    wait_until(async || value(&service, "candor_audit_queue_records") >= 4).await;
    disk.set_stalled(false);
    client.receive().await;
    wait_until(async || value(&service, "candor_audit_queue_records") == 0).await;
    disk.set_full(true);
    let refused = client.call("write_down", json!({})).await;
    assert_eq!(refused["error"]["data"]["reason"], "not_run", "{refused}");
    wait_until(async || value(&service, "candor_audit_failures_total") >= 1).await;
    disk.set_full(false);
}

#[tokio::test]
async fn sessions_are_counted_until_they_end() {
    let server = HttpServer::start(Command::new(env!("CARGO_BIN_EXE_fixture")), &[]).await;
    let sessions = async || {
        let metrics = server.send(&HttpRequest::get("/metrics")).await.body;
        let line = metrics.lines().find_map(|line| line.strip_prefix("candor_sessions "));
        line.expect("the gauge").parse::<u64>().expect("a number")
    };
    assert_eq!(sessions().await, 0);
    let session = server.open_session(None).await;
    server.open_session(None).await;
    assert_eq!(sessions().await, 2);
    let end = HttpRequest { line: "DELETE /mcp".to_owned(), ..HttpRequest::get("") };
    let end = end.with("mcp-session-id", &session);
    server.send(&end.with("mcp-protocol-version", Revision::V2025_11_25.as_str())).await;
    wait_until(async || sessions().await == 1).await;
}
