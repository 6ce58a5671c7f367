use candor::{Server, State, mcp_tool, tools};

struct Prices;

#[derive(State)]
struct App {
    #[state(network)]
    prices: Prices,
}

/// Price of one symbol.
#[mcp_tool(additive, closed_world, public)]
fn get_price(_prices: &Prices) {}

fn main() {
    let _ = Server::new("t", "1").state(App { prices: Prices }).tools(tools![get_price]);
}
