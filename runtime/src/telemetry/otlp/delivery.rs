//! Counts what the collector takes, and says once that it does not take everything.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use crate::stderr;

/// The state of the delivery to one collector.
#[derive(Debug, Default)]
pub(super) struct Delivery {
    /// Spans that have ended and are to be sent.
    ended: AtomicU64,
    /// Spans that the collector has taken.
    delivered: AtomicU64,
    /// Spans of those that it rejected in the same answer.
    rejected: AtomicU64,
    /// The reason why the last request failed.
    reason: Mutex<String>,
    is_reported: AtomicBool,
}

impl Delivery {
    /// Counts a span that is to be sent.
    pub(super) fn span_ended(&self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn spans_delivered(&self, spans: u64) {
        self.delivered.fetch_add(spans, Ordering::Relaxed);
    }

    /// Counts spans that the collector rejected in an answer that takes the rest.
    pub(super) fn spans_rejected(&self, spans: u64) {
        self.rejected.fetch_add(spans, Ordering::Relaxed);
    }

    /// Remembers why a request failed. Another attempt may succeed.
    pub(super) fn note(&self, reason: String) {
        *self.reason.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }

    /// Reports that telemetry was lost, the first time that it happens.
    pub(super) fn failed(&self, address: &str) {
        if self.is_reported.swap(true, Ordering::Relaxed) {
            return;
        }
        let mut reason = self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if reason.is_empty() {
            reason.push_str("does not take what is sent");
        }
        stderr::line(format_args!(
            "telemetry: the collector at {address} {reason}; what it does not take is dropped, and calls go on"
        ));
    }

    /// The number of spans that were dropped or not taken. Before the last export, it includes those that wait.
    pub(super) fn lost_spans(&self) -> u64 {
        let taken =
            self.delivered.load(Ordering::Relaxed).saturating_sub(self.rejected.load(Ordering::Relaxed));
        self.ended.load(Ordering::Relaxed).saturating_sub(taken)
    }
}
