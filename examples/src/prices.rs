//! Closing prices of five companies, and alerts on them: a server on real data.

pub mod alerts;
pub mod market;
pub mod tools;

use std::path::Path;

use candor::{Server, State, tools};

use alerts::{AlertList, Alerts};
use market::Market;

/// What the tools share.
#[derive(State)]
pub struct App {
    market: Market,
    /// Reading alerts changes nothing, so a `read_only` tool may hold this handle…
    list: AlertList,
    /// …and not this one.
    #[state(write)]
    alerts: Alerts,
}

impl App {
    /// The data that is compiled in, and alerts in the folder that `PRICES_DATA` names, or in the user's state folder.
    ///
    /// # Errors
    ///
    /// The compiled-in data is not what it was.
    pub fn open() -> Result<Self, String> {
        Self::in_folder(alerts::default_folder())
    }

    /// The same data, and alerts in `folder`.
    ///
    /// # Errors
    ///
    /// As [`App::open`].
    pub fn in_folder(folder: impl AsRef<Path>) -> Result<Self, String> {
        let alerts = Alerts::in_folder(folder);
        Ok(Self { market: Market::compiled_in()?, list: alerts.list(), alerts })
    }
}

/// The whole server.
pub fn server() -> Server<App> {
    server_of(App::open)
}

/// The whole server, on a state of your own making.
pub fn server_of(state: impl FnOnce() -> Result<App, String> + Send + 'static) -> Server<App> {
    Server::new("prices", env!("CARGO_PKG_VERSION"))
        .title("Stock prices, 2000 to 2010")
        .instructions(
            "Monthly closing prices of AAPL, AMZN, GOOG, IBM and MSFT in US dollars, January 2000 to March 2010. \
             Dates are the first of a month. Alerts are kept until they are cleared.",
        )
        .state_with(state)
        .tools(tools![
            tools::get_stock_price,
            tools::price_history,
            tools::compare,
            tools::list_alerts,
            tools::set_alert,
            tools::clear_alerts,
        ])
}
