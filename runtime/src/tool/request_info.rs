//! Defines what a handler can learn of the request behind its call.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::session_state::SessionState;

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
#[derive(Clone, Debug, Default)]
pub(crate) struct RequestInfo {
    /// The id of the JSON-RPC request, as text.
    pub(crate) id: Option<String>,
    /// The session, under a name that does not give access to it.
    pub(crate) session: Option<String>,
    /// The values that handlers keep for the session, if there is one.
    pub(crate) session_state: Option<Arc<SessionState>>,
    /// The client's name and version, as it gives them.
    pub(crate) client: Option<(String, String)>,
    /// The headers of the HTTP request without credentials; names are in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) meta: Map<String, Value>,
}

/// Words in the names of headers whose values are credentials, or give access to something.
#[cfg(feature = "http")]
const CREDENTIALS: [&str; 39] = [
    "accesskey",
    "accesstoken",
    "apikey",
    "apitoken",
    "assertion",
    "auth",
    "authentication",
    "authenticator",
    "authkey",
    "authorization",
    "authtoken",
    "bearer",
    "cookie",
    "cookies",
    "credential",
    "credentials",
    "csrftoken",
    "jwt",
    "key",
    "keys",
    "otp",
    "passcode",
    "passphrase",
    "passwd",
    "password",
    "pwd",
    "secret",
    "secretkey",
    "secrets",
    "session",
    "sessionid",
    "sessiontoken",
    "sid",
    "sig",
    "signature",
    "signatures",
    "token",
    "tokens",
    "xsrftoken",
];

/// Returns whether a header of this name, in lower case, may reach a handler: whether none of its words, between `-`, `_`
/// and `.`, says that its value is a credential.
#[cfg(feature = "http")]
pub(crate) fn is_open_header(name: &str) -> bool {
    // A number or a plural does not make another word: `cookie2`.
    let is_credential =
        |word: &str| CREDENTIALS.contains(&word.trim_end_matches(|c: char| c.is_ascii_digit()));
    !name.split(['-', '_', '.']).any(is_credential)
}

#[cfg(all(test, feature = "http"))]
mod tests {
    use super::*;

    #[test]
    fn headers_whose_name_has_the_word_of_a_credential_are_not_open() {
        for (name, is_open) in [
            ("authorization", false),
            ("proxy-authorization", false),
            ("authentication-info", false),
            ("x-auth", false),
            ("x_auth_user", false),
            ("x-author", true),
            ("authority", true),
            ("cookie", false),
            ("cookie2", false),
            ("x-cookies", false),
            ("x-cookiecutter", true),
            ("x-api-key", false),
            ("x.api.key", false),
            ("apikey", false),
            ("x-apikey2", false),
            ("x-authtoken", false),
            ("idempotency-key", false),
            ("x-keyboard", true),
            ("x-monkey", true),
            ("mcp-session-id", false),
            ("x-sessionid", false),
            ("x-obsession", true),
            ("x-amz-security-token", false),
            ("x-forwarded-access-token", false),
            ("x-tokenizer", true),
            ("x-hub-signature-256", false),
            ("cf-access-jwt-assertion", false),
            ("cf-access-client-secret", false),
            ("x-secretary", true),
            ("x-password", false),
            ("accept-language", true),
            ("user-agent", true),
            ("x-request-id", true),
            ("traceparent", true),
            ("x-forwarded-for", true),
        ] {
            assert_eq!(is_open_header(name), is_open, "{name}");
        }
    }
}
