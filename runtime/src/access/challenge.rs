//! A refusal → the value of `WWW-Authenticate` that says how to do better (RFC 6750 §3, RFC 9728 §5.1, MCP).

use super::Denied;

impl Denied {
    /// The challenge of a 401; none where no token would help (503).
    ///
    /// `scopes` is what the request needs, or basic use where that is not known. `metadata` is the address of the
    /// resource's metadata, where there is an authorization server to name.
    pub fn challenge(&self, scopes: &[&str], metadata: Option<&str>) -> Option<String> {
        let mut challenge = Challenge::new();
        match self {
            Self::Unavailable => return None,
            Self::Missing => {}
            Self::Bad(_) => challenge.say("error", "invalid_token"),
        }
        challenge.needs(scopes, metadata);
        if let Self::Bad(why) = self {
            challenge.say("error_description", why);
        }
        Some(challenge.0)
    }
}

/// The challenge of a 403: the caller is known, and lacks scopes. `scopes` is all that this call needs, held or not
/// (MCP 2026-07-28, SEP-2350), and `why` is for people.
pub fn insufficient_scope(scopes: &[&str], metadata: Option<&str>, why: &str) -> String {
    let mut challenge = Challenge::new();
    challenge.say("error", "insufficient_scope");
    challenge.needs(scopes, metadata);
    challenge.say("error_description", why);
    challenge.0
}

struct Challenge(String);

impl Challenge {
    fn new() -> Self {
        Self("Bearer".to_owned())
    }

    fn needs(&mut self, scopes: &[&str], metadata: Option<&str>) {
        // A `scope` without any is none (RFC 6749 §3.3).
        if !scopes.is_empty() {
            self.say("scope", &scopes.join(" "));
        }
        if let Some(metadata) = metadata {
            self.say("resource_metadata", metadata);
        }
    }

    /// Adds a parameter. RFC 6750 §3 leaves printable ASCII but `"` and `\`: what is outside cannot end the value, nor
    /// the header.
    fn say(&mut self, name: &str, value: &str) {
        let value: String = value.chars().map(|c| if is_plain(c) { c } else { '\'' }).collect();
        let comma = if self.0.contains('=') { "," } else { "" };
        self.0 += &format!("{comma} {name}=\"{value}\"");
    }
}

fn is_plain(c: char) -> bool {
    matches!(c, ' '..='~') && !matches!(c, '"' | '\\')
}
