use candor::{Server, mcp_tool, tools};

#[mcp_tool(read_only, public, descripton = "Price of one symbol.")]
fn get_price() -> u32 {
    1
}

fn main() {
    let _ = Server::new("t", "1").tools(tools![get_price]);
}
