//! Asks a quote service over HTTP for a price. Its errors say whether a retry can help.

use std::time::Duration;

use candor::ToolError;
use ureq::{Agent, http::StatusCode};

/// The time limit of one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// A service at `http://…/SYMBOL`, which answers with a price as plain text.
#[derive(Debug)]
pub struct Exchange {
    address: Option<String>,
    agent: Agent,
}

impl Exchange {
    /// The service at an address such as `http://127.0.0.1:8000/quotes`. Without an address, every request fails.
    pub fn at(address: Option<String>) -> Self {
        let config =
            Agent::config_builder().timeout_global(Some(REQUEST_TIMEOUT)).http_status_as_error(false).build();
        Self { address: address.filter(|address| !address.is_empty()), agent: config.into() }
    }

    /// Requests a price.
    ///
    /// # Errors
    ///
    /// Transient if the service is busy or cannot be reached, with the time to wait that it gives (`Retry-After` in seconds).
    pub fn quote(&self, symbol: &str) -> Result<f64, ToolError> {
        let address = self.address.as_deref().ok_or_else(|| {
            ToolError::new("no quote service is configured\nhelp: set PRICES_EXCHANGE, for example to http://127.0.0.1:8000/quotes")
                .reason("no_exchange")
        })?;
        let url = format!("{}/{symbol}", address.trim_end_matches('/'));
        let mut response = self.agent.get(&url).call().map_err(|error| unreachable(&error))?;
        match response.status() {
            StatusCode::OK => {
                let body = response
                    .body_mut()
                    .with_config()
                    .limit(64)
                    .read_to_string()
                    .map_err(|error| unreachable(&error))?;
                body.trim().parse().map_err(|_| {
                    ToolError::new("the quote service did not answer with a price").reason("bad_quote")
                })
            }
            StatusCode::NOT_FOUND => {
                Err(ToolError::new(format!("the quote service does not know {symbol}"))
                    .reason("unknown_symbol"))
            }
            status if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() => {
                let retry_after =
                    response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
                let error = ToolError::transient(format!("the quote service is busy ({status})"))
                    .reason("exchange_busy");
                Err(match retry_after {
                    Some(seconds) => error.retry_after(Duration::from_secs(seconds)),
                    None => error,
                })
            }
            status => Err(ToolError::new(format!("the quote service refused the request ({status})"))
                .reason("exchange_refused")),
        }
    }
}

fn unreachable(error: &ureq::Error) -> ToolError {
    ToolError::transient(format!("the quote service does not answer: {error}")).reason("exchange_unreachable")
}
