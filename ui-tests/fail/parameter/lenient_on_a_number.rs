use candor::{Server, mcp_tool, tools};

/// Price of one symbol.
#[mcp_tool(read_only, public)]
fn get_price(
    /// How many days.
    #[param(lenient)]
    days: u32,
) -> u32 {
    1
}

fn main() {
    let _ = Server::new("t", "1").tools(tools![get_price]);
}
