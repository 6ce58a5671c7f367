//! Lets pages of allowed origins call and read the answers (Fetch standard, CORS).

use std::{sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue, Method, header, request::Parts};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use super::gate::HttpGate;

/// The time for which a browser may reuse the answer to a preflight. No browser reuses it for longer.
const MAX_AGE: Duration = Duration::from_secs(7_200);

/// The layer in front of `gate`. A preflight carries no token, so it is answered before authentication.
pub(super) fn layer(gate: &Arc<HttpGate>) -> CorsLayer {
    let gate = Arc::clone(gate);
    let is_allowed =
        move |_: &HeaderValue, request: &Parts| gate.hosts.check(&request.uri, &request.headers).is_ok();
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(is_allowed))
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        // Each tool may have headers of its own that repeat arguments (SEP-2243).
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([
            HeaderName::from_static("mcp-session-id"),
            header::RETRY_AFTER,
            header::WWW_AUTHENTICATE,
        ])
        .max_age(MAX_AGE)
}
