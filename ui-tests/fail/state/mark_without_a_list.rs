use candor::{Server, State, mcp_tool, tools};

#[derive(State)]
struct App {
    #[state]
    prices: u32,
}

/// Price of one symbol.
#[mcp_tool(read_only, public)]
fn get_price() {}

fn main() {
    let _ = Server::new("t", "1").state(App { prices: 1 }).tools(tools![get_price]);
}
