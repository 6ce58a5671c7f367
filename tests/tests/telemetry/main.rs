//! Metrics, log lines, and what is sent to a collector of traces.

mod metrics_and_logs;
mod otel;
