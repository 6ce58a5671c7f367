//! Serves the tools of `candor_tests::orders` with effects in the file of `ORDERS`, for tests that need a real process.

use candor::Server;
use candor_tests::{
    gate::Gate,
    orders::{App, Effects, order, order_at_length, order_guarded, order_slowly, put, throw_away},
};

/// A read, which needs no key.
#[candor::mcp_tool(read_only, closed_world, public)]
fn look() -> u64 {
    1
}

/// Put a thing on the list, and never end.
#[candor::mcp_tool(additive, idempotent, public)]
async fn put_slowly(
    effects: &Effects,
    /// The thing.
    item: String,
) {
    effects.add(item);
    std::future::pending::<()>().await;
}

/// Order a thing, which takes a moment.
#[candor::mcp_tool(additive, public)]
async fn order_briefly(
    effects: &Effects,
    /// The thing.
    item: String,
) -> String {
    effects.add(format!("begun {item}"));
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    effects.add(format!("done {item}"));
    item
}

fn main() -> std::process::ExitCode {
    // Commands that call no tool need no file.
    let file = std::env::var_os("ORDERS").unwrap_or_default();
    let app = App { effects: Effects::File(file.into()), gate: Gate::closed() };
    Server::new("orders", "1.0.0")
        .state(app)
        .tools(candor::tools![
            order,
            put,
            order_slowly,
            order_guarded,
            order_at_length,
            order_briefly,
            put_slowly,
            look
        ])
        .tools(if std::env::var_os("ORDERS_REQUIRED").is_some() {
            candor::tools![throw_away]
        } else {
            candor::tools![]
        })
        .main()
}
