//! Holds everything about a server that is known without running it.

use serde_json::Value;

#[cfg(feature = "cli")]
use crate::audit::AuditLog;
use crate::{
    about::About,
    publication::Publication,
    registry::Registry,
    revision::Revision,
    sandbox::{SandboxConfig, Support},
    scopes::{Scopes, Visibility},
};

/// A server as its manifest, its reference and its diagnosis describe it.
pub(crate) struct Outline {
    pub(crate) about: About,
    pub(crate) registry: Registry,
    /// The tools as `tools/list` shows them in the newest revision, in the order of the registry.
    pub(crate) listed: Vec<Value>,
    /// How the server is published, if it is.
    pub(crate) publication: Option<Publication>,
    pub(crate) revisions: Vec<Revision>,
    pub(crate) visibility: Visibility,
    pub(crate) support: Support,
    /// The sandbox as it is configured, on whatever machine.
    pub(crate) sandbox: SandboxConfig,
    pub(crate) scopes: Scopes,
    /// Whether `serve` records calls by default.
    pub(crate) recorded: bool,
    /// The place in which `serve` keeps idempotency keys by default, if it keeps them.
    pub(crate) keys: Option<String>,
    /// The default log, if this user has a folder for one.
    #[cfg(feature = "cli")]
    pub(crate) log: Option<AuditLog>,
}
