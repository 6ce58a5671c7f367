//! Sends spans and metrics to an OpenTelemetry collector by OTLP over HTTP (`http/protobuf`).
//!
//! Calls never wait for the collector: ended spans go into a bounded queue, and threads of their own send them. A collector
//! that does not take them is reported once, and what it does not take is counted.

mod client;
mod delivery;
mod instruments;
mod reader;
mod settings;
mod traces;

use std::{
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use opentelemetry::{KeyValue, metrics::Meter, metrics::MeterProvider as _, trace::TracerProvider as _};
use opentelemetry_sdk::{
    Resource,
    metrics::SdkMeterProvider,
    trace::{SdkTracer, SdkTracerProvider},
};
use tracing::{Level, Metadata};
use tracing_subscriber::{Layer, Registry};

pub(super) use self::instruments::Instruments;
pub(crate) use self::settings::base_address;
use self::{
    delivery::Delivery,
    settings::{Destination, Signal, unsupported_compression, unsupported_protocol, variable},
};
use super::target::crate_of;
use crate::{about::About, message::Message, spans, stderr};

/// How long the end of the process waits for the last spans and metrics.
const EXPORT_FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

/// The name of the instrumentation in spans and metrics.
const SCOPE: &str = "candor";

/// Crates whose spans and events stay in the process: they describe transports, and some print messages whole.
const EXCLUDED: [&str; 8] = ["rmcp", "hyper", "hyper_util", "h2", "rustls", "ureq", "tokio", "opentelemetry"];

/// A layer that takes the spans of the process.
pub(crate) type SpanLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// The export of one server. It ends with [`Otlp::stop`].
pub(crate) struct Otlp {
    traces: Option<SdkTracerProvider>,
    metrics: Option<SdkMeterProvider>,
    delivery: Arc<Delivery>,
}

impl Otlp {
    /// Starts to export to `base`, the value of `--otlp-endpoint`, or to where the environment says. `None` if neither says
    /// anything.
    pub(crate) fn start(
        base: Option<&str>,
        about: &About,
        replica: Option<&str>,
    ) -> Result<Option<Self>, Message> {
        let traces = Destination::of(Signal::Traces, base, &variable)?;
        let metrics = Destination::of(Signal::Metrics, base, &variable)?;
        if traces.is_none() && metrics.is_none() {
            return Ok(None);
        }
        if let Some((name, protocol)) = unsupported_protocol(&variable) {
            let protocol = crate::text::shown(&protocol);
            stderr::line(format_args!(
                "telemetry: `{name}` asks for `{protocol}`, and this server sends `http/protobuf` instead"
            ));
        }
        if let Some((name, compression)) = unsupported_compression(&variable) {
            let compression = crate::text::shown(&compression);
            stderr::line(format_args!(
                "telemetry: `{name}` asks for `{compression}`, and this server sends without compression instead"
            ));
        }
        let (resource, delivery) = (resource(about, replica), Arc::default());
        let traces = traces.map(|to| traces::provider(&to, resource.clone(), &delivery)).transpose()?;
        let metrics = metrics.map(|to| reader::provider(&to, resource, &delivery)).transpose()?;
        Ok(Some(Self { traces, metrics, delivery }))
    }

    /// Returns the tracer of the server's spans.
    pub(crate) fn tracer(&self) -> Option<SdkTracer> {
        self.traces.as_ref().map(|traces| traces.tracer(SCOPE))
    }

    /// Returns the layer of the subscriber that turns spans into those of OpenTelemetry. It gets those that [`is_exported`] names.
    pub(crate) fn layer(&self) -> Option<SpanLayer> {
        let tracer = self.tracer()?;
        let layer = tracing_opentelemetry::layer::<Registry>()
            .with_tracer(tracer)
            .with_level(false)
            .with_location(false)
            .with_target(false)
            .with_threads(false)
            .with_tracked_inactivity(false);
        Some(layer.boxed())
    }

    /// Returns the meter of the server's metrics.
    pub(crate) fn meter(&self) -> Option<Meter> {
        self.metrics.as_ref().map(|provider| provider.meter(SCOPE))
    }

    /// Returns a function that reads the number of spans that the collector has not taken.
    pub(crate) fn lost_spans(&self) -> impl Fn() -> u64 + Send + Sync + 'static + use<> {
        let delivery = Arc::clone(&self.delivery);
        move || delivery.lost_spans()
    }

    /// Sends what is left, and waits for it at most [`EXPORT_FLUSH_TIMEOUT`]. Says how many spans were lost.
    pub(crate) fn stop(self) {
        let Self { traces, metrics, delivery } = self;
        let (done, ended) = mpsc::channel();
        let deadline = Instant::now() + EXPORT_FLUSH_TIMEOUT;
        let mut running = 0;
        let mut start = |flush: Box<dyn FnOnce() + Send>| {
            let done = done.clone();
            let thread = thread::Builder::new().name("otlp flush".to_owned());
            let work = move || {
                flush();
                let _ = done.send(());
            };
            running += usize::from(thread.spawn(work).is_ok());
        };
        if let Some(traces) = traces {
            start(Box::new(move || drop(traces.shutdown_with_timeout(EXPORT_FLUSH_TIMEOUT))));
        }
        if let Some(metrics) = metrics {
            start(Box::new(move || drop(metrics.shutdown_with_timeout(EXPORT_FLUSH_TIMEOUT))));
        }
        for _ in 0..running {
            if ended.recv_timeout(deadline.saturating_duration_since(Instant::now())).is_err() {
                break;
            }
        }
        let lost = delivery.lost_spans();
        if lost > 0 {
            let spans = if lost == 1 { "1 span".to_owned() } else { format!("{lost} spans") };
            stderr::line(format_args!("telemetry: {spans} did not reach the collector"));
        }
    }
}

/// Whether a span or an event goes to the collector: the server's spans, and the program's own down to `info`.
pub(super) fn is_exported(metadata: &Metadata<'_>) -> bool {
    if *metadata.level() > Level::INFO {
        return false;
    }
    match crate_of(metadata) {
        // The server's log says the same as its spans.
        SCOPE => metadata.is_span() && metadata.target() == spans::TARGET,
        made_by => !EXCLUDED.contains(&made_by),
    }
}

/// Describes the server to the collector. `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` have precedence.
fn resource(about: &About, replica: Option<&str>) -> Resource {
    let attributes = variable("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    let is_named = |key: &str| {
        attributes.split(',').any(|pair| pair.split('=').next().is_some_and(|name| name.trim() == key))
    };
    let mut builder = Resource::builder();
    if variable("OTEL_SERVICE_NAME").is_none() && !is_named("service.name") {
        builder = builder.with_service_name(about.name.clone());
    }
    if !is_named("service.version") {
        builder = builder.with_attribute(KeyValue::new("service.version", about.version.clone()));
    }
    if let Some(replica) = replica.filter(|_| !is_named("service.instance.id")) {
        builder = builder.with_attribute(KeyValue::new("service.instance.id", replica.to_owned()));
    }
    builder.build()
}
