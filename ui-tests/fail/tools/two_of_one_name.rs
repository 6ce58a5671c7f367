use candor::{Server, mcp_tool, tools};

/// Price of one symbol.
#[mcp_tool(read_only, public)]
fn get_price() {}

mod archive {
    /// Price of one symbol, long ago.
    #[candor::mcp_tool(read_only, public)]
    pub fn get_price() {}
}

fn main() {
    let _ = Server::new("t", "1").tools(tools![get_price, archive::get_price]);
}
