//! Sends metrics to the collector at an interval, on a thread of its own.

use std::{sync::Arc, time::Duration};

use opentelemetry_otlp::{MetricExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    metrics::{
        PeriodicReader, SdkMeterProvider, Temporality, data::ResourceMetrics, exporter::PushMetricExporter,
    },
};

use super::{
    client::CollectorClient,
    delivery::Delivery,
    settings::{Destination, Signal},
};
use crate::message::Message;

/// Starts the thread that sends metrics to `destination`, every 60 s or as `OTEL_METRIC_EXPORT_INTERVAL` says.
pub(super) fn provider(
    destination: &Destination,
    resource: Resource,
    delivery: &Arc<Delivery>,
) -> Result<SdkMeterProvider, Message> {
    let client = CollectorClient::new(destination, Signal::Metrics, Arc::clone(delivery));
    let exporter = MetricExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_endpoint(destination.uri.to_string())
        .with_timeout(destination.timeout)
        .build()
        .map_err(|error| Message::new(format!("metrics cannot be sent: {error}")))?;
    let exporter = ReportedMetrics { exporter, address: destination.shown(), delivery: Arc::clone(delivery) };
    let reader = PeriodicReader::builder(exporter).build();
    Ok(SdkMeterProvider::builder().with_resource(resource).with_reader(reader).build())
}

/// Reports the first failure to send metrics. The next export sends the same totals.
struct ReportedMetrics {
    exporter: MetricExporter,
    address: String,
    delivery: Arc<Delivery>,
}

impl PushMetricExporter for ReportedMetrics {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let result = self.exporter.export(metrics).await;
        if result.is_err() {
            self.delivery.failed(&self.address);
        }
        result
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.exporter.temporality()
    }
}
