use candor::{Server, mcp_tool, tools};

/// Price of one symbol.
#[mcp_tool(read_only, public)]
fn get_price(
    /// From and to.
    (from, to): (u32, u32),
) -> u32 {
    from + to
}

fn main() {
    let _ = Server::new("t", "1").tools(tools![get_price]);
}
