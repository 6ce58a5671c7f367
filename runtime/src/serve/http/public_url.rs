//! Reads the address of a server as its clients write it.

use crate::message::Message;

/// An address of this server as clients write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublicUrl {
    pub(crate) text: String,
    /// The host, with the port if the address has one.
    pub(crate) host: String,
}

impl PublicUrl {
    /// Reads an `http` or `https` address. It must not have a query, a fragment (RFC 9728 §1.2) or a user's name.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let uri: http::Uri = text.parse().ok()?;
        let host = uri.authority().map(|authority| authority.as_str().to_owned())?;
        let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
        (is_web && !host.contains('@') && !text.contains(['?', '#']))
            .then(|| Self { text: text.to_owned(), host })
    }
}

/// Checks a value of `--public-url`.
pub(crate) fn public_url(text: &str) -> Result<PublicUrl, Message> {
    let expected =
        "expected an `http` or `https` address without a query, for example `https://prices.example.com/mcp`";
    PublicUrl::parse(text).ok_or_else(|| Message::new(expected))
}
