use candor::{Server, State, mcp_tool, tools};

struct SqlitePool;

#[derive(State)]
struct App {
    prices: SqlitePool,
}

/// Price of one symbol.
#[mcp_tool(read_only, public)]
fn get_price(_: &SqlitePool) -> u32 {
    1
}

fn main() {
    let _ = Server::new("t", "1").state(App { prices: SqlitePool }).tools(tools![get_price]);
}
