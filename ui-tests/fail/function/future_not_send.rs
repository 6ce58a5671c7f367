use candor::{Server, mcp_tool, tools};

/// Price of one symbol.
#[mcp_tool(read_only, public)]
async fn get_price() -> u32 {
    let count = std::rc::Rc::new(1);
    std::future::ready(()).await;
    *count
}

fn main() {
    let _ = Server::new("t", "1").tools(tools![get_price]);
}
