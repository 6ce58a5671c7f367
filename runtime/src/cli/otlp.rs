//! Reads the flag of `serve` that sends spans and metrics to an OpenTelemetry collector.

#[cfg(not(feature = "otel"))]
use std::convert::Infallible;

use clap::Args;

#[cfg(not(feature = "otel"))]
use super::missing_feature;
#[cfg(not(feature = "otel"))]
use crate::message::Message;
#[cfg(feature = "telemetry")]
use crate::telemetry::log::SpanLayer;
use crate::{about::About, serve::Service};
#[cfg(feature = "otel")]
use crate::{
    spans, stderr,
    telemetry::{Otlp, base_address},
};

#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Telemetry")]
#[group(skip)]
pub(super) struct OtlpOptions {
    /// Send traces and metrics to this OpenTelemetry collector (OTLP over HTTP), for example `http://127.0.0.1:4318`
    ///
    /// Default: what `OTEL_EXPORTER_OTLP_ENDPOINT` says; without it, nothing is sent. The other standard variables apply as
    /// well: `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_TRACES_SAMPLER`, `OTEL_SDK_DISABLED` and so on.
    #[cfg(feature = "otel")]
    #[arg(long, value_name = "URL", value_parser = base_address)]
    otlp_endpoint: Option<String>,
    /// Refused: the program was built without feature `otel`
    #[cfg(not(feature = "otel"))]
    #[arg(long, value_name = "URL", hide = true, value_parser = without_otel)]
    otlp_endpoint: Option<Infallible>,
}

/// The export while the server runs.
pub(super) struct Exporting {
    #[cfg(feature = "otel")]
    otlp: Option<Otlp>,
}

impl OtlpOptions {
    /// Starts the export, if the flag or the environment asks for it. A wrong address in the environment is reported, and
    /// nothing is exported: it may be meant for other programs.
    #[cfg(feature = "otel")]
    pub(super) fn start(&self, about: &About, replica: Option<&str>) -> Exporting {
        let otlp = Otlp::start(self.otlp_endpoint.as_deref(), about, replica).unwrap_or_else(|error| {
            stderr::line(format_args!("warning: no telemetry is sent: {error}"));
            None
        });
        Exporting { otlp }
    }

    #[cfg(not(feature = "otel"))]
    pub(super) fn start(&self, _: &About, _: Option<&str>) -> Exporting {
        if let Some(never) = self.otlp_endpoint {
            match never {}
        }
        Exporting {}
    }
}

impl Exporting {
    /// Returns the layer that takes the spans of the process, if they are exported.
    #[cfg(feature = "telemetry")]
    #[cfg_attr(not(feature = "otel"), expect(clippy::unused_self, reason = "nothing is sent"))]
    pub(super) fn layer(&self) -> Option<SpanLayer> {
        #[cfg(feature = "otel")]
        return self.otlp.as_ref().and_then(Otlp::layer);
        #[cfg(not(feature = "otel"))]
        None
    }

    /// Sends the server's spans past the subscriber of the process, which must have the layer.
    #[cfg(feature = "telemetry")]
    #[cfg_attr(not(feature = "otel"), expect(clippy::unused_self, reason = "nothing is sent"))]
    pub(super) fn bypass_subscriber(&self) {
        #[cfg(feature = "otel")]
        if let Some(tracer) = self.otlp.as_ref().and_then(Otlp::tracer) {
            spans::export_to(tracer);
        }
    }

    /// Sends the metrics of a server, too.
    #[cfg_attr(not(feature = "otel"), expect(clippy::unused_self, reason = "nothing is sent"))]
    pub(super) fn add(&self, service: &Service) {
        #[cfg(feature = "otel")]
        if let Some(otlp) = &self.otlp {
            service.export_metrics(otlp);
        }
        #[cfg(not(feature = "otel"))]
        let _ = service;
    }

    /// Sends what is left, within a limited time.
    #[cfg_attr(not(feature = "otel"), expect(clippy::unused_self, reason = "nothing is sent"))]
    pub(super) fn stop(self) {
        #[cfg(feature = "otel")]
        if let Some(otlp) = self.otlp {
            otlp.stop();
        }
    }
}

/// Refuses the flag in a program without the feature.
#[cfg(not(feature = "otel"))]
fn without_otel(_: &str) -> Result<Infallible, Message> {
    Err(missing_feature("otel"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Flags {
        #[command(flatten)]
        export: OtlpOptions,
    }

    fn parse(endpoint: &str) -> Result<Flags, String> {
        Flags::try_parse_from(["prices", "--otlp-endpoint", endpoint]).map_err(|error| error.to_string())
    }

    #[cfg(not(feature = "otel"))]
    #[test]
    fn otlp_endpoint_without_its_feature_names_the_line_for_cargo_toml() {
        let error = parse("http://127.0.0.1:4318").unwrap_err();
        assert!(error.contains("this program was built without feature `otel`"), "{error}");
        assert!(error.contains(r#"candor = { version = "0.1", features = ["otel"] }"#), "{error}");
    }

    #[cfg(feature = "otel")]
    #[test]
    fn otlp_endpoint_is_an_address_with_scheme_and_host() {
        assert_eq!(
            parse("http://127.0.0.1:4318").unwrap().export.otlp_endpoint.as_deref(),
            Some("http://127.0.0.1:4318")
        );
        for wrong in ["127.0.0.1:4318", "grpc://collector:4317", "http://", ""] {
            let error = parse(wrong).unwrap_err();
            assert!(error.contains("for example `http://127.0.0.1:4318`"), "{wrong}: {error}");
        }
    }
}
