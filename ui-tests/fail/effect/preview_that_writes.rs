use candor::{Server, mcp_tool, tools};

/// List the prices that would be deleted.
#[mcp_tool(additive, public)]
fn plan_delete() {}

/// Delete all prices.
#[mcp_tool(destructive, public, preview = plan_delete)]
fn delete_prices() {}

fn main() {
    let _ = Server::new("t", "1").tools(tools![delete_prices]);
}
