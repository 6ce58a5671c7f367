//! Defines what a handler can learn of the request behind its call.

use serde_json::{Map, Value};

/// The name of a session, which a handler of prompts and resources finds in the extensions of its request's context
/// ([`Server::handler`](crate::Server::handler)).
///
/// It is the text of [`Call::session`](crate::Call::session), and does not give access to the session. Requests over HTTP
/// under 2026-07-28 have none.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionName(pub(crate) String);

impl SessionName {
    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The request behind a call, as its transport knows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RequestInfo {
    /// The id of the JSON-RPC request, as text.
    pub(crate) id: Option<String>,
    /// The session, under a name that does not give access to it.
    pub(crate) session: Option<String>,
    /// The client's name and version, as it gives them.
    pub(crate) client: Option<(String, String)>,
    /// The headers of the HTTP request without credentials; names are in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) meta: Map<String, Value>,
}

/// Parts of the names of headers whose values are credentials, or give access to something.
#[cfg(feature = "http")]
const CREDENTIALS: [&str; 9] =
    ["auth", "cookie", "credential", "key", "password", "secret", "session", "signature", "token"];

/// Returns whether a header of this name, in lower case, may reach a handler.
#[cfg(feature = "http")]
pub(crate) fn is_open_header(name: &str) -> bool {
    !CREDENTIALS.iter().any(|part| name.contains(part))
}

#[cfg(all(test, feature = "http"))]
mod tests {
    use super::*;

    #[test]
    fn headers_with_credentials_are_not_open() {
        for name in [
            "authorization",
            "proxy-authorization",
            "cookie",
            "x-api-key",
            "mcp-session-id",
            "x-amz-security-token",
            "x-hub-signature-256",
            "x-forwarded-access-token",
        ] {
            assert!(!is_open_header(name), "{name}");
        }
        for name in ["accept-language", "user-agent", "x-request-id", "traceparent", "x-forwarded-for"] {
            assert!(is_open_header(name), "{name}");
        }
    }
}
