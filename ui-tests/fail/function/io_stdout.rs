use candor::{Server, mcp_tool, tools};

/// Price of one symbol.
#[mcp_tool(read_only, public)]
fn get_price() -> u32 {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout(), "asked");
    1
}

fn main() {
    let _ = Server::new("t", "1").tools(tools![get_price]);
}
