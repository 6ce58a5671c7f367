use candor::{Server, mcp_tool, tools};

/// Price of one symbol.
#[mcp_tool(read_only, public)]
fn prix_à_jour() -> u32 {
    1
}

fn main() {
    let _ = Server::new("t", "1").tools(tools![prix_à_jour]);
}
