use candor::{Server, mcp_tool, tools};

/// Price of one symbol.
#[mcp_tool(read_only, public)]
fn get_price() -> u32 {
    "one"
}

fn main() {
    let _ = Server::new("t", "1").tools(tools![get_price]);
}
