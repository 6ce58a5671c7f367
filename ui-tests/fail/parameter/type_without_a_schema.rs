use candor::{Server, mcp_tool, tools};

#[derive(serde::Deserialize)]
struct Symbol;

/// Price of one symbol.
#[mcp_tool(read_only, public)]
fn get_price(
    /// Ticker symbol.
    symbol: Symbol,
) -> u32 {
    drop(symbol);
    1
}

fn main() {
    let _ = Server::new("t", "1").tools(tools![get_price]);
}
