use candor::{Server, mcp_tool, tools};

/// Price of one symbol.
#[mcp_tool(read_only, public, rules(at_most_one(symbol)))]
fn get_price(
    /// Its symbol.
    symbol: Option<String>,
    /// Its number.
    isin: Option<String>,
    /// How many days.
    days: u32,
) -> u32 {
    1
}

fn main() {
    let _ = Server::new("t", "1").tools(tools![get_price]);
}
