//! Read-only mode: only tools that are declared `read_only` exist, in every list and for every call.

use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use candor::{Revision, Server, State, mcp_tool, testing::Client, tools};
use candor_tests::wire::{Process, each_revision};
use serde_json::{Value, json};

/// What the tools that write do: they count.
#[derive(State)]
struct App {
    done: Arc<AtomicUsize>,
}

/// Look.
#[mcp_tool(read_only, closed_world, public)]
fn look(done: &Arc<AtomicUsize>) -> usize {
    done.load(Ordering::SeqCst)
}

/// Look, with a scope.
#[mcp_tool(read_only, closed_world, scope = "a")]
fn look_closely() {}

/// Look, without a sandbox.
#[mcp_tool(read_only, public, unsandboxed = "it keeps a cache of its own")]
fn look_openly() {}

/// Add.
#[mcp_tool(additive, closed_world, public)]
fn put(done: &Arc<AtomicUsize>) -> usize {
    done.fetch_add(1, Ordering::SeqCst)
}

/// Take away.
#[mcp_tool(destructive, idempotent, closed_world, public, confirm = "never")]
fn take(done: &Arc<AtomicUsize>) -> usize {
    done.fetch_add(1, Ordering::SeqCst)
}

/// Take away, with a scope.
#[mcp_tool(destructive, idempotent, closed_world, scope = "a", confirm = "never")]
fn take_more(done: &Arc<AtomicUsize>) -> usize {
    done.fetch_add(1, Ordering::SeqCst)
}

fn server() -> (Server<App>, Arc<AtomicUsize>) {
    let done = Arc::new(AtomicUsize::new(0));
    let server = Server::new("s", "1").unaudited().state(App { done: Arc::clone(&done) });
    let tools = tools![look, look_closely, look_openly, put, take, take_more];
    (server.tools(tools).read_only(), done)
}

fn names(tools: &[Value]) -> Vec<&str> {
    tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn only_read_only_tools_are_listed_and_called_under_each_revision() {
    let (server, done) = server();
    each_revision(&server.build().unwrap().grant("a"), async |_, client| {
        assert_eq!(names(&client.tools().await.unwrap()), ["look", "look_closely", "look_openly"]);
        for tool in ["look", "look_closely", "look_openly"] {
            assert!(!client.call(tool, json!({})).await.unwrap().is_error);
        }
        // Not even a name is told of what is not there: `look` is the nearest that is.
        let unknown = client.call("no_such_tool", json!({})).await.unwrap_err();
        for tool in ["put", "take", "take_more"] {
            let refused = client.call(tool, json!({})).await.unwrap_err();
            assert_eq!(refused.code, unknown.code);
            assert_eq!(refused.message, unknown.message.replace("no_such_tool", tool), "{tool}");
            assert_eq!(refused.data, None);
        }
    })
    .await;
    assert_eq!(done.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_is_not_served_is_counted_nowhere() {
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
async fn a_server_of_writes_alone_lists_nothing() {
    let server =
        Server::new("s", "1").unaudited().state(App { done: Arc::default() }).tools(tools![put, take]);
    let client = Client::to(server.read_only().build().unwrap(), Revision::V2026_07_28).await;
    assert_eq!(client.tools().await.unwrap(), Vec::<Value>::new());
    assert_eq!(
        client.call("put", json!({})).await.unwrap_err().message,
        "Unknown tool: put\nhelp: `tools/list` names the tools you may call"
    );
}

#[tokio::test]
async fn serve_read_only_serves_no_other() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fixture"));
    command.args(["serve", "--read-only", "--yes-destructive"]);
    let mut process = Process::start(command);
    process.wire.initialize(Revision::V2025_11_25).await;
    let list = process.wire.ask(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).await;
    for tool in list["result"]["tools"].as_array().unwrap() {
        assert_eq!(tool["annotations"]["readOnlyHint"], true, "{tool}");
    }
    for (tool, arguments) in [
        ("forget", json!({"what": "it"})),
        ("book", json!({"place": "ayr", "nights": 1, "guests": ["Ada"]})),
        ("wait", json!({"socket": "/nowhere"})),
    ] {
        let answer = process.wire.call(tool, arguments).await;
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
        assert!(!names(list["result"]["tools"].as_array().unwrap()).contains(&tool));
    }
    process.wire.is_alive().await;
    let ended = process.end().await;
    assert!(ended.stderr.contains("only tools declared `read_only`"), "{}", ended.stderr);
}
