//! Tests at level one: a tool is a function, so these tests call it.

use candor_examples::prices::{
    alerts::{Alerts, Side},
    market::{Market, PriceError},
    tools::{clear_alerts, compare, get_stock_price, list_alerts, price_history, set_alert},
};
use jiff::civil::date;

fn market() -> Market {
    Market::compiled_in().unwrap()
}

fn symbols(symbols: &[&str]) -> Vec<String> {
    symbols.iter().map(ToString::to_string).collect()
}

#[test]
fn get_stock_price_returns_the_newest_price_of_each_company() {
    let market = market();
    for (symbol, price) in
        [("AAPL", 223.02), ("AMZN", 128.82), ("GOOG", 560.19), ("IBM", 125.55), ("MSFT", 28.8)]
    {
        let quote = get_stock_price(&market, symbol).unwrap();
        assert_eq!((quote.date, quote.price), (date(2010, 3, 1), price), "{symbol}");
    }
}

#[test]
fn get_stock_price_of_an_unknown_symbol_lists_the_known_ones() {
    let error = get_stock_price(&market(), "TSLA").unwrap_err();
    assert_eq!(
        error.to_string(),
        "no company in this data set has that symbol\nhelp: it has AAPL, AMZN, GOOG, IBM, MSFT"
    );
    assert!(price_history(&market(), "", None, None, 1).is_err());
}

#[test]
fn price_history_includes_both_ends_and_counts_what_its_limit_left_out() {
    let market = market();
    let (from, to) = (Some(date(2004, 1, 1)), Some(date(2004, 12, 1)));
    let year = price_history(&market, "AAPL", from, to, 120).unwrap();
    assert_eq!((year.prices.len(), year.left_out), (12, 0));
    assert!(year.prices.is_sorted_by_key(|close| close.date));
    let start = price_history(&market, "AAPL", from, to, 5).unwrap();
    assert_eq!((start.prices.as_slice(), start.left_out), (&year.prices[..5], 7));
    let all = price_history(&market, "AAPL", None, None, 120).unwrap();
    assert_eq!((all.prices.len(), all.left_out), (120, 3));
    // GOOG was not listed before August 2004.
    assert_eq!(price_history(&market, "GOOG", None, None, 1).unwrap().prices[0].date, date(2004, 8, 1));
}

#[test]
fn price_history_of_a_backwards_or_empty_period_gives_help() {
    let market = market();
    let (early, late) = (date(2004, 1, 1), date(2005, 1, 1));
    let error = price_history(&market, "IBM", Some(late), Some(early), 24).unwrap_err();
    assert_eq!(error, PriceError::Backwards { from: late, to: early });
    assert!(error.to_string().ends_with("help: swap `from` and `to`"), "{error}");
    for (from, to) in [
        (Some(date(2020, 1, 1)), None),
        (None, Some(date(1999, 12, 31))),
        (Some(date(2004, 1, 2)), Some(date(2004, 1, 31))),
    ] {
        let error = price_history(&market, "IBM", from, to, 24).unwrap_err();
        assert_eq!(
            error.to_string(),
            "IBM has no price in that period\nhelp: its prices run from 2000-01-01 to 2010-03-01, one a month"
        );
    }
    assert_eq!(price_history(&market, "IBM", Some(early), Some(early), 24).unwrap().prices.len(), 1);
}

#[test]
fn compare_puts_the_greatest_gain_first() {
    let comparison = compare(&market(), &symbols(&["MSFT", "AAPL", "IBM"]), None, None).unwrap();
    let order: Vec<_> = comparison.companies.iter().map(|gain| gain.symbol.as_str()).collect();
    assert_eq!(order, ["AAPL", "IBM", "MSFT"]);
    let apple = &comparison.companies[0];
    assert_eq!((apple.first, apple.last, apple.low, apple.high), (25.94, 223.02, 7.07, 223.02));
    assert!((apple.gain_percent - 759.75).abs() < 1e-9);
}

#[test]
fn compare_names_the_company_at_fault() {
    let market = market();
    let error = compare(&market, &symbols(&["AAPL", "MSFT", "AAPL"]), None, None).unwrap_err();
    assert_eq!(error.reason_code(), Some("duplicate_symbol"));
    assert_eq!(error.message(), "AAPL is listed twice, the second time as item 3");
    let error = compare(&market, &symbols(&["AAPL", "TSLA"]), None, None).unwrap_err();
    assert!(error.message().starts_with("TSLA: no company"), "{error}");
    let before_google = Some(date(2004, 7, 1));
    let error = compare(&market, &symbols(&["AAPL", "GOOG"]), None, before_google).unwrap_err();
    assert!(error.message().starts_with("GOOG: GOOG has no price in that period"), "{error}");
}

#[test]
fn alerts_persist_when_the_file_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let market = market();
    {
        let alerts = Alerts::in_folder(folder.path());
        assert_eq!(list_alerts(&alerts.list(), None).unwrap().alerts, []);
        assert!(!folder.path().join("alerts.redb").exists(), "reading does not create the file");
        set_alert(&market, &alerts, "AAPL", Side::Above, 250.0).unwrap();
        set_alert(&market, &alerts, "MSFT", Side::Below, 20.5).unwrap();
        set_alert(&market, &alerts, "AAPL", Side::Below, 100.0).unwrap();
        assert_eq!(clear_alerts(&alerts, "MSFT").unwrap().removed, 1);
    }
    let alerts = Alerts::in_folder(folder.path());
    let reopened = list_alerts(&alerts.list(), None).unwrap().alerts;
    assert_eq!(
        reopened.iter().map(|alert| (alert.id, &*alert.symbol, alert.when, alert.price)).collect::<Vec<_>>(),
        [(1, "AAPL", Side::Above, 250.0), (3, "AAPL", Side::Below, 100.0)]
    );
    let next = set_alert(&market, &alerts, "IBM", Side::Above, 1.0).unwrap();
    assert_eq!(next.id, 4, "an id is never used again");
    assert_eq!(list_alerts(&alerts.list(), Some("IBM".to_owned())).unwrap().alerts, [next]);
    assert_eq!(clear_alerts(&alerts, "AAPL").unwrap().removed, 2);
    assert_eq!(clear_alerts(&alerts, "AAPL").unwrap().removed, 0, "clearing is idempotent");
}

#[test]
fn set_alert_on_an_unknown_company_sets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let alerts = Alerts::in_folder(folder.path());
    let error = set_alert(&market(), &alerts, "TSLA", Side::Above, 1.0).unwrap_err();
    assert_eq!((error.reason_code(), error.is_not_applied()), (Some("unknown_symbol"), true));
    assert_eq!(list_alerts(&alerts.list(), None).unwrap().alerts, []);
}

#[test]
fn alerts_file_that_cannot_be_opened_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    let error = clear_alerts(&Alerts::in_folder(&file), "AAPL").unwrap_err().to_string();
    assert!(error.contains("file/alerts.redb could not be opened"), "{error}");
    assert!(error.contains("PRICES_DATA"), "{error}");
}

#[test]
fn alerts_file_can_be_opened_by_many_threads_at_once() {
    let market = market();
    for _ in 0..5 {
        let folder = tempfile::tempdir().unwrap();
        let alerts = Alerts::in_folder(folder.path());
        let start = std::sync::Barrier::new(8);
        let mut ids: Vec<u64> = std::thread::scope(|scope| {
            let set_one = || {
                start.wait();
                set_alert(&market, &alerts, "AAPL", Side::Above, 1.0).unwrap().id
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(set_one)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        ids.sort_unstable();
        assert_eq!(ids, (1..=8).collect::<Vec<u64>>());
    }
}
