//! Reads what the span of a request takes from its message and its HTTP headers.

use std::sync::Arc;

#[cfg(feature = "http")]
use http::HeaderMap;
use rmcp::{
    RoleServer,
    model::{NumberOrString, RequestId, RequestMetaObject},
    service::RequestContext,
};
use serde_json::Value;

use super::handler::{McpHandler, revision};
#[cfg(feature = "http")]
use super::info::session_name;
use crate::spans::{IncomingTrace, TraceFields};

impl McpHandler {
    /// Reads a request that rmcp has parsed; `None` if no span is recorded.
    pub(super) fn incoming(&self, context: &RequestContext<RoleServer>) -> Option<Arc<IncomingTrace>> {
        #[cfg(feature = "http")]
        let headers = context.extensions.get::<http::request::Parts>().map(|parts| &parts.headers);
        #[cfg(feature = "http")]
        let header = |name| headers?.get(name)?.to_str().ok();
        #[cfg(not(feature = "http"))]
        let header = |_| None;
        let session = || {
            // Since 2026-07-28 the protocol has no sessions.
            if !revision(context).is_legacy() {
                return None;
            }
            #[cfg(feature = "http")]
            if let Some(session) = headers.and_then(session_name) {
                return Some(session);
            }
            self.connection.clone()
        };
        let fields = TraceFields { meta: &|key| text(&context.meta, key), header: &header };
        IncomingTrace::read(|| id_text(&context.id), session, &fields)
    }
}

/// Reads a plain call over HTTP, which belongs to no session; `None` if no span is recorded.
#[cfg(feature = "http")]
pub(crate) fn of_plain_call(
    id: &RequestId,
    meta: &RequestMetaObject,
    headers: &HeaderMap,
) -> Option<Arc<IncomingTrace>> {
    let fields =
        TraceFields { meta: &|key| text(meta, key), header: &|name| headers.get(name)?.to_str().ok() };
    IncomingTrace::read(|| id_text(id), || None, &fields)
}

fn text<'a>(meta: &'a RequestMetaObject, key: &str) -> Option<&'a str> {
    meta.get(key).and_then(Value::as_str)
}

fn id_text(id: &RequestId) -> String {
    match id {
        NumberOrString::Number(number) => number.to_string(),
        NumberOrString::String(text) => text.to_string(),
    }
}
