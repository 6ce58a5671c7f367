//! The headers of an HTTP request that repeat parts of its body (revision 2026-07-28, SEP-2243).

use http::HeaderName;

pub(super) const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
pub(super) const METHOD: HeaderName = HeaderName::from_static("mcp-method");
pub(super) const NAME: HeaderName = HeaderName::from_static("mcp-name");
