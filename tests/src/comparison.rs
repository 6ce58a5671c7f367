//! Implements one server twice, with Candor and on bare rmcp, and measures the two side by side.

pub mod bare;
pub mod bench_client;
pub mod declared;
pub mod measurements;
pub mod thousand_tools;
pub mod workload;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

/// The scope that the declared tools require.
pub const SCOPE: &str = "read:prices";

/// The data of both servers.
#[derive(Clone, Debug)]
pub struct Prices(BTreeMap<String, f64>);

/// The output of every tool.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Quote {
    /// Ticker symbol.
    pub symbol: String,
    /// Day of the price.
    pub date: String,
    /// Price in dollars.
    pub close: f64,
}

impl Default for Prices {
    fn default() -> Self {
        let closes = [("AAPL", 223.02), ("AMZN", 128.82), ("GOOG", 560.19), ("IBM", 125.55), ("MSFT", 28.8)];
        Self(closes.map(|(symbol, close)| (symbol.to_owned(), close)).into())
    }
}

impl Prices {
    /// Returns the newest price of `symbol`, times `lots`.
    ///
    /// # Errors
    ///
    /// The symbol is unknown.
    pub fn quote(&self, symbol: String, lots: u32) -> Result<Quote, String> {
        match self.0.get(&symbol) {
            Some(close) => {
                Ok(Quote { symbol, date: "2010-03-01".to_owned(), close: close * f64::from(lots) })
            }
            None => Err("no such symbol\nhelp: try AAPL".to_owned()),
        }
    }
}
