//! Answers `/metrics`, in the format that Prometheus reads.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::Response,
    routing::get,
};
use http::{HeaderValue, header};

use super::{error::HttpError, gate::HttpGate};
use crate::{serve::shared::Shared, telemetry::CONTENT_TYPE};

const METRICS_PATH: &str = "/metrics";

/// Returns the route of an address that is for operators alone.
pub(super) fn open(shared: Arc<Shared>) -> Router {
    Router::new().route(METRICS_PATH, get(unguarded)).with_state(shared)
}

/// Returns the route of an address that callers reach, too: a request needs what a call needs.
pub(super) fn guarded(gate: Arc<HttpGate>) -> Router {
    Router::new().route(METRICS_PATH, get(authenticated)).with_state(gate)
}

async fn unguarded(State(shared): State<Arc<Shared>>) -> Response {
    answer(&shared)
}

async fn authenticated(State(gate): State<Arc<HttpGate>>, mut request: Request) -> Response {
    match gate.authorize(&mut request).await {
        Ok(_) => answer(&gate.shared),
        Err(refused) => HttpError::into_response(refused),
    }
}

fn answer(shared: &Shared) -> Response {
    let mut response = Response::new(Body::from(shared.core.metrics()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
