use std::path::Path;

use candor::{Server, mcp_tool, tools};

/// Price of one symbol.
#[mcp_tool(read_only, public)]
fn get_price(
    /// Its file.
    _symbol: &Path,
) {
}

fn main() {
    let _ = Server::new("t", "1").tools(tools![get_price]);
}
