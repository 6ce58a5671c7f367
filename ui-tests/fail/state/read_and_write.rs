use candor::{Server, State, mcp_tool, tools};

#[derive(State)]
struct App {
    #[state(read, write)]
    price: u32,
}

/// Price of one symbol.
#[mcp_tool(read_only, public)]
fn get_price(_: &u32) -> u32 {
    1
}

fn main() {
    let _ = Server::new("t", "1").state(App { price: 1 }).tools(tools![get_price]);
}
