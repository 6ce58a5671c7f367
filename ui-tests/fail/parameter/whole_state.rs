use candor::{Server, State, mcp_tool, tools};

struct Prices;

#[derive(State)]
struct App {
    prices: Prices,
}

/// Price of one symbol.
#[mcp_tool(read_only, public)]
fn get_price(_app: &App) {}

fn main() {
    let _ = Server::new("t", "1").state(App { prices: Prices }).tools(tools![get_price]);
}
