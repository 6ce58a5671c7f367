//! Reads the body of a request, within a size and a time.

use std::pin::pin;

use axum::body::Body;
use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::{config::HttpLimits, error::HttpError};
use crate::{message::Message, text};

pub(super) async fn read(body: Body, limits: &HttpLimits) -> Result<Bytes, HttpError> {
    let collected = Limited::new(body, limits.body_bytes).collect();
    match tokio::time::timeout(limits.body_timeout, collected).await {
        Ok(Ok(body)) => Ok(without_bom(body.to_bytes())),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(HttpError::plain(
            StatusCode::PAYLOAD_TOO_LARGE,
            Message::new(format!("the request body is larger than {}", text::size(limits.body_bytes)))
                .help("send less at once; the operator can raise the limit with `--max-body`"),
        )),
        Ok(Err(_)) => Err(HttpError::plain(
            StatusCode::BAD_REQUEST,
            "the request body broke off, or its framing is not HTTP",
        )),
        Err(_) => Err(HttpError::plain(
            StatusCode::REQUEST_TIMEOUT,
            format!("the request body did not arrive within {} s", limits.body_timeout.as_secs_f64()),
        )),
    }
}

/// Reads a body and throws it away, within the same limits, so that its sender gets to read the answer.
pub(super) async fn discard(body: Body, limits: &HttpLimits) {
    let mut body = pin!(Limited::new(body, limits.body_bytes));
    let rest = async { while let Some(Ok(_)) = body.frame().await {} };
    let _ = tokio::time::timeout(limits.body_timeout, rest).await;
}

/// The bytes of a body, without the byte order mark that some clients send.
fn without_bom(body: Bytes) -> Bytes {
    if body.starts_with(b"\xEF\xBB\xBF") { body.slice(3..) } else { body }
}
