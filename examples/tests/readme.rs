//! The README's code that is not part of an example server. `tests/tests/readme.rs` compares it with the README.

use candor::{Revision, testing::Client};
use candor_examples::prices::{App, server_of};
use serde_json::json;

#[expect(dead_code, reason = "the README only declares the state")]
mod state {
    use candor::State;

    struct Prices;
    struct Alerts;

    #[derive(State)]
    struct App {
        prices: Prices,
        #[state(write)]
        alerts: Alerts,
    }
}

#[tokio::test]
async fn readme_client_calls_a_tool() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().to_owned();
    let server = || server_of(|| App::in_folder(path)).unaudited();

    let client = Client::to(server().build()?.grant("read:prices"), Revision::V2026_07_28).await;
    let answer = client.call("get_stock_price", json!({"symbol": "AAPL"})).await?;
    assert_eq!(answer.structured.unwrap()["price"], 223.02);
    Ok(())
}
