use candor::{Server, State, mcp_tool, tools};

trait HttpClient: Send + Sync {}

#[derive(State)]
struct App(Vec<Box<dyn HttpClient>>);

/// Price of one symbol.
#[mcp_tool(read_only, public)]
fn get_price(_: &Vec<Box<dyn HttpClient>>) -> u32 {
    1
}

fn main() {
    let _ = Server::new("t", "1").state(App(Vec::new())).tools(tools![get_price]);
}
