use candor::{Server, mcp_tool, tools};

use std::io::{Write as _, stdout};

/// Price of one symbol.
#[mcp_tool(read_only, public)]
fn get_price() -> u32 {
    let _ = stdout().write_all(b"asked");
    1
}

fn main() {
    let _ = Server::new("t", "1").tools(tools![get_price]);
}
