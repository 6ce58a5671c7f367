//! Writes the value of `WWW-Authenticate` that tells a refused client what to ask for (RFC 6750 §3, RFC 9728 §5.1, MCP).

use super::Denied;

impl Denied {
    /// The challenge of a 401; none if no token would help (503).
    ///
    /// `scopes` are the scopes that the request needs, or those of basic use if the request is not known yet.
    /// `metadata` is the address of the resource's metadata, if there is an authorization server to name.
    pub fn challenge(&self, scopes: &[&str], metadata: Option<&str>) -> Option<String> {
        let mut challenge = Challenge::new();
        match self {
            Self::Unavailable | Self::KeyPending { .. } => return None,
            Self::Missing => {}
            Self::Bad(_) => challenge.parameter("error", "invalid_token"),
        }
        challenge.requirements(scopes, metadata);
        if let Self::Bad(reason) = self {
            challenge.parameter("error_description", reason);
        }
        Some(challenge.0)
    }
}

/// The challenge of a 403: the caller is known and lacks scopes.
///
/// `scopes` are all scopes that this call needs, whether the caller holds them or not (MCP 2026-07-28, SEP-2350).
/// `description` is for people.
pub fn insufficient_scope(scopes: &[&str], metadata: Option<&str>, description: &str) -> String {
    let mut challenge = Challenge::new();
    challenge.parameter("error", "insufficient_scope");
    challenge.requirements(scopes, metadata);
    challenge.parameter("error_description", description);
    challenge.0
}

struct Challenge(String);

impl Challenge {
    fn new() -> Self {
        Self("Bearer".to_owned())
    }

    fn requirements(&mut self, scopes: &[&str], metadata: Option<&str>) {
        // RFC 6749 §3.3 does not allow an empty `scope`.
        if !scopes.is_empty() {
            self.parameter("scope", &scopes.join(" "));
        }
        if let Some(metadata) = metadata {
            self.parameter("resource_metadata", metadata);
        }
    }

    /// Adds a parameter. RFC 6750 §3 allows printable ASCII except `"` and `\`. Everything else is replaced, so that a
    /// value cannot end itself or the header.
    fn parameter(&mut self, name: &str, value: &str) {
        let value: String = value.chars().map(|c| if is_allowed(c) { c } else { '\'' }).collect();
        let comma = if self.0.contains('=') { "," } else { "" };
        self.0 += &format!("{comma} {name}=\"{value}\"");
    }
}

fn is_allowed(c: char) -> bool {
    matches!(c, ' '..='~') && !matches!(c, '"' | '\\')
}
