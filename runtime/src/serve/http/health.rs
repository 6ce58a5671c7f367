//! Answers liveness and readiness checks.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{body::Body, extract::State, response::Response};
use futures::future;
use http::{HeaderValue, StatusCode, header};
use serde_json::json;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::serve::shared::{ReadinessCheck, Shared};

/// The time that a check may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);
/// The time for which a check's result is reused, so that frequent probes do not load the database.
const CACHE_TIME: Duration = Duration::from_secs(1);

/// The conditions of readiness.
pub(super) struct Health {
    shared: Arc<Shared>,
    stopping: CancellationToken,
    failed: Mutex<Option<(Instant, Vec<String>)>>,
}

impl Health {
    pub(super) fn new(shared: Arc<Shared>, stopping: CancellationToken) -> Self {
        Self { shared, stopping, failed: Mutex::new(None) }
    }

    /// The names of the conditions that fail.
    async fn failed(&self) -> Vec<String> {
        let mut failed = self.checks().await;
        let recorder = self.shared.core.audit.as_ref();
        if recorder.is_some_and(|recorder| !recorder.log.is_ready()) {
            failed.insert(0, "audit log".to_owned());
        }
        if !self.shared.core.shared.answers().await {
            failed.insert(0, "database".to_owned());
        }
        if let Some(keys) = &self.shared.core.idempotency
            && keys.store.check().await.is_err()
        {
            failed.insert(0, "idempotency keys".to_owned());
        }
        if !self.shared.core.sandboxes.is_ready() {
            failed.push("sandbox".to_owned());
        }
        failed.extend(self.shared.background.ended().into_iter().map(str::to_owned));
        failed
    }

    /// The names of the user's own checks that fail.
    async fn checks(&self) -> Vec<String> {
        let mut last = self.failed.lock().await;
        if let Some((at, failed)) = last.as_ref()
            && at.elapsed() < CACHE_TIME
        {
            return failed.clone();
        }
        let checks = self.shared.checks.iter().map(|check| failed(&self.shared, check));
        let failed = future::join_all(checks).await;
        let failed: Vec<String> = failed.into_iter().flatten().collect();
        *last = Some((Instant::now(), failed.clone()));
        failed
    }
}

/// The name of a check that does not pass in time.
async fn failed(shared: &Shared, check: &ReadinessCheck) -> Option<String> {
    // Not on the service's threads: a check that panics or blocks only fails itself.
    let passes = Arc::clone(&check.passes);
    let passes = shared.core.sandboxes.unsandboxed().run(async move { passes().await }, true);
    let passed = tokio::time::timeout(CHECK_TIMEOUT, passes).await;
    (!matches!(passed, Ok(Some(true)))).then(|| check.name.clone())
}

/// Answers that the process lives.
pub(super) async fn live() -> StatusCode {
    StatusCode::OK
}

/// Answers whether the server is ready for calls.
pub(super) async fn ready(State(health): State<Arc<Health>>) -> Response {
    let failed =
        if health.stopping.is_cancelled() { vec!["shutting down".to_owned()] } else { health.failed().await };
    let mut report = json!({"ready": failed.is_empty(), "failed": failed});
    if let Some(replica) = &health.shared.core.replica {
        report["replica"] = replica.as_str().into();
    }
    let mut response = Response::new(Body::from(report.to_string()));
    if !failed.is_empty() {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
