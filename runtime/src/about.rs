//! Holds how a server describes itself.

/// The name, version and instructions of a server, as `initialize` and `server/discover` give them.
#[derive(Clone, Debug)]
pub(crate) struct About {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) title: Option<String>,
    pub(crate) instructions: Option<String>,
    /// Whether tools may send messages for a client's log.
    pub(crate) logging: bool,
}
