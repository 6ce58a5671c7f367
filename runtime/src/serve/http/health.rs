//! Whether the process lives, and whether it is ready for calls.

use ::http::StatusCode;

/// It answers, so it lives.
pub(super) async fn live() -> StatusCode {
    StatusCode::OK
}

pub(super) async fn ready() -> StatusCode {
    StatusCode::OK
}
