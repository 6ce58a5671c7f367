//! Whether the process lives, and whether it is ready for calls.

use ::http::StatusCode;

/// It answers, so it lives.
pub(super) async fn live() -> StatusCode {
    StatusCode::OK
}

/// It takes calls, unless there is no place to record them.
pub(super) fn ready(records: bool) -> StatusCode {
    if records { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}
