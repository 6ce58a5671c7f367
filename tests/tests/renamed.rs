//! Tests `candor` under another name. The name `candor` is the standard library here, so that no expansion can use it.

extern crate candor as renamed;
extern crate std as candor;

use renamed::{Server, State, mcp_tool, testing::Client, tools};
use serde_json::json;

struct Prices(f64);

#[derive(State)]
#[state(crate = ::renamed)]
struct App {
    prices: Prices,
    #[state(write)]
    _alerts: Vec<String>,
}

/// Price of one symbol.
#[mcp_tool(read_only, closed_world, public, crate = ::renamed)]
fn get_price(
    prices: &Prices,
    /// Ticker symbol.
    #[param(max_len = 5)]
    symbol: &str,
) -> Result<f64, String> {
    if symbol == "AAPL" { Ok(prices.0) } else { Err(format!("no symbol {symbol}")) }
}

/// Tell whether the call was cancelled.
#[mcp_tool(
    additive,
    public,
    rate = "9/min",
    deprecated(since = "0.0.1", remove_in = "1000.0.0", use_instead = get_price),
    crate = ::renamed
)]
async fn is_cancelled(call: &renamed::Call) -> bool {
    std::future::ready(()).await;
    call.is_cancelled()
}

#[tokio::test]
async fn renamed_dependency_with_crate_keys_works() {
    let app = App { prices: Prices(1.5), _alerts: Vec::new() };
    let server = Server::new("renamed", "1.0.0").state(app);
    let client = Client::of(server.tools(tools![crate = ::renamed; get_price, is_cancelled])).await;
    let price = client.call("get_price", json!({"symbol": "AAPL"})).await.unwrap();
    assert!(price.raw.to_string().contains("1.5"), "{}", price.raw);
    let cancelled = client.call("is_cancelled", json!({})).await.unwrap();
    assert!(cancelled.raw.to_string().contains("false"), "{}", cancelled.raw);
}

#[test]
fn empty_tools_list_builds() {
    Server::new("renamed", "1.0.0").tools(tools![crate = ::renamed;]).build().unwrap();
}
