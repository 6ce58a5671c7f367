//! Closing prices by symbol and date, parsed from the compiled-in CSV file.

use std::{collections::BTreeMap, fmt};

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::Serialize;

/// Monthly closing prices, from `data/stocks.csv` (`data/README.md` names its source).
const STOCKS: &str = include_str!("../../data/stocks.csv");

/// One closing price.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Close {
    /// The first day of the month.
    pub date: Date,
    /// The closing price in US dollars.
    pub price: f64,
}

/// Every closing price of every company, oldest first.
#[derive(Debug)]
pub struct Market {
    closes: BTreeMap<String, Vec<Close>>,
}

/// The reason for a missing price.
#[derive(Clone, Debug, PartialEq)]
pub enum PriceError {
    /// The data has no company with this symbol.
    UnknownSymbol {
        /// The symbols in the data.
        known: Vec<String>,
    },
    /// The period ends before it begins.
    Backwards {
        /// The first day.
        from: Date,
        /// The last day.
        to: Date,
    },
    /// The company has no price in the period.
    Nothing {
        /// The company.
        symbol: String,
        /// The day of its first price.
        first: Date,
        /// The day of its last price.
        last: Date,
    },
}

impl fmt::Display for PriceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownSymbol { known } => {
                write!(f, "no company in this data set has that symbol\nhelp: it has {}", known.join(", "))
            }
            Self::Backwards { from, to } => {
                write!(f, "the period ends ({to}) before it begins ({from})\nhelp: swap `from` and `to`")
            }
            Self::Nothing { symbol, first, last } => write!(
                f,
                "{symbol} has no price in that period\nhelp: its prices run from {first} to {last}, one a month"
            ),
        }
    }
}

impl std::error::Error for PriceError {}

impl Market {
    /// Parses the compiled-in data.
    ///
    /// # Errors
    ///
    /// A line is not a price; the error has its number.
    pub fn compiled_in() -> Result<Self, String> {
        let mut closes: BTreeMap<String, Vec<Close>> = BTreeMap::new();
        for (at, line) in STOCKS.lines().enumerate().skip(1).filter(|(_, line)| !line.is_empty()) {
            let (symbol, close) =
                parse_row(line).ok_or_else(|| format!("stocks.csv, line {}: not a price", at + 1))?;
            closes.entry(symbol.to_owned()).or_default().push(close);
        }
        for of_company in closes.values_mut() {
            of_company.sort_by_key(|close| close.date);
        }
        Ok(Self { closes })
    }

    /// Returns the closing prices of one company, oldest first. There is at least one.
    ///
    /// # Errors
    ///
    /// The symbol is unknown.
    pub fn of(&self, symbol: &str) -> Result<&[Close], PriceError> {
        self.closes
            .get(symbol)
            .map(Vec::as_slice)
            .ok_or_else(|| PriceError::UnknownSymbol { known: self.closes.keys().cloned().collect() })
    }

    /// Returns the closing prices of one company between two days, both included. There is at least one.
    ///
    /// # Errors
    ///
    /// The symbol is unknown, the period ends before it begins, or it has no prices.
    pub fn between(
        &self,
        symbol: &str,
        from: Option<Date>,
        to: Option<Date>,
    ) -> Result<&[Close], PriceError> {
        let closes = self.of(symbol)?;
        let (first, last) = (closes[0].date, closes[closes.len() - 1].date);
        if let (Some(from), Some(to)) = (from, to)
            && from > to
        {
            return Err(PriceError::Backwards { from, to });
        }
        let begin = closes.partition_point(|close| from.is_some_and(|from| close.date < from));
        let end = closes.partition_point(|close| to.is_none_or(|to| close.date <= to));
        match closes.get(begin..end) {
            Some(period) if !period.is_empty() => Ok(period),
            _ => Err(PriceError::Nothing { symbol: symbol.to_owned(), first, last }),
        }
    }
}

/// Parses a line such as `MSFT,Jan 1 2000,39.81`.
fn parse_row(line: &str) -> Option<(&str, Close)> {
    let mut cells = line.split(',');
    let (symbol, date, price) = (cells.next()?, cells.next()?, cells.next()?);
    let close = Close { date: Date::strptime("%b %d %Y", date).ok()?, price: price.trim().parse().ok()? };
    Some((symbol, close))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn market_parses_every_line_of_the_data() {
        let market = Market::compiled_in().unwrap();
        let count: usize = market.closes.values().map(Vec::len).sum();
        assert_eq!(count, STOCKS.lines().skip(1).filter(|line| !line.is_empty()).count());
        assert_eq!(market.closes.keys().collect::<Vec<_>>(), ["AAPL", "AMZN", "GOOG", "IBM", "MSFT"]);
    }

    #[test]
    fn market_period_includes_both_ends() {
        let market = Market::compiled_in().unwrap();
        let from = jiff::civil::date(2004, 1, 1);
        let closes = market.between("AAPL", Some(from), Some(jiff::civil::date(2004, 3, 1))).unwrap();
        assert_eq!(closes.len(), 3);
        assert_eq!(closes[0].date, from);
    }
}
