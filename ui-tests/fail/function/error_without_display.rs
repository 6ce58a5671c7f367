use candor::{Server, mcp_tool, tools};

struct Missing;

/// Price of one symbol.
#[mcp_tool(read_only, public)]
fn get_price() -> Result<u32, Missing> {
    Err(Missing)
}

fn main() {
    let _ = Server::new("t", "1").tools(tools![get_price]);
}
