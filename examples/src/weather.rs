//! A client of an HTTP API: the weather in a place, and its forecast.

pub mod api;
pub mod tools;

use std::{convert::Infallible, time::Duration};

use candor::{Server, State, clap, tools};
use ureq::http::Uri;

use api::WeatherApi;

/// The options of the server, beside those that every server has.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The address of the weather service, for example `http://127.0.0.1:8000/v1`
    // `--api` can also be set by the environment variable `WEATHER_API`, which Candor derives from the names.
    #[arg(long, value_name = "URL", value_parser = parse_address)]
    api: Uri,
    /// The time limit of one request to the service in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=60))]
    api_timeout: u64,
}

fn parse_address(text: &str) -> Result<Uri, String> {
    let address: Uri = text.parse().map_err(|error| format!("{error}"))?;
    match (address.scheme_str(), address.query()) {
        (Some("http"), None) => Ok(address),
        _ => Err("expected an address such as http://127.0.0.1:8000/v1".to_owned()),
    }
}

/// The state that the tools share.
#[derive(State)]
pub struct App {
    /// A `closed_world` tool must not take this handle, which uses the network.
    #[state(network)]
    api: WeatherApi,
}

/// Makes the server.
pub fn server() -> Server<App> {
    Server::new("weather", env!("CARGO_PKG_VERSION"))
        .title("Weather")
        .instructions("Temperatures are in °C, wind speeds in km/h, and chances of rain in percent.")
        .args::<Options>()
        .state_with(|options: Options| {
            let timeout = Duration::from_secs(options.api_timeout);
            Ok::<_, Infallible>(App { api: WeatherApi::new(&options.api, timeout) })
        })
        .tools(tools![tools::current_weather, tools::forecast])
}
