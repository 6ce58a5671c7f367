//! Read-only mode: the server lists and calls only tools that are declared `read_only`.

use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use candor::{Revision, Server, State, mcp_tool, testing::Client, tools};
use candor_tests::{raw_client::for_each_revision, stdio_server::StdioServer};
use serde_json::{Value, json};

/// Counts the runs of the tools that write.
#[derive(State)]
struct App {
    runs: Arc<AtomicUsize>,
}

/// Look.
#[mcp_tool(read_only, closed_world, public)]
fn look(runs: &Arc<AtomicUsize>) -> usize {
    runs.load(Ordering::SeqCst)
}

/// Look, with a scope.
#[mcp_tool(read_only, closed_world, scope = "a")]
fn look_closely() {}

/// Look, without a sandbox.
#[mcp_tool(read_only, public, unsandboxed = "it keeps its own cache")]
fn look_openly() {}

/// Add.
#[mcp_tool(additive, closed_world, public)]
fn put(runs: &Arc<AtomicUsize>) -> usize {
    runs.fetch_add(1, Ordering::SeqCst)
}

/// Take away.
#[mcp_tool(destructive, idempotent, closed_world, public, confirm = "never")]
fn take(runs: &Arc<AtomicUsize>) -> usize {
    runs.fetch_add(1, Ordering::SeqCst)
}

/// Take away, with a scope.
#[mcp_tool(destructive, idempotent, closed_world, scope = "a", confirm = "never")]
fn take_more(runs: &Arc<AtomicUsize>) -> usize {
    runs.fetch_add(1, Ordering::SeqCst)
}

fn server() -> (Server<App>, Arc<AtomicUsize>) {
    let runs = Arc::new(AtomicUsize::new(0));
    let server = Server::new("s", "1").unaudited().state(App { runs: Arc::clone(&runs) });
    let tools = tools![look, look_closely, look_openly, put, take, take_more];
    (server.tools(tools).read_only(), runs)
}

fn names(tools: &[Value]) -> Vec<&str> {
    tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn read_only_mode_lists_and_calls_only_read_only_tools() {
    let (server, runs) = server();
    for_each_revision(&server.build().unwrap().grant("a"), async |_, client| {
        assert_eq!(names(&client.tools().await.unwrap()), ["look", "look_closely", "look_openly"]);
        for tool in ["look", "look_closely", "look_openly"] {
            assert!(!client.call(tool, json!({})).await.unwrap().is_error);
        }
        // The refusal suggests only the name of a tool that is listed: `look`.
        let unknown = client.call("no_such_tool", json!({})).await.unwrap_err();
        for tool in ["put", "take", "take_more"] {
            let refused = client.call(tool, json!({})).await.unwrap_err();
            assert_eq!(refused.code, unknown.code);
            assert_eq!(refused.message, unknown.message.replace("no_such_tool", tool), "{tool}");
            assert_eq!(refused.data, None);
        }
    })
    .await;
    assert_eq!(runs.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn read_only_mode_leaves_other_tools_out_of_the_manifest_and_the_reference() {
    let (server, _) = server();
    let manifest: Value = serde_json::from_str(&server.manifest().unwrap()).unwrap();
    assert_eq!(names(manifest["tools"].as_array().unwrap()), ["look", "look_closely", "look_openly"]);
    let reference = server.reference().unwrap();
    assert!(reference.contains("look_closely") && !reference.contains("take"), "{reference}");
    let service = server.build().unwrap();
    assert_eq!(service.tools(), 3);
    assert_eq!(service.hidden(), [("look_closely", vec!["a"])]);
}

#[tokio::test]
async fn read_only_mode_without_read_only_tools_lists_nothing() {
    let server =
        Server::new("s", "1").unaudited().state(App { runs: Arc::default() }).tools(tools![put, take]);
    let client = Client::to(server.read_only().build().unwrap(), Revision::V2026_07_28).await;
    assert_eq!(client.tools().await.unwrap(), Vec::<Value>::new());
    assert_eq!(
        client.call("put", json!({})).await.unwrap_err().message,
        "Unknown tool: put\nhelp: `tools/list` names the tools you may call"
    );
}

#[tokio::test]
async fn serve_read_only_serves_only_read_only_tools() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fixture"));
    command.args(["serve", "--read-only", "--yes-destructive"]);
    let mut server = StdioServer::start(command);
    server.client.initialize(Revision::V2025_11_25).await;
    let list = server.client.exchange(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).await;
    let tools = list["result"]["tools"].as_array().unwrap();
    assert!(names(tools).contains(&"add"));
    for tool in tools {
        assert_eq!(tool["annotations"]["readOnlyHint"], true, "{tool}");
    }
    for (tool, arguments) in [
        ("forget", json!({"what": "it"})),
        ("book", json!({"place": "ayr", "nights": 1, "guests": ["Ada"]})),
        ("wait", json!({"socket": "/nowhere"})),
    ] {
        let answer = server.client.call(tool, arguments).await;
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
        assert!(!names(tools).contains(&tool));
    }
    server.client.assert_alive().await;
    let exit = server.close().await;
    assert!(exit.stderr.contains("only tools declared `read_only`"), "{}", exit.stderr);
}
