//! The server as Candor has it: every word is enforced.

use candor::{Sandbox, Server, Service, State, mcp_tool, tools};

use super::{Prices, Quote, SCOPE};

#[derive(Default, State)]
pub(super) struct App {
    prices: Prices,
}

/// Newest price of one symbol.
#[mcp_tool(read_only, closed_world, scope = "read:prices")]
fn get_price(
    prices: &Prices,
    /// Ticker symbol, for example `AAPL`.
    #[param(pattern = "^[A-Z]{1,5}$")]
    symbol: String,
    /// How many shares.
    #[param(min = 1, max = 100)]
    lots: u32,
) -> Result<Quote, String> {
    prices.quote(symbol, lots)
}

/// Newest price of one symbol, from a function that may wait.
#[mcp_tool(read_only, closed_world, scope = "read:prices")]
pub(super) async fn get_price_async(
    prices: &Prices,
    /// Ticker symbol, for example `AAPL`.
    #[param(pattern = "^[A-Z]{1,5}$")]
    symbol: String,
    /// How many shares.
    #[param(min = 1, max = 100)]
    lots: u32,
) -> Result<Quote, String> {
    prices.quote(symbol, lots)
}

/// The server: `Sandbox::Off` shows what everything but the sandbox costs.
pub fn unbuilt(sandbox: Sandbox) -> Server<impl State> {
    Server::new("prices", "1.0.0")
        .unaudited()
        .state(App::default())
        .tools(tools![get_price, get_price_async])
        .sandbox(sandbox)
}

/// The server, ready, with its scope granted.
///
/// # Panics
///
/// Never: the declarations are good.
pub fn server(sandbox: Sandbox) -> Service {
    unbuilt(sandbox).build().expect("the declarations are good").grant(SCOPE)
}
