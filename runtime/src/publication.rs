//! Holds how a server is presented in registries and stores.

#![expect(clippy::doc_markdown, reason = "ChatGPT is the name of a product, not of an item")]

/// The presentation of a server in registries and stores, for `manifest --format server-json`, `mcpb`, `chatgpt` and
/// `claude`. Everything else that they ask for is in the declarations.
///
/// ```
/// use candor::{ManifestFormat, Publication, Server};
///
/// let server = Server::new("prices", "1.0.0").title("Stock prices").publication(
///     Publication::new("io.github.ada/prices", "Closing prices of five companies").package("ada-prices"),
/// );
/// assert!(server.manifest_as(ManifestFormat::ServerJson).unwrap().findings.is_empty());
/// ```
///
/// # Hints in MCP and in stores
///
/// Hints are published in MCP's meaning. A store's reviewer reads them in another:
///
/// | hint | in MCP | in the ChatGPT store | from the declaration |
/// | --- | --- | --- | --- |
/// | `readOnlyHint` | the tool does not modify its environment | the call reads or computes; it does not create, send, enqueue or log either | true for `read_only`; the audit record is written by the server, not by the tool. A `read_only` tool with a `task` is reported: the store counts the task as enqueued |
/// | `destructiveHint` | the tool may perform destructive updates | the call can delete, overwrite or send what cannot be taken back, in some mode | true for `destructive` |
/// | `openWorldHint` | the tool interacts with external entities | the call changes state that the public or a third party sees | true without `closed_world`; `public_effect = "…"` says what the public sees. A `read_only` tool that is not `closed_world` is reported: it changes nothing in the store's sense |
///
/// `manifest --format chatgpt` writes a justification of each hint from the declared word and its enforcer, and reports the
/// tools for which the two meanings differ.
#[derive(Clone, Debug)]
pub struct Publication {
    pub(crate) name: String,
    pub(crate) summary: String,
    pub(crate) package: Option<String>,
    pub(crate) author: Option<String>,
    pub(crate) repository: Option<String>,
    pub(crate) website: Option<String>,
    pub(crate) privacy_policy: Option<String>,
    pub(crate) remote: Option<String>,
    pub(crate) category: Option<String>,
}

impl Publication {
    /// Creates a presentation under a name of the registry, `io.github.ada/prices`: a domain of the publisher, reversed, and
    /// a name of 3 to 200 characters in all. The summary has at most 100 characters.
    pub fn new(name: impl Into<String>, summary: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            summary: summary.into(),
            package: None,
            author: None,
            repository: None,
            website: None,
            privacy_policy: None,
            remote: None,
            category: None,
        }
    }

    /// Sets the crate on crates.io that contains the server, of the server's version. The registry looks for the line
    /// `mcp-name: io.github.ada/prices` in the README of the crate.
    pub fn package(mut self, name: impl Into<String>) -> Self {
        self.package = Some(name.into());
        self
    }

    /// Sets the person or the company that publishes the server. A bundle needs one.
    pub fn author(mut self, name: impl Into<String>) -> Self {
        self.author = Some(name.into());
        self
    }

    /// Sets the URL of the source code.
    pub fn repository(mut self, url: impl Into<String>) -> Self {
        self.repository = Some(url.into());
        self
    }

    /// Sets the URL of the home page.
    pub fn website(mut self, url: impl Into<String>) -> Self {
        self.website = Some(url.into());
        self
    }

    /// Sets the URL of the privacy policy. Stores take no server without one.
    pub fn privacy_policy(mut self, url: impl Into<String>) -> Self {
        self.privacy_policy = Some(url.into());
        self
    }

    /// Sets the URL at which the server runs, `https://prices.example.com/mcp`.
    pub fn remote(mut self, url: impl Into<String>) -> Self {
        self.remote = Some(url.into());
        self
    }

    /// Sets the category in the ChatGPT store, for example `FINANCE`.
    pub fn category(mut self, category: impl Into<String>) -> Self {
        self.category = Some(category.into());
        self
    }
}
