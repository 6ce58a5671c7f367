//! Reads where telemetry is sent: the flag `--otlp-endpoint`, or the environment variables of the OpenTelemetry SDKs.

use std::{env, time::Duration};

use http::Uri;

use crate::message::Message;

/// The time for one request to the collector by default (OTLP exporter specification).
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// One of the kinds of telemetry that a collector takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    Traces,
    Metrics,
}

impl Signal {
    /// The part of the names of environment variables.
    const fn word(self) -> &'static str {
        match self {
            Self::Traces => "TRACES",
            Self::Metrics => "METRICS",
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Traces => "v1/traces",
            Self::Metrics => "v1/metrics",
        }
    }
}

/// The address that one signal is sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Destination {
    pub(super) uri: Uri,
    /// The time for one request.
    pub(super) timeout: Duration,
}

/// The variables of the process, which a test replaces.
pub(super) type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Returns a variable of the process. An empty one counts as unset (OpenTelemetry specification).
pub(super) fn variable(name: &str) -> Option<String> {
    env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

impl Destination {
    /// Finds out where `signal` is sent: to `base`, the value of the flag, or to where the environment says. `None` if it
    /// is not sent.
    pub(super) fn of(
        signal: Signal,
        base: Option<&str>,
        variables: Variables<'_>,
    ) -> Result<Option<Self>, Message> {
        let is_disabled =
            variables("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let word = signal.word();
        let exporter = variables(&format!("OTEL_{word}_EXPORTER"));
        let is_otlp = exporter.is_none_or(|exporters| exporters.split(',').any(|name| name.trim() == "otlp"));
        if is_disabled || !is_otlp {
            return Ok(None);
        }
        let own = format!("OTEL_EXPORTER_OTLP_{word}_ENDPOINT");
        let uri = if let Some(base) = base {
            below(base, signal).map_err(|error| error.to("--otlp-endpoint"))?
        } else if let Some(address) = variables(&own) {
            address_of(&address).map_err(|error| error.to(&own))?
        } else if let Some(base) = variables("OTEL_EXPORTER_OTLP_ENDPOINT") {
            below(&base, signal).map_err(|error| error.to("OTEL_EXPORTER_OTLP_ENDPOINT"))?
        } else {
            return Ok(None);
        };
        let timeout = variables(&format!("OTEL_EXPORTER_OTLP_{word}_TIMEOUT"))
            .or_else(|| variables("OTEL_EXPORTER_OTLP_TIMEOUT"))
            .and_then(|milliseconds| milliseconds.parse().ok())
            .map_or(DEFAULT_TIMEOUT, Duration::from_millis);
        Ok(Some(Self { uri, timeout }))
    }

    /// Returns the address without a user name and password, for messages.
    pub(super) fn shown(&self) -> String {
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        let host = authority.rsplit('@').next().unwrap_or(authority);
        format!("{}://{host}{}", self.uri.scheme_str().unwrap_or("http"), self.uri.path())
    }
}

/// Returns a protocol that the environment asks for and that the server does not have.
pub(super) fn unsupported_protocol(variables: Variables<'_>) -> Option<(&'static str, String)> {
    let names = [
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
        "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL",
        "OTEL_EXPORTER_OTLP_PROTOCOL",
    ];
    let mut asked = names.into_iter().filter_map(|name| Some((name, variables(name)?)));
    asked.find(|(_, protocol)| protocol != "http/protobuf")
}

/// Returns a compression that the environment asks for. The server has none: a collector takes telemetry without.
pub(super) fn unsupported_compression(variables: Variables<'_>) -> Option<(&'static str, String)> {
    let names = [
        "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
        "OTEL_EXPORTER_OTLP_METRICS_COMPRESSION",
        "OTEL_EXPORTER_OTLP_COMPRESSION",
    ];
    let mut asked = names.into_iter().filter_map(|name| Some((name, variables(name)?)));
    asked.find(|(_, compression)| !compression.eq_ignore_ascii_case("none"))
}

/// Checks the value of `--otlp-endpoint`.
#[cfg(feature = "cli")]
pub(crate) fn base_address(text: &str) -> Result<String, Message> {
    address_of(text).map(|_| text.to_owned()).map_err(|NotAnAddress| expected())
}

/// A text is not the address of a collector.
struct NotAnAddress;

impl NotAnAddress {
    fn to(self, name: &str) -> Message {
        let Self = self;
        Message::new(format!("`{name}` is not the address of a collector")).help(EXPECTED)
    }
}

const EXPECTED: &str = "give `http://` or `https://`, a host and a port, for example `http://127.0.0.1:4318`";

#[cfg(feature = "cli")]
fn expected() -> Message {
    Message::new("it is not the address of a collector").help(EXPECTED)
}

/// Returns the address of `signal` below a base address.
fn below(base: &str, signal: Signal) -> Result<Uri, NotAnAddress> {
    let separator = if base.ends_with('/') { "" } else { "/" };
    address_of(&format!("{base}{separator}{}", signal.path()))
}

fn address_of(text: &str) -> Result<Uri, NotAnAddress> {
    let uri: Uri = text.parse().map_err(|_| NotAnAddress)?;
    let has_scheme = matches!(uri.scheme_str(), Some("http" | "https"));
    let has_host = uri.host().is_some_and(|host| !host.is_empty());
    if has_scheme && has_host && uri.query().is_none() { Ok(uri) } else { Err(NotAnAddress) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destination(signal: Signal, flag: Option<&str>, variables: &[(&str, &str)]) -> Option<String> {
        let variables = |name: &str| {
            variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned())
        };
        let destination = Destination::of(signal, flag, &variables);
        destination.unwrap_or_else(|error| panic!("{error}")).map(|destination| destination.uri.to_string())
    }

    #[test]
    fn endpoint_of_the_flag_is_the_base_of_both_signals() {
        let flag = Some("http://127.0.0.1:4318");
        let other = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://other:4318")];
        let traces = destination(Signal::Traces, flag, &other);
        assert_eq!(traces.as_deref(), Some("http://127.0.0.1:4318/v1/traces"));
        let metrics = destination(Signal::Metrics, Some("https://collector/prefix/"), &other);
        assert_eq!(metrics.as_deref(), Some("https://collector/prefix/v1/metrics"));
    }

    #[test]
    fn endpoint_of_a_signal_in_the_environment_is_used_as_it_is() {
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:4318"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://b:4318/own"),
        ];
        assert_eq!(destination(Signal::Traces, None, &variables).as_deref(), Some("http://b:4318/own"));
        assert_eq!(
            destination(Signal::Metrics, None, &variables).as_deref(),
            Some("http://a:4318/v1/metrics")
        );
    }

    #[test]
    fn telemetry_is_not_sent_without_an_endpoint_or_where_the_environment_disables_it() {
        let flag = Some("http://127.0.0.1:4318");
        assert_eq!(destination(Signal::Traces, None, &[]), None);
        assert_eq!(destination(Signal::Traces, flag, &[("OTEL_SDK_DISABLED", "TRUE")]), None);
        let no_metrics = [("OTEL_METRICS_EXPORTER", "none")];
        assert_eq!(destination(Signal::Metrics, flag, &no_metrics), None);
        assert!(destination(Signal::Traces, flag, &no_metrics).is_some());
    }

    #[test]
    fn endpoints_that_are_not_addresses_are_refused_by_the_name_of_their_variable() {
        for wrong in ["collector:4317", "ftp://collector", "http://", "http://a b", "/v1"] {
            let variables =
                |name: &str| (name == "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").then(|| wrong.to_owned());
            let error = Destination::of(Signal::Traces, None, &variables).unwrap_err().to_string();
            assert!(error.contains("`OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` is not the address"), "{error}");
        }
    }

    #[test]
    fn shown_address_has_no_password() {
        let uri = "http://user:secret@collector:4318/v1/traces".parse().unwrap();
        let shown = Destination { uri, timeout: DEFAULT_TIMEOUT }.shown();
        assert_eq!(shown, "http://collector:4318/v1/traces");
    }
}
