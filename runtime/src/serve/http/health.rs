//! Whether the process lives, and whether it is ready for calls.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ::http::{HeaderValue, StatusCode, header};
use axum::{body::Body, extract::State, response::Response};
use futures::future;
use serde_json::json;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::serve::{Check, Shared};

/// How long a check may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long its word counts: whoever asks in a loop must not wear the database out.
const FRESH: Duration = Duration::from_secs(1);

/// What `/readyz` goes by.
pub(super) struct Health {
    shared: Arc<Shared>,
    leaving: CancellationToken,
    failed: Mutex<Option<(Instant, Vec<String>)>>,
}

impl Health {
    pub(super) fn new(shared: Arc<Shared>, leaving: CancellationToken) -> Self {
        Self { shared, leaving, failed: Mutex::new(None) }
    }

    /// The names of what does not hold.
    async fn failed(&self) -> Vec<String> {
        let mut failed = self.checks().await;
        let recorder = self.shared.core.audit.as_ref();
        if recorder.is_some_and(|recorder| !recorder.log.is_ready()) {
            failed.insert(0, "audit log".to_owned());
        }
        failed
    }

    /// The names of the user's own checks that do not pass.
    async fn checks(&self) -> Vec<String> {
        let mut last = self.failed.lock().await;
        if let Some((at, failed)) = last.as_ref()
            && at.elapsed() < FRESH
        {
            return failed.clone();
        }
        let failed = future::join_all(self.shared.checks.iter().map(failed)).await;
        let failed: Vec<String> = failed.into_iter().flatten().collect();
        *last = Some((Instant::now(), failed.clone()));
        failed
    }
}

/// The name of a check that does not pass in time.
async fn failed(check: &Check) -> Option<String> {
    // On a task of its own: one that panics has not passed, and that is all.
    let passes = tokio::spawn((check.passes)());
    let stop = passes.abort_handle();
    let passed = tokio::time::timeout(PATIENCE, passes).await;
    stop.abort();
    (!matches!(passed, Ok(Ok(true)))).then(|| check.name.clone())
}

/// It answers, so it lives.
pub(super) async fn live() -> StatusCode {
    StatusCode::OK
}

pub(super) async fn ready(State(health): State<Arc<Health>>) -> Response {
    let failed =
        if health.leaving.is_cancelled() { vec!["shutting down".to_owned()] } else { health.failed().await };
    let mut response =
        Response::new(Body::from(json!({"ready": failed.is_empty(), "failed": failed}).to_string()));
    if !failed.is_empty() {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
