//! Metrics, log lines, and what is sent to a collector of traces.

mod floods;
mod gauges;
mod logs;
mod metrics_and_logs;
mod otel;
mod refused_requests;
mod stats_from;
