//! Serves the tools of `candor_tests::orders` with effects in the file of `ORDERS`, for tests that need a real process.

use std::{env, time::Duration};

use candor::{Ask, Call, Server, mcp_tool, tools};
use candor_tests::{
    gate::Gate,
    orders::{App, Effects, order, order_at_length, order_guarded, order_slowly, put, throw_away},
};
use serde_json::json;

/// A read, which needs no key.
#[mcp_tool(read_only, closed_world, public)]
fn look() -> u64 {
    1
}

/// Put a thing on the list, and never end.
#[mcp_tool(additive, idempotent, public)]
async fn put_slowly(
    effects: &Effects,
    /// The thing.
    item: String,
) {
    effects.add(item);
    std::future::pending::<()>().await;
}

/// Order a thing, which takes a moment.
#[mcp_tool(additive, public)]
async fn order_briefly(
    effects: &Effects,
    /// The thing.
    item: String,
) -> String {
    effects.add(format!("begun {item}"));
    tokio::time::sleep(Duration::from_millis(300)).await;
    effects.add(format!("done {item}"));
    item
}

/// Order a thing in steps, within two seconds.
#[mcp_tool(additive, public, timeout = "2s")]
async fn order_in_steps(
    effects: &Effects,
    /// The thing.
    item: String,
) -> String {
    effects.add(format!("begun {item}"));
    tokio::time::sleep(Duration::from_millis(400)).await;
    effects.add(format!("done {item}"));
    item
}

/// Deliver a thing in a task.
#[mcp_tool(additive, public, task = "optional", timeout = "5s")]
async fn deliver(
    call: &Call,
    effects: &Effects,
    /// The thing.
    item: String,
    /// The time that it takes, in milliseconds.
    #[param(max = 4_000)]
    time: u64,
) -> String {
    effects.add(format!("begun {item}"));
    call.progress(1.0, None, "on the way");
    tokio::time::sleep(Duration::from_millis(time)).await;
    effects.add(format!("done {item}"));
    item
}

/// Put a thing on the shelf in a task, where it is at most once.
#[mcp_tool(additive, idempotent, scope = "order:guarded", task = "optional", timeout = "5s")]
async fn restock(
    call: &Call,
    effects: &Effects,
    /// The thing.
    item: String,
    /// The time that it takes, in milliseconds.
    #[param(max = 4_000)]
    time: u64,
    /// The code of the shelf's lock.
    #[param(secret)]
    code: Option<String>,
) -> String {
    let _ = code;
    effects.add(format!("begun {item} for {}", call.caller().subject()));
    tokio::time::sleep(Duration::from_millis(time)).await;
    effects.add(format!("done {item} under {}", call.downstream_key("shelf").unwrap_or_default()));
    item
}

/// Prepare a delivery in a task, which can be cancelled: nothing is delivered.
#[mcp_tool(read_only, public, task = "optional", timeout = "5s")]
async fn prepare(
    call: &Call,
    /// The time that it takes, in milliseconds.
    #[param(max = 4_000)]
    time: u64,
) -> u64 {
    call.progress(1.0, None, "preparing");
    tokio::time::sleep(Duration::from_millis(time)).await;
    time
}

/// Deliver a thing to an address that the caller is asked for, in a task.
#[mcp_tool(additive, public, task = "optional", timeout = "5s")]
fn deliver_to(
    call: &Call,
    effects: &Effects,
    /// The thing.
    item: &str,
) -> Result<String, Ask> {
    let form = call.form("address").filled();
    let Some(address) = form.and_then(|form| form.get("address")?.as_str()) else {
        let schema = json!({"type": "object", "properties": {"address": {"type": "string"}}});
        return Err(Ask::default().form("address", "Where to?", schema));
    };
    effects.add(format!("delivered {item} to {address}"));
    Ok(address.to_owned())
}

/// A tool as version 1 of the server declares it.
mod version_1 {
    use super::{Effects, mcp_tool};

    /// Book a thing.
    #[mcp_tool(additive, closed_world, public)]
    pub(super) fn book(
        effects: &Effects,
        /// The thing.
        item: &str,
    ) -> String {
        effects.add(format!("booked {item}"));
        item.to_owned()
    }
}

/// The same tool as version 2 declares it.
mod version_2 {
    use super::{Effects, mcp_tool};

    /// Book a thing in place of what is booked.
    #[mcp_tool(destructive, closed_world, public)]
    pub(super) fn book(
        effects: &Effects,
        /// The thing.
        item: &str,
    ) -> String {
        effects.add(format!("booked {item} alone"));
        item.to_owned()
    }
}

/// Say which version this is.
#[mcp_tool(read_only, closed_world, public)]
fn version() -> String {
    version_of_server()
}

/// The version of the server, which a test of a deploy sets.
fn version_of_server() -> String {
    env::var("ORDERS_VERSION").unwrap_or_else(|_| "1.0.0".to_owned())
}

fn main() -> std::process::ExitCode {
    // Commands that call no tool need no file.
    let file = env::var_os("ORDERS").unwrap_or_default();
    let is_version_2 = version_of_server().starts_with("2.");
    let app = App { effects: Effects::File(file.into()), gate: Gate::closed() };
    Server::new("orders", version_of_server())
        .state(app)
        .tools(tools![
            order,
            put,
            order_slowly,
            order_guarded,
            order_at_length,
            order_briefly,
            order_in_steps,
            put_slowly,
            restock,
            prepare,
            deliver,
            deliver_to,
            version,
            look
        ])
        .tools(if is_version_2 { tools![version_2::book] } else { tools![version_1::book] })
        .tools(if env::var_os("ORDERS_REQUIRED").is_some() { tools![throw_away] } else { tools![] })
        .main()
}
