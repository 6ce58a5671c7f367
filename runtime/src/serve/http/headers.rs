//! Checks the headers that the protocol gives a meaning: the revision, and those that repeat the body (SEP-2243).

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use rmcp::model::{ErrorCode, ProtocolVersion};

use super::{
    error::HttpError,
    header_names::{METHOD, NAME, VERSION},
    peek::Peek,
};
use crate::{message::Message, revision::Revision, serve::shared::Shared};

/// Completes `Accept` for clients that leave it out or accept everything: rmcp insists on both media types.
pub(super) fn accept_both(headers: &mut HeaderMap) {
    let accepts_all = |value: &HeaderValue| {
        value.to_str().is_ok_and(|value| value.split(',').any(|item| item.trim().starts_with("*/*")))
    };
    let is_missing = !headers.contains_key(header::ACCEPT);
    if is_missing || headers.get_all(header::ACCEPT).iter().any(accepts_all) {
        let both = HeaderValue::from_static("application/json, text/event-stream");
        headers.insert(header::ACCEPT, both);
    }
}

/// Checks the revision in the header of a message. Returns whether the message is of a revision before 2026-07-28.
pub(super) fn check_version(parts: &mut Parts, peek: &Peek, shared: &Shared) -> Result<bool, HttpError> {
    let Some(version) = parts.headers.get(VERSION) else { return Ok(true) };
    let revision = version.to_str().ok().and_then(Revision::named);
    if revision.is_none() && peek.opens_session() {
        // The server does not know this revision, so the handshake negotiates another by its body.
        parts.headers.remove(VERSION);
        return Ok(true);
    }
    match revision.map(crate::serve::convert::version).filter(|version| shared.revisions.contains(version)) {
        Some(version) => Ok(version < ProtocolVersion::STANDARD_HEADERS),
        // A newer revision carries its name in the body as well, for which rmcp has the protocol's own error.
        None if version.as_bytes() >= ProtocolVersion::STANDARD_HEADERS.as_str().as_bytes() => Ok(false),
        None => {
            let served: Vec<_> = shared.revisions.iter().map(|version| format!("`{version}`")).collect();
            let message = Message::new("this `MCP-Protocol-Version` is not served")
                .help(format!("use one of {}", served.join(", ")));
            Err(HttpError::plain(StatusCode::BAD_REQUEST, message))
        }
    }
}

/// Checks that the headers name the same call as the body. A proxy may have decided by the headers what is decided here
/// by the body. The error names the header and repeats neither value.
pub(super) fn check_call(headers: &HeaderMap, tool: &str) -> Result<(), HttpError> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let mismatch = if text(METHOD) != Some("tools/call") {
        "Mcp-Method"
    } else if !text(NAME).is_some_and(|name| names(name, tool)) {
        "Mcp-Name"
    } else {
        return Ok(());
    };
    let message = format!("the header `{mismatch}` does not agree with the body");
    Err(HttpError::new(StatusCode::BAD_REQUEST, ErrorCode::HEADER_MISMATCH.0, message, None))
}

/// Whether a header names `tool`, in clear or in base64.
fn names(header: &str, tool: &str) -> bool {
    if header == tool {
        return true;
    }
    let encoded = header.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?="));
    encoded
        .and_then(|encoded| BASE64_STANDARD.decode(encoded).ok())
        .is_some_and(|name| name == tool.as_bytes())
}
