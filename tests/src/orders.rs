//! A server whose tools order things and count their effects, for tests of idempotency keys.

use std::{
    fs::OpenOptions,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use candor::{
    Call, Content, KeyStore, Revision, Sandbox, Server, Service, State, ToolError, mcp_tool,
    testing::{Answer, Client},
    tools,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::gate::Gate;

/// A key.
pub const KEY: &str = "0123456789abcdef";
/// Another one.
pub const OTHER_KEY: &str = "fedcba9876543210";
/// The key of a call in `_meta`.
pub const META_KEY: &str = "io.github.candor-mcp/idempotency-key";
/// The mark of a replayed result in `_meta`.
pub const META_REPLAYED: &str = "io.github.candor-mcp/replayed";
/// The reason of a refusal in `_meta`.
pub const META_REASON: &str = "io.github.candor-mcp/reason";

/// Everything that was ordered, in memory or in a file.
#[derive(Clone)]
pub enum Effects {
    /// In memory.
    Memory(Arc<Mutex<Vec<String>>>),
    /// A line each in a file, which outlives the process.
    File(PathBuf),
}

impl Default for Effects {
    fn default() -> Self {
        Self::Memory(Arc::default())
    }
}

impl Effects {
    /// Adds an effect.
    pub fn add(&self, effect: impl Into<String>) {
        let effect = effect.into();
        match self {
            Self::Memory(effects) => effects.lock().unwrap().push(effect),
            Self::File(path) => {
                let file = OpenOptions::new().append(true).create(true).open(path);
                // One write, so that a kill leaves all of it or nothing.
                file.unwrap().write_all(format!("{effect}\n").as_bytes()).unwrap();
            }
        }
    }

    /// Returns all effects so far.
    pub fn all(&self) -> Vec<String> {
        match self {
            Self::Memory(effects) => effects.lock().unwrap().clone(),
            Self::File(path) => read_effects(path),
        }
    }

    /// Returns the number of effects so far.
    pub fn count(&self) -> usize {
        self.all().len()
    }
}

/// Returns the lines of a file of effects.
pub fn read_effects(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// The state of the tools.
#[derive(State)]
pub struct App {
    /// The effects of all calls.
    #[state(write)]
    pub effects: Effects,
    /// The gate at which `order_slowly` waits, after its effect.
    #[state(read)]
    pub gate: Gate,
}

/// The end of a handler.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// An error that is final.
    Error,
    /// An error that may pass.
    Transient,
    /// An error before anything was done.
    NotApplied,
    /// A panic.
    Panic,
}

/// An order.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Order {
    /// The number of the order.
    pub number: usize,
    /// The thing.
    pub item: String,
    /// A float that takes all its digits.
    pub weight: f64,
}

fn order_of(effects: &Effects, item: &str) -> Order {
    effects.add(item);
    Order { number: effects.count(), item: item.to_owned(), weight: 0.1 + 0.2 }
}

/// Order a thing.
#[mcp_tool(additive, closed_world, public)]
pub fn order(
    effects: &Effects,
    /// The thing.
    item: &str,
    /// The number of pieces.
    count: Option<f64>,
    /// The time at the client.
    #[param(volatile)]
    sent_at: Option<String>,
) -> Order {
    let _ = (count, sent_at);
    order_of(effects, item)
}

/// Order a thing, with an effect before the end of the test's choice.
#[mcp_tool(additive, closed_world, public)]
pub fn order_and_fail(
    effects: &Effects,
    /// The end.
    ending: Ending,
) -> Result<Order, ToolError> {
    effects.add(format!("{ending:?}"));
    match ending {
        Ending::Error => Err(ToolError::new("sold out").reason("sold_out")),
        Ending::Transient => Err(ToolError::transient("busy")),
        Ending::NotApplied => Err(ToolError::not_applied("closed")),
        Ending::Panic => panic!("the handler gives up"),
    }
}

/// Order a thing, and wait at the gate after the effect.
#[mcp_tool(additive, public, timeout = "20s")]
pub async fn order_slowly(
    call: &Call,
    effects: &Effects,
    gate: &Gate,
    /// The thing.
    item: String,
) -> String {
    effects.add(item.clone());
    call.progress(1.0, None, "ordered");
    gate.pass().await;
    format!("{item}, cancelled: {}", call.is_cancelled())
}

/// Order a thing, and answer later than the call may take.
#[mcp_tool(additive, public, timeout = "100ms")]
pub async fn order_too_late(effects: &Effects, gate: &Gate) -> String {
    effects.add("late");
    gate.pass().await;
    "at last".to_owned()
}

/// Order a thing that is there at most once, and answer later than the call may take.
#[mcp_tool(additive, idempotent, public, timeout = "100ms")]
pub async fn put_too_late(effects: &Effects, gate: &Gate) -> String {
    effects.add("late");
    gate.pass().await;
    "at last".to_owned()
}

/// Put a thing on the list.
#[mcp_tool(additive, idempotent, closed_world, public)]
pub fn put(
    effects: &Effects,
    /// The thing.
    item: &str,
) -> usize {
    effects.add(item);
    effects.count()
}

/// Throw everything away.
#[mcp_tool(destructive, closed_world, public)]
pub fn throw_away(effects: &Effects) -> usize {
    effects.add("thrown away");
    effects.count()
}

/// Order a thing with a result of many bytes.
#[mcp_tool(additive, closed_world, public)]
pub fn order_at_length(
    effects: &Effects,
    /// The number of bytes.
    bytes: usize,
) -> Content {
    effects.add("at length");
    Content::text("x".repeat(bytes))
}

/// Order a thing that needs a scope.
#[mcp_tool(additive, closed_world, scope = "order:guarded")]
pub fn order_guarded(effects: &Effects) -> usize {
    effects.add("guarded");
    effects.count()
}

/// Order a thing in a task, and wait at the gate.
#[mcp_tool(additive, public, task = "optional")]
pub async fn order_in_task(effects: &Effects, gate: &Gate) -> String {
    effects.add("in a task");
    gate.pass().await;
    "delivered".to_owned()
}

/// Return the keys for two services.
#[mcp_tool(additive, closed_world, public)]
pub fn keys_for_services(call: &Call) -> Vec<Option<String>> {
    vec![call.downstream_key("shop"), call.downstream_key("bank"), call.idempotency_key().map(str::to_owned)]
}

/// Count the orders.
#[mcp_tool(read_only, closed_world, public)]
pub fn count_orders(
    call: &Call,
    /// A number that is added.
    plus: Option<usize>,
) -> usize {
    let _ = call;
    plus.unwrap_or_default()
}

/// Makes the server, which is not audited and keeps keys in `store`.
pub fn server(effects: &Effects, gate: &Gate, store: KeyStore) -> Server<App> {
    let app = App { effects: effects.clone(), gate: gate.clone() };
    Server::new("orders", "1.0.0").unaudited().idempotency(store).state(app).tools(tools![
        order,
        order_and_fail,
        order_slowly,
        order_too_late,
        put_too_late,
        put,
        throw_away,
        order_at_length,
        order_guarded,
        order_in_task,
        keys_for_services,
        count_orders,
    ])
}

/// Makes the server with keys in memory, on threads that follow a paused clock.
pub fn in_memory(effects: &Effects, gate: &Gate) -> Server<App> {
    server(effects, gate, KeyStore::memory().accept_loss()).sandbox(Sandbox::Off)
}

/// The timeout of `order_slowly`, and of the lease after it.
pub const SLOW_LEASE: Duration = Duration::from_secs(20 + 30);

/// Connects under 2026-07-28.
pub async fn connect(service: Service) -> Client {
    Client::to(service, Revision::V2026_07_28).await
}

/// Calls a tool under a key.
pub async fn keyed(client: &Client, key: &str, tool: &str, arguments: Value) -> Answer {
    client.with_idempotency_key(key).call(tool, arguments).await.expect("the call is well-formed")
}
