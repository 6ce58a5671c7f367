use candor::{Server, State, mcp_tool, tools};

struct Prices;

#[derive(State)]
struct App {
    prices: Prices,
}

/// Price of one symbol.
#[mcp_tool(read_only, public)]
fn get_price(_prices: &Prices) {}

fn main() {
    let _ = Server::new("t", "1").tools(tools![get_price]).state(App { prices: Prices });
}
