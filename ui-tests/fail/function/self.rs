use candor::mcp_tool;

struct App;

impl App {
    /// Price of one symbol.
    #[mcp_tool(read_only, public)]
    fn get_price(&self) -> u32 {
        1
    }
}

fn main() {
    // A method has no marker, so there is nothing to register.
    App.get_price();
}
