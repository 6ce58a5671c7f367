//! Serves the OAuth metadata of the protected resource (RFC 9728).

use crate::{
    access::{Access, Metadata},
    serve::shared::Shared,
};

/// The well-known path of the metadata (RFC 9728 §3).
pub(super) const METADATA_PATH: &str = "/.well-known/oauth-protected-resource";

/// The metadata for clients that need a token.
pub(super) struct ResourceMetadata {
    pub(super) url: String,
    pub(super) document: Vec<u8>,
}

impl ResourceMetadata {
    pub(super) fn new(resource: &str, access: &Access, shared: &Shared) -> Self {
        let metadata = Metadata {
            resource,
            authorization_servers: &access.issuers(),
            scopes: shared.scopes.basic(),
            name: shared.about.title.as_deref().unwrap_or(&shared.about.name),
        };
        Self { url: Metadata::address(resource), document: metadata.document().to_string().into_bytes() }
    }

    /// The path of the metadata's URL on this server.
    pub(super) fn path(&self) -> &str {
        self.url.find(METADATA_PATH).map_or(METADATA_PATH, |at| &self.url[at..])
    }
}
