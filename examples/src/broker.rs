//! A server that sends orders to another HTTP service, and passes the caller's idempotency key on.
//!
//! The broker is asked under a key of its own ([`Call::downstream_key`]), so that an order whose answer is lost on the way
//! from the broker is sent again as the same order.

use std::time::Duration;

use candor::{Call, Server, State, ToolError, mcp_tool, tools};
use schemars::JsonSchema;
use serde::Serialize;
use ureq::Agent;

/// The time limit of one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// A service that takes orders at `http://…/orders`.
#[derive(Debug)]
pub struct Broker {
    address: String,
    agent: Agent,
}

impl Broker {
    /// The service at an address such as `http://127.0.0.1:8000/orders`.
    pub fn at(address: impl Into<String>) -> Self {
        let config =
            Agent::config_builder().timeout_global(Some(REQUEST_TIMEOUT)).http_status_as_error(false).build();
        Self { address: address.into(), agent: config.into() }
    }

    fn send(&self, order: &str, key: Option<&str>) -> Result<String, ToolError> {
        let unanswered = |error: ureq::Error| {
            // The broker may have taken the order; sent again under its key, it is the same one.
            ToolError::transient(format!("the broker does not answer: {error}")).reason("broker_unreachable")
        };
        let mut request = self.agent.post(&self.address);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let mut response = request.send(order).map_err(unanswered)?;
        let status = response.status();
        let text = response.body_mut().read_to_string().map_err(unanswered)?;
        if status.is_success() {
            Ok(text.trim().to_owned())
        } else if status.is_server_error() {
            Err(ToolError::transient(format!("the broker is busy ({status})")).reason("broker_busy"))
        } else {
            Err(ToolError::new(format!("the broker refused the order ({status})")).reason("broker_refused"))
        }
    }
}

/// The state of the tools.
#[derive(State)]
pub struct App {
    /// The service that takes orders.
    #[state(write, network)]
    pub broker: Broker,
}

/// The broker's confirmation of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Bought {
    /// The number that the broker gave the order.
    pub order: String,
}

/// Buy shares of one company at the market price.
#[expect(
    clippy::missing_errors_doc,
    reason = "a tool's docs are for clients, which read its errors as they come"
)]
#[mcp_tool(additive, scope = "write:orders", idempotency_key = "required")]
pub fn buy_shares(
    call: &Call,
    broker: &Broker,
    /// Ticker symbol, for example `AAPL`.
    #[param(pattern = "^[A-Z]{1,5}$", example = "AAPL")]
    symbol: &str,
    /// The number of shares.
    #[param(min = 1, max = 1000, example = 10)]
    shares: u32,
) -> Result<Bought, ToolError> {
    let key = call.downstream_key("broker");
    Ok(Bought { order: broker.send(&format!("{symbol} {shares}"), key.as_deref())? })
}

/// Makes the server, which sends orders to the broker at the address in `BROKER`.
pub fn server() -> Server<App> {
    Server::new("broker", env!("CARGO_PKG_VERSION"))
        .idempotency_argument()
        .state_with(|| {
            let address = std::env::var("BROKER").map_err(|_| "set BROKER to the address of a broker")?;
            Ok::<_, &str>(App { broker: Broker::at(address) })
        })
        .tools(tools![buy_shares])
}
