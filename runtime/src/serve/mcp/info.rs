//! Collects what a handler can learn of its request, for handlers that take the context.

use std::sync::Arc;

#[cfg(feature = "http")]
use http::{HeaderMap, HeaderName};
use rmcp::{
    RoleServer,
    model::{ErrorData, Implementation, NumberOrString, RequestId, RequestMetaObject},
    service::RequestContext,
};
#[cfg(feature = "http")]
use sha2::{Digest as _, Sha256};

use super::handler::McpHandler;
#[cfg(feature = "http")]
use crate::tool::request_info::is_open_header;
use crate::{
    serve::shared::Shared,
    tool::request_info::{RequestInfo, SessionName},
    wire_names,
};

/// The header of a session's id (revisions before 2026-07-28).
#[cfg(feature = "http")]
const SESSION_HEADER: HeaderName = HeaderName::from_static("mcp-session-id");

impl Shared {
    /// Whether the tool at `index` of the registry reads what is known of a request.
    pub(crate) fn takes_info(&self, index: Option<usize>) -> bool {
        index.is_some_and(|index| self.core.tool(index).descriptor.takes_call)
    }
}

impl McpHandler {
    /// Describes the request of a call, if the tool at `index` takes the context.
    pub(super) fn info(
        &self,
        index: Option<usize>,
        context: &RequestContext<RoleServer>,
    ) -> Option<Arc<RequestInfo>> {
        if !self.shared.takes_info(index) {
            return None;
        }
        let mut info = of_request(&context.id, &context.meta, context.client_info());
        info.session.clone_from(&self.connection);
        #[cfg(feature = "http")]
        if let Some(parts) = context.extensions.get::<http::request::Parts>() {
            add_headers(&mut info, &parts.headers);
        }
        // Over HTTP, a request without a session has a handler of its own, whose state would not outlive the call.
        info.session_state = info.session.as_ref().map(|_| Arc::clone(&self.session_state));
        Some(Arc::new(info))
    }

    /// Puts the caller and the session of a request into its context, for a handler that checks access itself.
    pub(super) fn introduce(&self, context: &mut RequestContext<RoleServer>) -> Result<(), ErrorData> {
        let (caller, _) = self.identify(context)?;
        let session = self.connection.clone();
        #[cfg(feature = "http")]
        let session = session.or_else(|| {
            let parts = context.extensions.get::<http::request::Parts>()?;
            session_name(&parts.headers)
        });
        context.extensions.insert(caller);
        if let Some(session) = session {
            context.extensions.insert(SessionName(session));
        }
        Ok(())
    }
}

/// Describes a request by its message.
pub(crate) fn of_request(
    id: &RequestId,
    meta: &RequestMetaObject,
    client: Option<Implementation>,
) -> RequestInfo {
    let mut meta = meta.0.0.clone();
    // The handler has these already, and may not rely on the others of the protocol.
    meta.retain(|key, _| key != wire_names::IDEMPOTENCY_KEY && key != "progressToken");
    RequestInfo {
        id: Some(match id {
            NumberOrString::Number(number) => number.to_string(),
            NumberOrString::String(text) => text.to_string(),
        }),
        client: client.map(|client| (client.name, client.version)),
        meta,
        ..RequestInfo::default()
    }
}

/// Adds what an HTTP request's headers tell.
#[cfg(feature = "http")]
pub(crate) fn add_headers(info: &mut RequestInfo, headers: &HeaderMap) {
    let open = headers.iter().filter(|(name, value)| is_open_header(name.as_str()) && !value.is_sensitive());
    let texts = open.filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())));
    info.headers.extend(texts);
    if let Some(session) = session_name(headers) {
        info.session = Some(session);
    }
}

/// Returns a name for the session of an HTTP request that does not give access to it.
#[cfg(feature = "http")]
pub(super) fn session_name(headers: &HeaderMap) -> Option<String> {
    let digest = Sha256::digest(headers.get(SESSION_HEADER)?.as_bytes());
    Some(digest[..8].iter().map(|byte| format!("{byte:02x}")).collect())
}
