//! The tools: plain functions, each with an attribute that declares its effects.

#![expect(
    clippy::missing_errors_doc,
    reason = "a tool's docs are for clients, which read its errors as they come"
)]
#![expect(clippy::needless_pass_by_value, reason = "the arguments of a tool are owned")]

use candor::{ToolError, mcp_tool};
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    alerts::{Alert, AlertError, AlertList, Alerts, Side},
    exchange::Exchange,
    market::{Close, Market, PriceError},
};

/// A price on a day.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Quote {
    /// The company.
    pub symbol: String,
    /// The day of the price.
    pub date: Date,
    /// The closing price in US dollars.
    pub price: f64,
}

/// Closing price of one company on the newest day in the data set.
#[mcp_tool(read_only, closed_world, scope = "read:prices")]
pub fn get_stock_price(
    market: &Market,
    /// Ticker symbol, for example `AAPL`.
    #[param(pattern = "^[A-Z]{1,5}$", example = "AAPL")]
    symbol: &str,
) -> Result<Quote, PriceError> {
    let closes = market.of(symbol)?;
    let newest = closes[closes.len() - 1];
    Ok(Quote { symbol: symbol.to_owned(), date: newest.date, price: newest.price })
}

/// The closing prices of one company over a period.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct History {
    /// The company.
    pub symbol: String,
    /// The prices, oldest first.
    pub prices: Vec<Close>,
    /// The number of prices that `limit` left out, from the end of the period.
    pub left_out: usize,
}

/// Monthly closing prices of one company, oldest first.
#[mcp_tool(read_only, closed_world, scope = "read:prices")]
pub fn price_history(
    market: &Market,
    /// Ticker symbol, for example `AAPL`.
    #[param(pattern = "^[A-Z]{1,5}$", example = "AAPL")]
    symbol: &str,
    /// First day of the period; the oldest price if left out.
    #[param(example = "2004-01-01")]
    from: Option<Date>,
    /// Last day of the period; the newest price if left out.
    #[param(example = "2004-12-01")]
    to: Option<Date>,
    /// The most prices to return.
    #[param(min = 1, max = 120, default = 24)]
    limit: usize,
) -> Result<History, PriceError> {
    let closes = market.between(symbol, from, to)?;
    let prices = closes[..closes.len().min(limit)].to_vec();
    Ok(History { symbol: symbol.to_owned(), left_out: closes.len() - prices.len(), prices })
}

/// A current price from the exchange.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Fetched {
    /// The company.
    pub symbol: String,
    /// The price in US dollars.
    pub price: f64,
}

/// Ask the exchange for the current price of a company.
#[mcp_tool(read_only, scope = "read:prices", timeout = "15s", rate = "60/min", max_in_flight = 4, retry = 3)]
pub fn fetch_quote(
    exchange: &Exchange,
    /// Ticker symbol, for example `AAPL`.
    #[param(pattern = "^[A-Z]{1,5}$", example = "AAPL")]
    symbol: &str,
) -> Result<Fetched, ToolError> {
    Ok(Fetched { symbol: symbol.to_owned(), price: exchange.quote(symbol)? })
}

/// The gains of several companies over a period.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Comparison {
    /// The companies, the one that gained most first.
    pub companies: Vec<Gain>,
}

/// The gain of one company over a period.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Gain {
    /// The company.
    pub symbol: String,
    /// The first price of the period.
    pub first: f64,
    /// The last price of the period.
    pub last: f64,
    /// The lowest price of the period.
    pub low: f64,
    /// The highest price of the period.
    pub high: f64,
    /// The gain from the first price to the last, in percent.
    pub gain_percent: f64,
}

/// Compare the gains of several companies over a period.
#[mcp_tool(read_only, closed_world, scope = "read:prices")]
pub fn compare(
    market: &Market,
    /// Ticker symbols, each once.
    #[param(min_len = 2, max_len = 5, example = ["AAPL", "MSFT"])]
    symbols: &[String],
    /// First day of the period; the oldest price if left out.
    #[param(example = "2004-01-01")]
    from: Option<Date>,
    /// Last day of the period; the newest price if left out.
    #[param(example = "2004-12-01")]
    to: Option<Date>,
) -> Result<Comparison, ToolError> {
    let duplicate = symbols.iter().enumerate().find(|(at, symbol)| symbols[..*at].contains(symbol));
    if let Some((at, symbol)) = duplicate {
        return Err(ToolError::new(format!("{symbol} is listed twice, the second time as item {}", at + 1))
            .reason("duplicate_symbol"));
    }
    let gains = symbols.iter().map(|symbol| {
        let closes =
            market.between(symbol, from, to).map_err(|error| ToolError::new(format!("{symbol}: {error}")))?;
        Ok(gain(symbol, closes))
    });
    let mut companies: Vec<Gain> = gains.collect::<Result<_, ToolError>>()?;
    companies.sort_by(|a, b| b.gain_percent.total_cmp(&a.gain_percent));
    Ok(Comparison { companies })
}

fn gain(symbol: &str, closes: &[Close]) -> Gain {
    let (first, last) = (closes[0].price, closes[closes.len() - 1].price);
    let prices = || closes.iter().map(|close| close.price);
    Gain {
        symbol: symbol.to_owned(),
        first,
        last,
        low: prices().fold(f64::INFINITY, f64::min),
        high: prices().fold(f64::NEG_INFINITY, f64::max),
        gain_percent: ((last / first - 1.0) * 10_000.0).round() / 100.0,
    }
}

/// A list of alerts.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Listed {
    /// The alerts, oldest first.
    pub alerts: Vec<Alert>,
}

/// List the price alerts that are set.
#[mcp_tool(read_only, closed_world, scope = "read:alerts")]
pub fn list_alerts(
    list: &AlertList,
    /// Only those of this company.
    #[param(pattern = "^[A-Z]{1,5}$", example = "AAPL")]
    symbol: Option<String>,
) -> Result<Listed, AlertError> {
    Ok(Listed { alerts: list.all(symbol.as_deref())? })
}

/// Set an alert for when a price crosses a limit.
#[mcp_tool(additive, closed_world, scope = "write:alerts")]
pub fn set_alert(
    market: &Market,
    alerts: &Alerts,
    /// Ticker symbol, for example `AAPL`.
    #[param(pattern = "^[A-Z]{1,5}$", example = "AAPL")]
    symbol: &str,
    /// The side of the limit that raises the alert.
    #[param(example = "above")]
    when: Side,
    /// The limit in US dollars.
    #[param(min = 0.01, max = 1_000_000, example = 250.0)]
    price: f64,
) -> Result<Alert, ToolError> {
    // An alert on an unknown company would never be raised.
    market.of(symbol).map_err(|error| ToolError::not_applied(error.to_string()).reason("unknown_symbol"))?;
    alerts.add(symbol, when, price).map_err(|error| ToolError::new(error.to_string()).reason("store"))
}

/// The result of clearing alerts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Cleared {
    /// The company.
    pub symbol: String,
    /// The number of alerts that were removed.
    pub removed: u64,
}

/// Delete every price alert of one company.
#[mcp_tool(destructive, idempotent, closed_world, scope = "write:alerts")]
pub fn clear_alerts(
    alerts: &Alerts,
    /// Ticker symbol, for example `AAPL`.
    #[param(pattern = "^[A-Z]{1,5}$", example = "AAPL")]
    symbol: &str,
) -> Result<Cleared, AlertError> {
    Ok(Cleared { symbol: symbol.to_owned(), removed: alerts.clear(symbol)? })
}
