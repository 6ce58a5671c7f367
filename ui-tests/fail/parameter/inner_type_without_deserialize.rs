use candor::{Server, mcp_tool, tools};

struct Symbol;

/// Price of one symbol.
#[mcp_tool(read_only, public)]
fn get_price(
    /// Ticker symbol.
    symbols: Vec<Symbol>,
) -> u32 {
    drop(symbols);
    1
}

fn main() {
    let _ = Server::new("t", "1").tools(tools![get_price]);
}
