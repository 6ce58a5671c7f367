use candor::{Server, mcp_tool, tools};

/// Price of one symbol.
#[mcp_tool(read_only, public)]
unsafe extern "C" fn get_price(
    /// First.
    first: u32,
    rest: ...,
) -> u32 {
    1
}

fn main() {
    let _ = Server::new("t", "1").tools(tools![get_price]);
}
