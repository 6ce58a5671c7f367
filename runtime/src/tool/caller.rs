//! Identifies the caller of a tool and holds the scopes that it was granted.

use std::collections::BTreeSet;

use super::descriptor::Descriptor;
use crate::ordered::CollectOrdered as _;

/// The caller of a tool, with the scopes that it was granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    issuer: Option<String>,
    subject: String,
    scopes: BTreeSet<String>,
}

impl Caller {
    /// Creates a caller that `issuer` vouches for. Without an issuer, this server's own configuration vouches for it.
    pub fn new<S: Into<String>>(
        issuer: Option<&str>,
        subject: impl Into<String>,
        scopes: impl IntoIterator<Item = S>,
    ) -> Self {
        Self {
            issuer: issuer.map(str::to_owned),
            subject: subject.into(),
            scopes: scopes.into_iter().map(Into::into).collect_ordered(),
        }
    }

    /// Creates the caller on stdio: the user who started the server.
    pub fn local<S: Into<String>>(scopes: impl IntoIterator<Item = S>) -> Self {
        Self::new(None, "local", scopes)
    }

    /// Returns the authorization server that vouches for the caller (`iss`, RFC 7519): `None` on stdio and with an API
    /// key.
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// Returns the caller's name: `local` on stdio. A name is unique only together with [`Caller::issuer`].
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Returns the key of this caller for limits, confirmations and sessions. It does not depend on the scopes.
    pub(crate) fn identity(&self) -> Identity<'_> {
        Identity { issuer: self.issuer(), subject: self.subject() }
    }

    /// Returns the caller's OAuth scopes, with the narrower ones that a broader scope includes
    /// (`Server::scope_implies`).
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scopes.iter().map(String::as_str)
    }

    /// Returns the scopes of `tool` that the caller does not hold.
    pub(crate) fn missing_scopes<'a>(
        &'a self,
        tool: &Descriptor,
    ) -> impl Iterator<Item = &'static str> + use<'a> {
        tool.scopes.iter().copied().filter(|scope| !self.holds(scope))
    }

    /// Returns whether the caller holds `scope`.
    pub fn holds(&self, scope: &str) -> bool {
        self.scopes.contains(scope)
    }
}

/// A caller's name within its issuer (RFC 7519 §4.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Identity<'a> {
    pub(crate) issuer: Option<&'a str>,
    pub(crate) subject: &'a str,
}
