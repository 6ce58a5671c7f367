use std::{
    fs::File,
    sync::{Arc, Mutex},
};

use candor::{Server, State, mcp_tool, tools};

#[derive(State)]
struct App {
    log: Option<Arc<Mutex<File>>>,
}

/// Price of one symbol.
#[mcp_tool(read_only, public)]
fn get_price(_: &Option<Arc<Mutex<File>>>) -> u32 {
    1
}

fn main() {
    let _ = Server::new("t", "1").state(App { log: None }).tools(tools![get_price]);
}
