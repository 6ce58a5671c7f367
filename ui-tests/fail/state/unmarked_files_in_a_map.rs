use std::{collections::HashMap, fs::File};

use candor::{Server, State, mcp_tool, tools};

#[derive(State)]
struct App {
    logs: HashMap<String, File>,
}

/// Price of one symbol.
#[mcp_tool(read_only, public)]
fn get_price(_: &HashMap<String, File>) -> u32 {
    1
}

fn main() {
    let _ = Server::new("t", "1").state(App { logs: HashMap::new() }).tools(tools![get_price]);
}
