//! Reads the bearer token of a request, and words the refusal of a caller who has none or a bad one.

use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::error::HttpError;
use crate::{access::Denied, message::Message};

/// Takes the header off the request, so that it reaches neither handlers nor logs.
pub(super) fn take(headers: &mut HeaderMap) -> Result<Option<String>, Denied> {
    let entry = match headers.entry(header::AUTHORIZATION) {
        header::Entry::Vacant(_) => return Ok(None),
        header::Entry::Occupied(entry) => entry,
    };
    let mut values = entry.remove_entry_mult().1;
    let value = values.next();
    if values.next().is_some() {
        return Err(Denied::Bad("more than one `Authorization` was sent"));
    }
    let value = value.as_ref().map(HeaderValue::to_str);
    match value {
        Some(Ok(value)) => Ok(token(value).map(str::to_owned)),
        _ => Err(Denied::Bad("`Authorization` is not text")),
    }
}

/// The scheme is case-insensitive (RFC 9110 §11.1); any other scheme carries no bearer token.
fn token(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim_matches(' '))
}

/// The answer to a request whose caller is unknown.
pub(super) fn refused(denied: Denied, scopes: &[&str], metadata: Option<&str>) -> HttpError {
    let (status, code, message) = match denied {
        Denied::Missing => (
            StatusCode::UNAUTHORIZED,
            -31401,
            Message::new("this server requires a token").help("send one, as in `Authorization: Bearer …`"),
        ),
        Denied::Bad(why) => (
            StatusCode::UNAUTHORIZED,
            -31401,
            Message::new(format!("the token was not accepted: {why}")).help("get another one"),
        ),
        Denied::Unavailable => (
            StatusCode::SERVICE_UNAVAILABLE,
            -31503,
            Message::new("the token cannot be checked now: the authorization server's keys are unavailable")
                .help("try again in 10 s"),
        ),
        Denied::KeyPending { retry_after } => (
            StatusCode::SERVICE_UNAVAILABLE,
            -31503,
            Message::new("the token is signed with a key that this server has not fetched yet")
                .help(format!("try again in {retry_after} s")),
        ),
    };
    let refused = HttpError::new(status, code, message, None);
    match (denied.challenge(scopes, metadata), denied) {
        (Some(challenge), _) => refused.challenge(&challenge),
        (None, Denied::KeyPending { retry_after }) => refused.retry_after(retry_after),
        (None, _) => refused.retry_after(10),
    }
}
