//! Collects ended spans in batches and sends them to the collector, on a thread of its own.

use std::{sync::Arc, time::Duration};

use opentelemetry::Context;
use opentelemetry_otlp::{SpanExporter as OtlpSpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{BatchSpanProcessor, SdkTracerProvider, Span, SpanData, SpanExporter, SpanProcessor},
};

use super::{
    client::CollectorClient,
    delivery::Delivery,
    settings::{Destination, Signal},
};
use crate::message::Message;

/// Starts the thread that sends spans to `destination`. Its queue has 2,048 places, and what finds no place is dropped.
pub(super) fn provider(
    destination: &Destination,
    resource: Resource,
    delivery: &Arc<Delivery>,
) -> Result<SdkTracerProvider, Message> {
    let client = CollectorClient::new(destination, Signal::Traces, Arc::clone(delivery));
    let exporter = OtlpSpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_endpoint(destination.uri.to_string())
        .with_timeout(destination.timeout)
        .build()
        .map_err(|error| Message::new(format!("spans cannot be sent: {error}")))?;
    let exporter = CountedSpans { exporter, address: destination.shown(), delivery: Arc::clone(delivery) };
    let batches = BatchSpanProcessor::builder(exporter).build();
    let processor = CountingProcessor { batches, delivery: Arc::clone(delivery) };
    Ok(SdkTracerProvider::builder().with_resource(resource).with_span_processor(processor).build())
}

/// Counts the spans that end, and passes them on.
#[derive(Debug)]
struct CountingProcessor {
    batches: BatchSpanProcessor,
    delivery: Arc<Delivery>,
}

impl SpanProcessor for CountingProcessor {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.batches.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() {
            self.delivery.span_ended();
        }
        self.batches.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.batches.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.batches.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.batches.set_resource(resource);
    }
}

/// Counts the spans that the collector takes.
#[derive(Debug)]
struct CountedSpans {
    exporter: OtlpSpanExporter,
    address: String,
    delivery: Arc<Delivery>,
}

impl SpanExporter for CountedSpans {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        let result = self.exporter.export(batch).await;
        match result {
            Ok(()) => self.delivery.spans_delivered(spans),
            Err(_) => self.delivery.failed(&self.address),
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
