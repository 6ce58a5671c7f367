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
    let server = Server::new("t", "1").state(App { prices: Prices });
    let _ = server.tools(tools![get_price]).state(App { prices: Prices });
}
