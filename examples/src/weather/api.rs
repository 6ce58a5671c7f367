//! Sends requests to the weather service, and turns its failures into errors that say what the caller can do.

use std::time::Duration;

use candor::ToolError;
use jiff::{Timestamp, civil::Date, fmt::rfc2822};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use ureq::{
    Agent,
    http::{HeaderMap, StatusCode, Uri, header::RETRY_AFTER},
};

/// The size limit of an answer in bytes.
const MAX_BODY_BYTES: u64 = 256 * 1024;

/// The length limit of a text of the service in an error, in characters.
const MAX_DETAIL_CHARS: usize = 200;

/// The weather in a place at one time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Current {
    /// The place, as the service names it.
    pub place: String,
    /// The time of the observation.
    pub at: Timestamp,
    /// The temperature in °C.
    pub temperature: f64,
    /// The wind speed in km/h.
    pub wind: f64,
    /// The weather in words, for example `light rain`.
    pub summary: String,
}

/// The forecast for a place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Forecast {
    /// The place, as the service names it.
    pub place: String,
    /// The days, the next one first.
    pub days: Vec<Day>,
}

/// The forecast for one day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Day {
    /// The day.
    pub date: Date,
    /// The lowest temperature in °C.
    pub low: f64,
    /// The highest temperature in °C.
    pub high: f64,
    /// The chance of rain in percent.
    pub rain: u8,
    /// The weather in words, for example `light rain`.
    pub summary: String,
}

/// The weather service: `GET /current?place=Bern` and `GET /forecast?place=Bern&days=3` answer with JSON.
#[derive(Debug)]
pub struct WeatherApi {
    address: String,
    agent: Agent,
}

impl WeatherApi {
    /// The service at `address`. A request that takes longer than `timeout` fails.
    pub fn new(address: &Uri, timeout: Duration) -> Self {
        let config =
            Agent::config_builder().timeout_global(Some(timeout)).http_status_as_error(false).build();
        Self { address: address.to_string().trim_end_matches('/').to_owned(), agent: config.into() }
    }

    /// Requests the weather in a place.
    ///
    /// # Errors
    ///
    /// Transient if the service is busy, broken or cannot be reached. Permanent if it does not know the place, refuses the
    /// request, or sends an answer that cannot be read.
    pub fn current(&self, place: &str) -> Result<Current, ToolError> {
        self.get("current", &[("place", place)])
    }

    /// Requests the forecast for a place.
    ///
    /// # Errors
    ///
    /// As for [`WeatherApi::current`].
    pub fn forecast(&self, place: &str, days: u8) -> Result<Forecast, ToolError> {
        self.get("forecast", &[("place", place), ("days", &days.to_string())])
    }

    fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Result<T, ToolError> {
        let request = self.agent.get(format!("{}/{path}", self.address)).query_pairs(query.iter().copied());
        let mut response = request.call().map_err(|error| {
            ToolError::transient("the weather service cannot be reached")
                .reason("service_unreachable")
                .caused_by(&error)
        })?;
        let body =
            response.body_mut().with_config().limit(MAX_BODY_BYTES).read_to_vec().map_err(|error| {
                ToolError::transient("the answer of the weather service is incomplete")
                    .reason("service_unreachable")
                    .caused_by(&error)
            })?;
        if !response.status().is_success() {
            return Err(failure(response.status(), response.headers(), &body));
        }
        serde_json::from_slice(&body).map_err(|error| {
            ToolError::new("the answer of the weather service has an unknown form")
                .reason("service_answer")
                .caused_by(&error)
        })
    }
}

/// Returns the error of a response that is not a success.
fn failure(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ToolError {
    let detail = detail(body).map(|detail| format!(": {detail}")).unwrap_or_default();
    match status {
        StatusCode::NOT_FOUND => {
            ToolError::new("the weather service does not know this place\nhelp: name a larger town nearby")
                .reason("unknown_place")
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => busy(status, headers, &detail),
        status if status.is_server_error() => busy(status, headers, &detail),
        status => ToolError::new(format!("the weather service refuses the request ({status}){detail}"))
            .reason("service_refused"),
    }
}

/// Returns the error of a service that may answer later.
fn busy(status: StatusCode, headers: &HeaderMap, detail: &str) -> ToolError {
    let error = ToolError::transient(format!("the weather service has no answer now ({status}){detail}"))
        .reason("service_busy");
    match retry_after(headers) {
        Some(wait) => error.retry_after(wait),
        None => error,
    }
}

/// Reads the time to wait (`Retry-After`, RFC 9110, 10.2.3): seconds or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?;
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = rfc2822::parse(value).ok()?;
    // A date in the past means at once.
    Some(Timestamp::now().duration_until(date.timestamp()).try_into().unwrap_or_default())
}

/// Returns the explanation of the service (`{"error": "…"}`), cut to a length that an error can show.
fn detail(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Problem {
        error: String,
    }
    let Problem { error } = serde_json::from_slice(body).ok()?;
    Some(error.chars().take(MAX_DETAIL_CHARS).collect())
}
