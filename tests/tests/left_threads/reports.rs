//! Threads that outlive a sandboxed call: they are reported once, and fail a test.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    process::Command,
    sync::{Arc, Barrier},
    thread,
};

use candor::{
    Revision, Server, State, mcp_tool,
    testing::{Client, ClientBuilder},
    tools,
};
use candor_tests::{
    stdio_server::{Exit, StdioServer},
    wait::wait_until,
};
use serde_json::{Value, json};

use super::TURN;

async fn pools(pool_first: bool) -> StdioServer {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pools"));
    command.args(["serve", "--quiet"]);
    if pool_first {
        command.env("POOL_FIRST", "1");
    }
    let mut server = StdioServer::start(command);
    server.client.initialize(Revision::V2025_11_25).await;
    server
}

async fn call(server: &mut StdioServer, tool: &str, folder: &Path) -> Value {
    let arguments = if ["save", "lie"].contains(&tool) { json!({"folder": folder}) } else { json!({}) };
    server.client.call(tool, arguments).await["result"].take()
}

fn assert_no_warning(exit: &Exit) {
    assert_eq!(exit.status.code(), Some(0), "{}", exit.stderr);
    assert_eq!(exit.stderr, "");
}

/// Whether a text says that a declaration is wrong.
fn accuses(text: &str) -> bool {
    ["declared", "declaration"].iter().any(|word| text.contains(word))
}

#[tokio::test]
async fn pool_that_a_sandboxed_tool_starts_is_reported_once_and_explains_the_refusals_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = pools(false).await;
    assert_eq!(call(&mut server, "sum", folder.path()).await["structuredContent"]["result"], 500_500);
    let warning = "warning: a thread without a name, which tool `sum` started, outlives the call\nnote: ";
    wait_until(async || server.stderr().contains(warning)).await;
    let help = "\nhelp: start it while the state is built (`Server::state_with`)";
    wait_until(async || server.stderr().contains(help)).await;
    let saved = call(&mut server, "save", folder.path()).await;
    assert_eq!(saved["isError"], true, "{saved}");
    let text = saved["content"][0]["text"].as_str().unwrap();
    let note = "\nnote: a thread without a name, which tool `sum` started, is still in that tool's sandbox";
    assert!(text.contains(note) && !accuses(text), "{text}");
    for _ in 0..4 {
        call(&mut server, "sum", folder.path()).await;
    }
    let exit = server.close().await;
    assert_eq!(exit.stderr.matches("warning: ").count(), 1, "{}", exit.stderr);
    assert!(!accuses(&exit.stderr), "{}", exit.stderr);
}

#[tokio::test]
async fn pool_that_starts_with_the_state_serves_every_tool_and_is_not_reported() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = pools(true).await;
    for tool in ["sum", "save", "sum"] {
        let answer = call(&mut server, tool, folder.path()).await;
        assert_eq!(answer["isError"], false, "{tool}: {answer}");
    }
    assert_no_warning(&server.close().await);
}

#[tokio::test]
async fn work_on_a_pool_that_started_without_a_sandbox_is_not_sandboxed() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = pools(true).await;
    // A limit of the sandbox: a lie that the kernel does not see.
    assert_eq!(call(&mut server, "lie", folder.path()).await["isError"], false);
    let mut server = pools(false).await;
    let other = tempfile::tempdir().unwrap();
    assert_eq!(call(&mut server, "lie", other.path()).await["isError"], true);
}

#[tokio::test]
async fn threads_of_one_name_are_reported_once_also_at_the_end_of_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = pools(false).await;
    call(&mut server, "leave", folder.path()).await;
    let exit = server.close().await;
    let warning = "which tool `leave` started, outlives the call\n";
    assert!(exit.stderr.starts_with("warning: thread `appender-"), "{}", exit.stderr);
    assert_eq!(exit.stderr.matches(warning).count(), 1, "{}", exit.stderr);
}

#[tokio::test]
async fn thread_that_ends_with_its_call_is_not_reported() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = pools(false).await;
    for _ in 0..5 {
        assert_eq!(call(&mut server, "join", folder.path()).await["isError"], false);
    }
    assert_no_warning(&server.close().await);
}

#[test]
fn doctor_probe_calls_read_only_tools_and_lists_the_threads_that_they_leave() {
    let output = Command::new(env!("CARGO_BIN_EXE_pools")).args(["doctor", "--probe"]).output().unwrap();
    let report = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{report}");
    let lines: Vec<_> =
        report.lines().skip_while(|line| !line.starts_with("the `read_only` tools")).collect();
    for line in [
        "  join             answered",
        "  leave            answered",
        "  lie              not called: parameter `folder` has no example",
        "  sum              answered",
    ] {
        assert!(lines.contains(&line), "{line} in {report}");
    }
    assert!(!report.contains("  save             "), "it is not `read_only`: {report}");
    for tool in ["leave", "sum"] {
        let left = format!("which tool `{tool}` started, outlives the call");
        assert!(lines.iter().any(|line| line.contains(&left)), "{left} in {report}");
    }
}

#[derive(State)]
struct App {
    end: Arc<Barrier>,
}

/// Leave a thread until the test ends it.
#[mcp_tool(read_only, closed_world, public)]
fn leave(end: &Arc<Barrier>) {
    let end = Arc::clone(end);
    thread::Builder::new().name("left".to_owned()).spawn(move || end.wait()).expect("a thread");
}

/// Leave nothing.
#[mcp_tool(read_only, closed_world, public)]
fn leave_nothing() {
    thread::spawn(|| ()).join().expect("it does not panic");
}

fn server(end: &Arc<Barrier>) -> Server<App> {
    Server::new("s", "1").state(App { end: Arc::clone(end) }).tools(tools![leave, leave_nothing])
}

#[tokio::test]
async fn client_of_a_test_panics_when_it_is_dropped_before_a_thread_that_a_tool_started() {
    let _turn = TURN.lock().await;
    let end = Arc::new(Barrier::new(2));
    let client = Client::of(server(&end)).await;
    client.call("leave", json!({})).await.unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| drop(client))).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(
        text.starts_with("thread `left`, which tool `leave` started, outlives the call\nnote: "),
        "{text}"
    );
    end.wait();
}

#[tokio::test]
async fn client_of_a_test_accepts_threads_that_end_or_may_be_left() {
    let _turn = TURN.lock().await;
    let end = Arc::new(Barrier::new(2));
    let client = Client::of(server(&end)).await;
    client.call("leave_nothing", json!({})).await.unwrap();
    client.call("leave", json!({})).await.unwrap();
    end.wait();
    drop(client);
    let service = server(&end).unaudited().build().unwrap();
    let client = ClientBuilder::new().may_leave_threads().to(service, Revision::V2026_07_28).await;
    client.call("leave", json!({})).await.unwrap();
    drop(client);
    end.wait();
}
