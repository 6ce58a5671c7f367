//! The README's code that is not part of an example server. `tests/tests/project/readme.rs` compares it with the README.

#[allow(dead_code, reason = "the README only declares the state and the tool")]
mod state {
    use candor::{State, mcp_tool};

    struct Prices;
    struct Alerts;

    #[derive(State)]
    struct App {
        prices: Prices,
        #[state(write)]
        alerts: Alerts,
    }

    /// Count the companies with prices.
    #[mcp_tool(read_only, closed_world, scope = "read:prices")]
    fn count(prices: &Prices) -> usize {
        let _ = prices;
        5
    }
}

mod client {
    use candor::{Revision, Server, mcp_tool, testing::Client, tools};
    use serde_json::json;

    /// Double a number.
    #[mcp_tool(read_only, closed_world, public)]
    fn double(
        /// The number to double.
        number: i32,
    ) -> i64 {
        i64::from(number) * 2
    }

    #[tokio::test]
    async fn doubles_a_number() {
        let service = Server::new("numbers", "1.0.0").tools(tools![double]).build().unwrap();
        let client = Client::to(service, Revision::V2026_07_28).await;
        let answer = client.call("double", json!({"number": 21})).await.unwrap();
        assert_eq!(answer.structured, Some(json!(42)));
    }
}
