use candor::{Content, Server, mcp_tool, tools};

/// Price of one symbol.
#[mcp_tool(read_only, public)]
fn get_price() -> Vec<Content> {
    Vec::new()
}

fn main() {
    let _ = Server::new("t", "1").tools(tools![get_price]);
}
