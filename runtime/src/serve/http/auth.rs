//! `Authorization` → the token in it, and the answer where nobody is behind it.

use ::http::{HeaderMap, HeaderValue, StatusCode, header};

use super::HttpError;
use crate::access::Denied;

/// Takes the header off the request, so that it reaches neither handlers nor logs.
pub(super) fn take(headers: &mut HeaderMap) -> Result<Option<String>, Denied> {
    let said = match headers.entry(header::AUTHORIZATION) {
        header::Entry::Vacant(_) => return Ok(None),
        header::Entry::Occupied(said) => said,
    };
    let mut values = said.remove_entry_mult().1;
    let value = values.next();
    if values.next().is_some() {
        return Err(Denied::Bad("more than one `Authorization` was sent"));
    }
    let value = value.as_ref().map(HeaderValue::to_str);
    match value {
        Some(Ok(value)) => Ok(token(value).map(str::to_owned)),
        _ => Err(Denied::Bad("`Authorization` is no text")),
    }
}

/// The scheme is a word in any case (RFC 9110 §11.1); another scheme is no token.
fn token(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim_matches(' '))
}

/// The answer to a request that nobody is behind.
pub(super) fn refused(denied: Denied, scopes: &[&str], metadata: Option<&str>) -> HttpError {
    let (status, code, message) = match denied {
        Denied::Missing => (
            StatusCode::UNAUTHORIZED,
            -31401,
            "this server asks who calls\nhelp: send a token, as in `Authorization: Bearer …`".to_owned(),
        ),
        Denied::Bad(why) => (
            StatusCode::UNAUTHORIZED,
            -31401,
            format!("the token was not taken: {why}\nhelp: get another one"),
        ),
        Denied::Unavailable => (
            StatusCode::SERVICE_UNAVAILABLE,
            -31503,
            "nobody can tell now who calls: the keys of the authorization server cannot be had\nhelp: try again in 10 s".to_owned(),
        ),
    };
    let refused = HttpError::new(status, code, message, None);
    match denied.challenge(scopes, metadata) {
        Some(challenge) => refused.challenge(&challenge),
        None => refused.retry_after(10),
    }
}
