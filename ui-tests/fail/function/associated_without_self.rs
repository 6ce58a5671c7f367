use candor::mcp_tool;

struct App;

impl App {
    /// Price of one symbol.
    #[mcp_tool(read_only, public)]
    fn get_price() -> u32 {
        1
    }
}

fn main() {
    App::get_price();
}
