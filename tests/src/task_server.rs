//! A server whose tools outlast a request, and answer with a task.

use candor::{Ask, Call, Server, Service, State, mcp_tool, tools};
use serde_json::json;

use crate::gate::Gate;

/// The extension of tasks (SEP-2663).
pub const EXTENSION: &str = "io.modelcontextprotocol/tasks";

/// The state of the tools.
#[derive(State)]
pub struct App {
    gate: Gate,
}

/// Wait until the gate opens.
#[mcp_tool(read_only, public, task = "optional")]
async fn wait(
    gate: &Gate,
    /// The answer.
    #[param(max_len = 10)]
    word: String,
) -> String {
    gate.pass().await;
    word
}

/// Wait until the gate opens, for clients that take tasks and have the scope.
#[mcp_tool(read_only, scope = "wait", task = "required")]
async fn only_wait(gate: &Gate) -> &'static str {
    gate.pass().await;
    "waited"
}

/// Ask again after every answer.
#[mcp_tool(read_only, public, task = "optional")]
fn never_enough() -> Result<(), Ask> {
    Err(Ask::default().form(
        "name",
        "A name?",
        json!({"type": "object", "properties": {"name": {"type": "string"}}}),
    ))
}

/// Ask for two names, and then for a third.
#[mcp_tool(read_only, public, task = "optional")]
fn names(call: &Call) -> Result<String, Ask> {
    let schema = || json!({"type": "object", "properties": {"name": {"type": "string"}}});
    let name = |key| Some(call.form(key).filled()?.get("name")?.as_str()?.to_owned());
    match (call.state(), name("a"), name("b")) {
        (Some(two), Some(third), _) => Ok(format!("{two}, {third}")),
        (_, Some(a), Some(b)) => {
            Err(Ask::default().form("a", "A third?", schema()).state(format!("{a}, {b}")))
        }
        _ => Err(Ask::default().form("a", "A name?", schema()).form("b", "Another?", schema())),
    }
}

/// Forget everything.
#[mcp_tool(destructive, idempotent, public, task = "optional")]
fn forget() -> &'static str {
    "forgotten"
}

/// Report progress, and wait until the gate opens.
#[mcp_tool(read_only, public, task = "optional")]
async fn steps(call: &Call, gate: &Gate) {
    call.progress(1.0, Some(2.5), "half of it");
    gate.pass().await;
    call.progress(2.0, None, "");
    gate.pass().await;
}

/// Pay, which a cancellation does not undo.
#[mcp_tool(additive, public, task = "optional")]
async fn pay(call: &Call, gate: &Gate) -> String {
    gate.pass().await;
    format!("paid, with {}; cancelled: {}", call.idempotency_key().unwrap_or("no key"), call.is_cancelled())
}

/// Ask for a name, one call at a time.
#[mcp_tool(read_only, public, task = "optional", max_in_flight = 1)]
async fn one_by_one(
    call: &Call,
    gate: &Gate,
    /// Whether to ask.
    asks: bool,
) -> Result<&'static str, Ask> {
    if !asks {
        gate.pass().await;
    } else if call.form("name").filled().is_none() {
        let schema = json!({"type": "object", "properties": {"name": {"type": "string"}}});
        return Err(Ask::default().form("name", "A name?", schema));
    }
    Ok("done")
}

/// Builds the server without an audit log, with these scopes granted.
#[must_use]
pub fn service(gate: &Gate, grant: &str) -> Service {
    server(gate).unaudited().build().unwrap().grant(grant)
}

/// Makes the server.
pub fn server(gate: &Gate) -> Server<App> {
    let server = Server::new("tasks", "1.0.0").state(App { gate: gate.clone() });
    server.tools(tools![never_enough, wait, only_wait, names, forget, steps, pay, one_by_one])
}
