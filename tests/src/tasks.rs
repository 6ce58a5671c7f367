//! Tools whose work outlasts a request, and a client of 2026-07-28 that may take tasks.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use candor::{Ask, Call, Server, Service, State, mcp_tool, tools};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::wire::{Wire, request};

/// The extension of tasks.
pub const EXTENSION: &str = "io.modelcontextprotocol/tasks";
/// How long a task may take to be as it is wanted.
const PATIENCE: Duration = Duration::from_secs(20);

/// What tools here wait for.
#[derive(Clone)]
pub struct Gate(Arc<Semaphore>);

impl Gate {
    /// Nobody comes through.
    #[must_use]
    pub fn shut() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    /// Lets one through.
    pub fn open(&self) {
        self.0.add_permits(1);
    }
}

/// The state of the tools.
#[derive(State)]
pub struct App {
    gate: Gate,
}

/// Wait until the gate opens.
#[mcp_tool(read_only, public, task = "optional")]
async fn wait(
    gate: &Gate,
    /// Said at the end.
    #[param(max_len = 10)]
    word: String,
) -> String {
    gate.0.acquire().await.expect("it is never closed").forget();
    word
}

/// The same, for those alone who take a task, and may.
#[mcp_tool(read_only, scope = "wait", task = "required")]
async fn only_wait(gate: &Gate) -> &'static str {
    gate.0.acquire().await.expect("it is never closed").forget();
    "waited"
}

/// Ask again, whatever is said.
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
    let name = |key| Some(call.form(key)?.get("name")?.as_str()?.to_owned());
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

/// Say how far it is, and wait until the gate opens.
#[mcp_tool(read_only, public, task = "optional")]
async fn steps(call: &Call, gate: &Gate) {
    call.progress(1.0, Some(2.5), "half of it");
    gate.0.acquire().await.expect("it is never closed").forget();
    call.progress(2.0, None, "");
    gate.0.acquire().await.expect("it is never closed").forget();
}

/// Pay, which is not undone by taking it back.
#[mcp_tool(additive, public, task = "optional")]
async fn pay(call: &Call, gate: &Gate) -> String {
    gate.0.acquire().await.expect("it is never closed").forget();
    format!("paid, with {}; taken back: {}", call.idempotency_key().unwrap_or("no key"), call.is_cancelled())
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
        gate.0.acquire().await.expect("it is never closed").forget();
    } else if call.form("name").is_none() {
        let schema = json!({"type": "object", "properties": {"name": {"type": "string"}}});
        return Err(Ask::default().form("name", "A name?", schema));
    }
    Ok("done")
}

/// The tools, ready, with what is granted.
#[must_use]
pub fn service(gate: &Gate, grant: &str) -> Service {
    server(gate).unaudited().build().unwrap().grant(grant)
}

/// The tools.
pub fn server(gate: &Gate) -> Server<App> {
    let server = Server::new("tasks", "1.0.0").state(App { gate: gate.clone() });
    server.tools(tools![never_enough, wait, only_wait, names, forget, steps, pay, one_by_one])
}

/// A client of 2026-07-28 that declares these capabilities.
pub struct Client {
    wire: Wire,
    capabilities: Value,
}

impl Client {
    /// Connects.
    #[must_use]
    pub fn of(service: Service, capabilities: Value) -> Self {
        Self { wire: Wire::to(service), capabilities }
    }

    /// Connects, takes tasks and can be asked.
    #[must_use]
    pub fn with_tasks(service: Service) -> Self {
        Self::of(service, json!({"elicitation": {}, "extensions": {EXTENSION: {}}}))
    }

    /// Asks, and waits for the answer.
    pub async fn ask(&mut self, method: &str, mut params: Value) -> Value {
        for (key, value) in [
            ("protocolVersion", json!("2026-07-28")),
            ("clientCapabilities", self.capabilities.clone()),
            ("clientInfo", json!({"name": "wire", "version": "0"})),
        ] {
            params["_meta"][format!("io.modelcontextprotocol/{key}")] = value;
        }
        self.wire.ask(request(&json!(1), method, params)).await
    }

    /// Calls a tool.
    pub async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.ask("tools/call", json!({"name": tool, "arguments": arguments})).await
    }

    /// Calls a tool, and takes its task.
    pub async fn begin(&mut self, tool: &str, arguments: Value) -> String {
        let answer = self.call(tool, arguments).await;
        assert_eq!(answer["result"]["resultType"], "task", "{answer}");
        answer["result"]["taskId"].as_str().expect("a name").to_owned()
    }

    /// Looks at a task.
    pub async fn get(&mut self, id: &str) -> Value {
        self.ask("tasks/get", json!({"taskId": id})).await
    }

    /// Asks until a task is as it is wanted.
    pub async fn until(&mut self, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        loop {
            let task = self.get(id).await["result"].take();
            if wanted(&task) {
                return task;
            }
            assert!(start.elapsed() < PATIENCE, "{task}");
        }
    }

    /// Asks until a task is no longer at work.
    pub async fn settled(&mut self, id: &str) -> Value {
        self.until(id, |task| task["status"] != "working").await
    }

    /// Answers questions of a task.
    pub async fn update(&mut self, id: &str, responses: Value) {
        let answer = self.ask("tasks/update", json!({"taskId": id, "inputResponses": responses})).await;
        assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
        assert_eq!(answer["result"].get("taskId"), None, "{answer}");
    }
}

/// A form that is filled in.
#[must_use]
pub fn named(name: &str) -> Value {
    json!({"action": "accept", "content": {"name": name}})
}
