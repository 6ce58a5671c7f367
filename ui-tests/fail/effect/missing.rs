use candor::{Server, mcp_tool, tools};

/// Price of one symbol.
#[mcp_tool(public)]
fn set_price() {}

fn main() {
    let _ = Server::new("t", "1").tools(tools![set_price]);
}
