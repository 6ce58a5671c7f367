//! A request's body → its bytes, no more of them and no longer than is waited for.

use std::time::Duration;

use ::http::StatusCode;
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;

use super::HttpError;

/// The most bytes of a body.
pub(super) const MOST: usize = 4 * 1024 * 1024;
/// How long a body may take.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn read(body: Body) -> Result<Bytes, HttpError> {
    match tokio::time::timeout(PATIENCE, whole(body)).await {
        Ok(read) => read,
        Err(_) => Err(HttpError::plain(
            StatusCode::REQUEST_TIMEOUT,
            format!("the body of this request did not come within {} s", PATIENCE.as_secs()),
        )),
    }
}

async fn whole(mut body: Body) -> Result<Bytes, HttpError> {
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| {
            HttpError::plain(StatusCode::BAD_REQUEST, "the body of this request broke off, or is no HTTP")
        })?;
        let Ok(data) = frame.into_data() else { continue };
        let so_far = first.as_ref().map_or(0, Bytes::len) + rest.len();
        if data.len() > MOST - so_far {
            return Err(HttpError::plain(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("the body of this request is larger than {} MiB", MOST / (1024 * 1024)),
            ));
        }
        // Most bodies come in one piece, which is not copied.
        match &first {
            None => first = Some(data),
            Some(_) => rest.extend_from_slice(&data),
        }
    }
    Ok(match first {
        None => Bytes::new(),
        Some(first) if rest.is_empty() => first,
        Some(first) => [first.as_ref(), rest.as_ref()].concat().into(),
    })
}
