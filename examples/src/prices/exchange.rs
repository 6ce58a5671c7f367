//! A quote service over HTTP → a price, with failures that say whether they pass.

use std::time::Duration;

use candor::ToolError;
use ureq::{Agent, http::StatusCode};

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The service at `http://…/SYMBOL`, which answers with a price and nothing else.
#[derive(Debug)]
pub struct Exchange {
    address: Option<String>,
    agent: Agent,
}

impl Exchange {
    /// The service at an address such as `http://127.0.0.1:8000/quotes`; without one, every question says so.
    pub fn at(address: Option<String>) -> Self {
        let config =
            Agent::config_builder().timeout_global(Some(PATIENCE)).http_status_as_error(false).build();
        Self { address: address.filter(|address| !address.is_empty()), agent: config.into() }
    }

    /// Asks for a price.
    ///
    /// # Errors
    ///
    /// Transient where the service is busy or out of reach, with the time it asks to wait (`Retry-After` in seconds).
    pub fn quote(&self, symbol: &str) -> Result<f64, ToolError> {
        let address = self.address.as_deref().ok_or_else(|| {
            ToolError::new("no quote service is configured\nhelp: set PRICES_EXCHANGE, for example to http://127.0.0.1:8000/quotes")
                .reason("no_exchange")
        })?;
        let url = format!("{}/{symbol}", address.trim_end_matches('/'));
        let mut answer = self.agent.get(&url).call().map_err(|error| unreachable(&error))?;
        match answer.status() {
            StatusCode::OK => {
                let body = answer
                    .body_mut()
                    .with_config()
                    .limit(64)
                    .read_to_string()
                    .map_err(|error| unreachable(&error))?;
                body.trim().parse().map_err(|_| {
                    ToolError::new("the quote service answered with no price").reason("bad_quote")
                })
            }
            StatusCode::NOT_FOUND => {
                Err(ToolError::new(format!("the quote service knows no {symbol}")).reason("unknown_symbol"))
            }
            status if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() => {
                let after =
                    answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
                let error = ToolError::transient(format!("the quote service is busy ({status})"))
                    .reason("exchange_busy");
                Err(match after {
                    Some(seconds) => error.retry_after(Duration::from_secs(seconds)),
                    None => error,
                })
            }
            status => Err(ToolError::new(format!("the quote service refused the question ({status})"))
                .reason("exchange_refused")),
        }
    }
}

fn unreachable(error: &ureq::Error) -> ToolError {
    ToolError::transient(format!("the quote service does not answer: {error}")).reason("exchange_unreachable")
}
