//! The server on Candor: every declaration is enforced.

use std::path::Path;

use candor::{AuditLog, Sandbox, Server, Service, State, mcp_tool, tools};

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

/// Makes the server. `Sandbox::Off` shows the cost of everything but the sandbox.
pub fn unbuilt(sandbox: Sandbox) -> Server<impl State> {
    Server::new("prices", "1.0.0")
        .unaudited()
        .state(App::default())
        .tools(tools![get_price, get_price_async])
        .sandbox(sandbox)
}

/// Builds the server with an audit log in `folder`, and with its scope granted.
///
/// # Panics
///
/// The log cannot be opened.
pub fn recorded(sandbox: Sandbox, folder: &Path) -> Service {
    unbuilt(sandbox).audit(AuditLog::at(folder)).build().expect("the folder can be written").grant(SCOPE)
}

/// Builds the server, with its scope granted.
///
/// # Panics
///
/// Never: the declarations are valid.
pub fn server(sandbox: Sandbox) -> Service {
    unbuilt(sandbox).build().expect("the declarations are valid").grant(SCOPE)
}
