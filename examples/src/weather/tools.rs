//! The tools: data for programs, and beside it a text that a model reads with fewer tokens than JSON.

#![expect(
    clippy::missing_errors_doc,
    reason = "a tool's docs are for clients, which read its errors as they come"
)]

use candor::{Content, Structured, ToolError, mcp_tool};

use super::api::{Current, Forecast, WeatherApi};

/// The weather in a place now.
// A transient error is retried: after the wait that the service asks for, or with growing waits, until the timeout.
#[mcp_tool(read_only, scope = "weather:read", timeout = "20s", retry = 3, rate = "60/min", max_in_flight = 8)]
pub fn current_weather(
    api: &WeatherApi,
    /// The name of a town, for example `Bern`.
    #[param(min_len = 1, max_len = 80, example = "Bern")]
    place: &str,
) -> Result<Structured<Current>, ToolError> {
    let current = api.current(place)?;
    let Current { place, at, temperature, wind, summary } = &current;
    let text = format!("{place}, {at}: {summary}, {temperature} °C, wind {wind} km/h");
    Ok(Structured::new(current).content(Content::text(text)))
}

/// The forecast for a place, a line for each day.
#[mcp_tool(read_only, scope = "weather:read", timeout = "20s", retry = 3, rate = "60/min", max_in_flight = 8)]
pub fn forecast(
    api: &WeatherApi,
    /// The name of a town, for example `Bern`.
    #[param(min_len = 1, max_len = 80, example = "Bern")]
    place: &str,
    /// The number of days, from tomorrow on.
    #[param(min = 1, max = 7, default = 3)]
    days: u8,
) -> Result<Structured<Forecast>, ToolError> {
    let forecast = api.forecast(place, days)?;
    let lines = forecast.days.iter().map(|day| {
        format!("{}: {}, {} to {} °C, rain {} %", day.date, day.summary, day.low, day.high, day.rain)
    });
    let text: Vec<String> = std::iter::once(forecast.place.clone()).chain(lines).collect();
    Ok(Structured::new(forecast).content(Content::text(text.join("\n"))))
}
