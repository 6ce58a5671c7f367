//! The smallest write: one effect, one scope, and nothing else to say.

use candor::{Server, State, mcp_tool, tools};

struct Alerts;

#[derive(State)]
struct App {
    #[state(write)]
    alerts: Alerts,
}

/// Delete every price alert of one symbol.
#[mcp_tool(destructive, idempotent, scope = "read:prices")]
fn clear_alerts(
    _alerts: &Alerts,
    /// Ticker symbol.
    symbol: String,
) -> Result<usize, String> {
    Ok(symbol.len())
}

fn main() {
    let server = Server::new("t", "1").state(App { alerts: Alerts }).tools(tools![clear_alerts]);
    server.unaudited().build().unwrap();
    assert_eq!(clear_alerts(&Alerts, "AAPL".to_owned()), Ok(4));
}
