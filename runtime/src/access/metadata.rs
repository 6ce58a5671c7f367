//! What a server says of itself to those who want a token for it → RFC 9728 metadata.

use serde_json::{Value, json};

/// The metadata of a protected resource (RFC 9728 §2), as `/.well-known/oauth-protected-resource` gives it.
#[derive(Clone, Debug)]
pub struct Metadata<'a> {
    /// The address of the MCP endpoint, which is also what tokens are for (RFC 8707).
    pub resource: &'a str,
    /// The issuers whose tokens are taken.
    pub authorization_servers: &'a [&'a str],
    /// What basic use needs, and not the whole catalogue (MCP, security best practices).
    pub scopes: &'a [String],
    /// A name for people.
    pub name: &'a str,
}

impl Metadata<'_> {
    /// The document.
    pub fn document(&self) -> Value {
        let mut document = json!({
            "resource": self.resource,
            "authorization_servers": self.authorization_servers,
            "bearer_methods_supported": ["header"],
            "resource_name": self.name,
        });
        if !self.scopes.is_empty() {
            document["scopes_supported"] = json!(self.scopes);
        }
        document
    }

    /// Where the document of `resource` is to be found (RFC 9728 §3.1): the well-known word before the path.
    ///
    /// ```
    /// # use candor::access::Metadata;
    /// let at = "https://prices.example/.well-known/oauth-protected-resource/mcp";
    /// assert_eq!(Metadata::address("https://prices.example/mcp"), at);
    /// ```
    pub fn address(resource: &str) -> String {
        let host = resource.find("://").map_or(0, |at| at + 3);
        let path = resource[host..].find('/').map_or(resource.len(), |at| host + at);
        let (host, path) = (&resource[..path], resource[path..].trim_end_matches('/'));
        format!("{host}/.well-known/oauth-protected-resource{path}")
    }
}
