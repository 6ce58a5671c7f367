use candor::{Server, State, mcp_tool, tools};

struct HttpAgent;

#[derive(State)]
struct App {
    exchange: HttpAgent,
}

/// Price of one symbol.
#[mcp_tool(read_only, closed_world, public)]
fn get_price(_: &HttpAgent) -> u32 {
    1
}

fn main() {
    let _ = Server::new("t", "1").state(App { exchange: HttpAgent }).tools(tools![get_price]);
}
