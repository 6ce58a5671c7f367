use candor::{Server, mcp_tool, tools};

/// Delete the prices of one symbol.
#[mcp_tool(additive, public, preview = plan_delete)]
fn delete_prices(
    /// Only say what would be deleted.
    dry_run: bool,
) {
    let _ = dry_run;
}

fn main() {
    let _ = Server::new("t", "1").tools(tools![delete_prices]);
}
