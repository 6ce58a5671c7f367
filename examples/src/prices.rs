//! A server on real data: closing prices of five companies, and alerts on them.

pub mod alerts;
pub mod exchange;
pub mod market;
pub mod tools;

use std::path::Path;

use candor::{Publication, Server, State, tools};

use alerts::{AlertList, Alerts};
use exchange::Exchange;
use market::Market;

/// The state that the tools share.
#[derive(State)]
pub struct App {
    market: Market,
    /// A `read_only` tool may take this handle, which can only read.
    list: AlertList,
    /// A `read_only` tool must not take this handle, which can write.
    #[state(write)]
    alerts: Alerts,
    /// A `closed_world` tool must not take this handle, which uses the network.
    #[state(network)]
    exchange: Exchange,
}

impl App {
    /// Opens the compiled-in prices, the alerts in the folder of `PRICES_DATA` or in the user's state folder, and the HTTP
    /// service of `PRICES_EXCHANGE`.
    ///
    /// # Errors
    ///
    /// The compiled-in data cannot be parsed.
    pub fn open() -> Result<Self, String> {
        Self::in_folder(alerts::default_folder())
    }

    /// As [`App::open`], with the alerts in `folder`.
    ///
    /// # Errors
    ///
    /// The compiled-in data cannot be parsed.
    pub fn in_folder(folder: impl AsRef<Path>) -> Result<Self, String> {
        let alerts = Alerts::in_folder(folder);
        let exchange = Exchange::at(std::env::var("PRICES_EXCHANGE").ok());
        Ok(Self { market: Market::compiled_in()?, list: alerts.list(), alerts, exchange })
    }

    /// Replaces the exchange.
    pub fn with_exchange(self, exchange: Exchange) -> Self {
        Self { exchange, ..self }
    }
}

/// The presentation of the server in registries and stores.
fn publication() -> Publication {
    Publication::new("io.github.candor-mcp/prices", "Stock prices and price alerts")
        .package("candor-examples")
        .author("The authors of Candor")
        .repository("https://github.com/candor-mcp/candor")
        .privacy_policy("https://github.com/candor-mcp/candor/blob/main/examples/PRIVACY.md")
        .category("FINANCE")
}

/// Makes the server.
pub fn server() -> Server<App> {
    server_of(App::open)
}

/// Makes the server, with another state.
pub fn server_of(state: impl FnOnce() -> Result<App, String> + Send + 'static) -> Server<App> {
    Server::new("prices", env!("CARGO_PKG_VERSION"))
        .title("Stock prices, 2000 to 2010")
        .instructions(
            "Monthly closing prices of AAPL, AMZN, GOOG, IBM and MSFT in US dollars, January 2000 to March 2010. \
             Dates are the first of a month. Alerts are kept until they are cleared.",
        )
        .publication(publication())
        .state_with(state)
        .tools(tools![
            tools::get_stock_price,
            tools::price_history,
            tools::compare,
            tools::fetch_quote,
            tools::list_alerts,
            tools::set_alert,
            tools::clear_alerts,
        ])
}
