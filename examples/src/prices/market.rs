//! The compiled-in CSV → closing prices by symbol and date.

use std::{collections::BTreeMap, fmt};

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::Serialize;

/// Monthly closing prices, from `data/stocks.csv` (`data/README.md` says where it comes from).
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

/// Why there is no price to tell.
#[derive(Clone, Debug, PartialEq)]
pub enum PriceError {
    /// No company of this symbol.
    UnknownSymbol {
        /// The symbols there are.
        known: Vec<String>,
    },
    /// The period ends before it begins.
    Backwards {
        /// Where it begins.
        from: Date,
        /// Where it ends.
        to: Date,
    },
    /// The company has no price in the period.
    Nothing {
        /// The company.
        symbol: String,
        /// Its first price.
        first: Date,
        /// Its last price.
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
    /// OnStatus the compiled-in data.
    ///
    /// # Errors
    ///
    /// A line that is no price, with its number.
    pub fn compiled_in() -> Result<Self, String> {
        let mut closes: BTreeMap<String, Vec<Close>> = BTreeMap::new();
        for (at, line) in STOCKS.lines().enumerate().skip(1).filter(|(_, line)| !line.is_empty()) {
            let (symbol, close) =
                row(line).ok_or_else(|| format!("stocks.csv, line {}: no price", at + 1))?;
            closes.entry(symbol.to_owned()).or_default().push(close);
        }
        for of_one in closes.values_mut() {
            of_one.sort_by_key(|close| close.date);
        }
        Ok(Self { closes })
    }

    /// The closes of one company, oldest first, never empty.
    ///
    /// # Errors
    ///
    /// No company of this symbol.
    pub fn of(&self, symbol: &str) -> Result<&[Close], PriceError> {
        self.closes
            .get(symbol)
            .map(Vec::as_slice)
            .ok_or_else(|| PriceError::UnknownSymbol { known: self.closes.keys().cloned().collect() })
    }

    /// The closes of one company from one day to another, both included; never empty.
    ///
    /// # Errors
    ///
    /// No such company, a period that runs backwards, or one without prices.
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
            Some(some) if !some.is_empty() => Ok(some),
            _ => Err(PriceError::Nothing { symbol: symbol.to_owned(), first, last }),
        }
    }
}

/// `MSFT,Jan 1 2000,39.81`
fn row(line: &str) -> Option<(&str, Close)> {
    let mut cells = line.split(',');
    let (symbol, date, price) = (cells.next()?, cells.next()?, cells.next()?);
    let close = Close { date: Date::strptime("%b %d %Y", date).ok()?, price: price.trim().parse().ok()? };
    Some((symbol, close))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_data_is_a_price() {
        let market = Market::compiled_in().unwrap();
        let count: usize = market.closes.values().map(Vec::len).sum();
        assert_eq!(count, STOCKS.lines().skip(1).filter(|line| !line.is_empty()).count());
        assert_eq!(market.closes.keys().collect::<Vec<_>>(), ["AAPL", "AMZN", "GOOG", "IBM", "MSFT"]);
    }

    #[test]
    fn a_period_takes_both_its_ends() {
        let market = Market::compiled_in().unwrap();
        let from = jiff::civil::date(2004, 1, 1);
        let closes = market.between("AAPL", Some(from), Some(jiff::civil::date(2004, 3, 1))).unwrap();
        assert_eq!(closes.len(), 3);
        assert_eq!(closes[0].date, from);
    }
}
