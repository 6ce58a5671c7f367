use candor::{Server, mcp_tool, tools};

struct Price;

/// Price of one symbol.
#[mcp_tool(read_only, public)]
fn get_price() -> Price {
    Price
}

fn main() {
    let _ = Server::new("t", "1").tools(tools![get_price]);
}
