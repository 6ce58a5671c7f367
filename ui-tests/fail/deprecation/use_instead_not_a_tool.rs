use candor::{Server, mcp_tool, tools};

fn get_quote() {}

/// Price of one symbol.
#[mcp_tool(read_only, public, deprecated(since = "1.5.0", remove_in = "1.7.0", use_instead = get_quote))]
fn get_price() -> u32 {
    1
}

fn main() {
    let _ = Server::new("t", "1").tools(tools![get_price]);
}
