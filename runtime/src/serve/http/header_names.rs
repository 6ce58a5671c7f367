//! Names the headers of the protocol: those that repeat parts of the body (SEP-2243), and the one of a resumed stream.

use http::HeaderName;

pub(super) const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
pub(super) const METHOD: HeaderName = HeaderName::from_static("mcp-method");
pub(super) const NAME: HeaderName = HeaderName::from_static("mcp-name");
/// The last event that a client has read before it resumes the stream (HTML standard, server-sent events).
pub(super) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
