//! A call → whether it comes in, with an HTTP status that says so before the answer starts.

use std::sync::Arc;

use ::http::{HeaderMap, StatusCode};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use rmcp::model::{ProtocolVersion, RequestId};

use super::{HttpError, HttpGate};
use crate::{
    access::insufficient_scope,
    pipeline::{self, Admission, Origin, Refusal},
    tool::caller::Caller,
};

impl HttpGate {
    /// Lets a call in, or not. What else is wrong with it, the protocol says with status 200.
    pub(super) async fn admit(
        &self,
        tool: &str,
        id: &RequestId,
        caller: &Arc<Caller>,
    ) -> Result<Option<Admission>, HttpError> {
        let core = &self.shared.core;
        match pipeline::admit(core, caller, tool) {
            Ok(admission) => Ok(Some(admission)),
            Err(refusal) => match self.refused(&refusal) {
                Some(refused) => {
                    let origin = Origin { transport: "http", ..Origin::default() };
                    pipeline::turned_away(core, caller, tool, &origin, &refusal).await;
                    Err(refused.to(Some(id.clone())))
                }
                None => Ok(None),
            },
        }
    }

    /// The answer to a call that would do better with another token, or later.
    fn refused(&self, refusal: &Refusal) -> Option<HttpError> {
        match refusal {
            Refusal::MissingScopes { required, .. } => {
                let (fact, scopes) = (refusal.fact(), required.join(" "));
                let help = if self.access.asks() {
                    format!("call again with a token that has scope \"{scopes}\"")
                } else {
                    format!("start the server with `--grant \"{scopes}\"`")
                };
                let message = format!("{fact}\nhelp: {help}");
                let refused = HttpError::new(StatusCode::FORBIDDEN, refusal.code(), message, refusal.data());
                if !self.access.asks() {
                    // No token would help.
                    return Some(refused);
                }
                Some(refused.challenge(&insufficient_scope(required, self.metadata_address(), &fact)))
            }
            Refusal::RateLimited { .. } | Refusal::TooManyInFlight { .. } => {
                let (message, data) = (refusal.message(), refusal.data());
                let refused = HttpError::new(StatusCode::TOO_MANY_REQUESTS, refusal.code(), message, data);
                Some(refused.retry_after(refusal.retry_after().unwrap_or(1)))
            }
            // The first two are further in, and the others come only from there.
            Refusal::UnknownTool { .. }
            | Refusal::Malformed(_)
            | Refusal::State
            | Refusal::CannotBeAsked { .. }
            | Refusal::NeedsTask { .. }
            | Refusal::Unrecorded => None,
        }
    }
}

/// Whether the headers name the same call as the body, where the revision has such headers (SEP-2243): what a gateway
/// read there must be what is decided on here.
pub(super) fn agree(headers: &HeaderMap, tool: &str) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let modern =
        text("mcp-protocol-version").is_some_and(|said| said >= ProtocolVersion::STANDARD_HEADERS.as_str());
    !modern
        || (text("mcp-method") == Some("tools/call") && text("mcp-name").is_some_and(|said| is(said, tool)))
}

/// A name in a header, as it is or in base64.
fn is(said: &str, tool: &str) -> bool {
    if said == tool {
        return true;
    }
    let inner = said.strip_prefix("=?base64?").and_then(|said| said.strip_suffix("?="));
    inner.and_then(|inner| BASE64_STANDARD.decode(inner).ok()).is_some_and(|name| name == tool.as_bytes())
}
