//! Builds the RFC 9728 metadata that tells a client where to get a token for this server.

use serde_json::{Value, json};

/// The metadata of a protected resource (RFC 9728 §2), served at `/.well-known/oauth-protected-resource`.
#[derive(Clone, Debug)]
pub struct Metadata<'a> {
    /// The address of the MCP endpoint, which a client also names when it asks for a token (RFC 8707).
    pub resource: &'a str,
    /// The issuers whose tokens are accepted.
    pub authorization_servers: &'a [&'a str],
    /// The scopes that basic use needs, and not the whole catalogue (MCP, security best practices).
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

    /// The address of the document for `resource` (RFC 9728 §3.1): the well-known segment comes before the path.
    ///
    /// ```
    /// # use candor::access::Metadata;
    /// let address = "https://prices.example/.well-known/oauth-protected-resource/mcp";
    /// assert_eq!(Metadata::address("https://prices.example/mcp"), address);
    /// ```
    pub fn address(resource: &str) -> String {
        let host = resource.find("://").map_or(0, |at| at + 3);
        let path = resource[host..].find('/').map_or(resource.len(), |at| host + at);
        let (host, path) = (&resource[..path], resource[path..].trim_end_matches('/'));
        format!("{host}/.well-known/oauth-protected-resource{path}")
    }
}
