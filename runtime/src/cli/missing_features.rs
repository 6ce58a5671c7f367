//! Refuses the flags of `serve` whose feature the program was built without, and names the feature.

use std::convert::Infallible;

use clap::Args;

use super::missing_feature;
use crate::message::Message;

#[derive(Args, Debug)]
#[group(skip)]
pub(super) struct MissingFeatures {
    #[cfg(not(feature = "http"))]
    #[arg(long = "http", alias = "tokens", value_name = "ADDRESS", hide = true, value_parser = without_http)]
    _http: Option<Infallible>,
    #[cfg(not(feature = "telemetry"))]
    #[arg(long = "log-level", alias = "log-format", value_name = "LEVEL", hide = true, value_parser = without_telemetry)]
    _log_level: Option<Infallible>,
}

#[cfg(not(feature = "http"))]
fn without_http(_: &str) -> Result<Infallible, Message> {
    Err(missing_feature("http"))
}

#[cfg(not(feature = "telemetry"))]
fn without_telemetry(_: &str) -> Result<Infallible, Message> {
    Err(missing_feature("telemetry"))
}
