use std::thread::JoinHandle;

use candor::{Server, State, mcp_tool, tools};

#[derive(State)]
struct App {
    worker: Option<JoinHandle<()>>,
}

/// Price of one symbol.
#[mcp_tool(read_only, public)]
fn get_price(_: &Option<JoinHandle<()>>) -> u32 {
    1
}

fn main() {
    let _ = Server::new("t", "1").state(App { worker: None }).tools(tools![get_price]);
}
