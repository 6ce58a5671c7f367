use candor::{Server, mcp_tool, tools};

/// Price of one symbol.
#[mcp_tool(read_only, public, aliases = ["old price"])]
fn get_price() {}

fn main() {
    let _ = Server::new("t", "1").tools(tools![get_price]);
}
