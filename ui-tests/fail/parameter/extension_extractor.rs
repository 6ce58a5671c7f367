use candor::{Server, mcp_tool, tools};

/// As axum has it.
struct Extension<T>(T);

struct App;

/// Price of one symbol.
#[mcp_tool(read_only, public)]
fn get_price(Extension(app): Extension<App>) {}

fn main() {
    let _ = Server::new("t", "1").tools(tools![get_price]);
}
