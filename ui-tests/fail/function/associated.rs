use candor::mcp_tool;

struct App;

impl App {
    const PRICE: u32 = 1;

    /// Price of one symbol.
    #[mcp_tool(read_only, public)]
    fn get_price() -> u32 {
        Self::PRICE
    }
}

fn main() {
    // A function of a type has no marker, so there is nothing to register.
    App::get_price();
}
