//! Admits a call before the answer starts, since a refusal has an HTTP status of its own.

use std::sync::Arc;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{HeaderMap, StatusCode};
use rmcp::model::{ProtocolVersion, RequestId};

use super::{error::HttpError, gate::HttpGate};
use crate::{
    access::insufficient_scope,
    message::Message,
    pipeline::{self, Admission, NotAdmitted},
    record::Origin,
    tool::caller::Caller,
};

impl HttpGate {
    /// Admits a call, or refuses it with an HTTP status. `None` means that the protocol reports the error, in a 200.
    pub(super) async fn admit(
        &self,
        tool: Option<usize>,
        name: &str,
        id: &RequestId,
        caller: &Arc<Caller>,
    ) -> Result<Option<Admission>, HttpError> {
        let core = &self.shared.core;
        match pipeline::admit(core, caller, tool, name) {
            Ok(admission) => Ok(Some(admission)),
            Err(refusal) => match self.refused(refusal.clone()) {
                Some(refused) => {
                    let origin = Origin { transport: "http", ..Origin::default() };
                    pipeline::record_refusal(core, caller, tool, name, &origin, &refusal).await;
                    Err(refused.to(Some(id.clone())))
                }
                None => Ok(None),
            },
        }
    }

    /// The answer to a call that another token, or a later time, would let in.
    fn refused(&self, refusal: NotAdmitted) -> Option<HttpError> {
        let (fact, retry_after) = (refusal.message().fact().to_owned(), refusal.retry_after());
        match &refusal {
            NotAdmitted::UnknownTool { .. } => None,
            NotAdmitted::MissingScopes { required, .. } => {
                let (required, scopes) = (*required, required.join(" "));
                let asks = self.access.requires_token();
                let help = if asks {
                    format!("call again with a token that has scope \"{scopes}\"")
                } else {
                    format!("start the server with `--grant \"{scopes}\"`")
                };
                let message = Message::new(fact.clone()).help(help);
                let refused = HttpError::refusal(StatusCode::FORBIDDEN, &refusal.into(), message);
                // Without tokens, a challenge would send the client to ask for one in vain.
                Some(if asks {
                    refused.challenge(&insufficient_scope(required, self.metadata_url(), &fact))
                } else {
                    refused
                })
            }
            NotAdmitted::RateLimited { .. } | NotAdmitted::TooManyInFlight { .. } => {
                let message = refusal.message();
                let refused = HttpError::refusal(StatusCode::TOO_MANY_REQUESTS, &refusal.into(), message);
                Some(refused.retry_after(retry_after.unwrap_or(1)))
            }
        }
    }
}

/// Whether the headers name the same call as the body, if the revision has such headers (SEP-2243). A proxy may have
/// decided by the headers what is decided here by the body.
pub(super) fn headers_agree(headers: &HeaderMap, tool: &str) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let modern = text("mcp-protocol-version")
        .is_some_and(|version| version >= ProtocolVersion::STANDARD_HEADERS.as_str());
    !modern
        || (text("mcp-method") == Some("tools/call") && text("mcp-name").is_some_and(|name| is(name, tool)))
}

/// Whether a header names `tool`, in clear or in base64.
fn is(header: &str, tool: &str) -> bool {
    if header == tool {
        return true;
    }
    let encoded = header.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?="));
    encoded
        .and_then(|encoded| BASE64_STANDARD.decode(encoded).ok())
        .is_some_and(|name| name == tool.as_bytes())
}
