//! Names the stage that refused a call, as `denied_by` in its record.

use crate::audit::RecordWriter;

/// The stage that refused a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeniedBy {
    UnknownTool,
    Scope,
    Idempotency,
    Rate,
    Schema,
    Confirmation,
    ReadOnlyMode,
    /// The tool answers only with a task, and the call cannot run in one.
    Task,
    /// The transport could not authenticate the caller.
    #[cfg(feature = "http")]
    Auth,
    /// The request names a host or a web page that the server does not accept.
    #[cfg(feature = "http")]
    Host,
    /// The server is shutting down.
    #[cfg(feature = "http")]
    Draining,
}

impl DeniedBy {
    #[cfg(feature = "telemetry")]
    pub(crate) const ALL: &'static [Self] = &[
        Self::UnknownTool,
        Self::Scope,
        Self::Idempotency,
        Self::Rate,
        Self::Schema,
        Self::Confirmation,
        Self::ReadOnlyMode,
        Self::Task,
        #[cfg(feature = "http")]
        Self::Auth,
        #[cfg(feature = "http")]
        Self::Host,
        #[cfg(feature = "http")]
        Self::Draining,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownTool => "unknown_tool",
            Self::Scope => "scope",
            Self::Idempotency => "idempotency",
            Self::Rate => "rate",
            Self::Schema => "schema",
            Self::Confirmation => "confirmation",
            Self::ReadOnlyMode => "read_only_mode",
            Self::Task => "task",
            #[cfg(feature = "http")]
            Self::Auth => "auth",
            #[cfg(feature = "http")]
            Self::Host => "host",
            #[cfg(feature = "http")]
            Self::Draining => "draining",
        }
    }

    pub(super) fn write(self, record: &mut RecordWriter) {
        record.object("decision", |decision| {
            decision.text("verdict", "deny").text("denied_by", self.as_str());
        });
    }
}
