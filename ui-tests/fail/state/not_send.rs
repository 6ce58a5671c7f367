use std::sync::{Mutex, MutexGuard};

use candor::{Server, State, mcp_tool, tools};

#[derive(State)]
struct App {
    guard: MutexGuard<'static, u32>,
}

/// Price of one symbol.
#[mcp_tool(read_only, public)]
fn get_price() {}

fn main() {
    static COUNT: Mutex<u32> = Mutex::new(0);
    let guard = COUNT.lock().unwrap();
    let _ = Server::new("t", "1").state(App { guard }).tools(tools![get_price]);
}
