use candor::{Server, mcp_tool, tools};

/// Price of one symbol.
#[mcp_tool(read_only, public, public_effect = "posts to the public timeline")]
fn get_price() -> u32 {
    1
}

fn main() {
    let _ = Server::new("t", "1").tools(tools![get_price]);
}
