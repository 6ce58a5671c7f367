//! Sets in which audit log a server records calls, and for how long it keeps the records.

use std::time::Duration;

use super::Server;
use crate::{audit::AuditLog, record::Recording};

impl<C> Server<C> {
    /// Records calls in an audit log. A call of a tool that is declared `required` does not run if it cannot be recorded.
    ///
    /// `serve` uses [`AuditLog::of_user`] by default, and `serve --audit DIR` uses another folder. A server that is
    /// [built](Server::build) has no default: with a `required` tool, and neither this nor [`Server::unaudited`], it does
    /// not start.
    pub fn audit(mut self, log: AuditLog) -> Self {
        self.config.recording = Recording::To(log);
        self
    }

    /// Records nothing, whatever the tools declare, for example in a test, or if the host of the server records calls.
    pub fn unaudited(mut self) -> Self {
        self.config.recording = Recording::Disabled;
        self
    }

    /// Records nothing unless a log is configured.
    #[cfg(feature = "testing")]
    pub(crate) fn or_unaudited(self) -> Self {
        if matches!(self.config.recording, Recording::Unset) { self.unaudited() } else { self }
    }

    /// Removes the records of the audit log that are older than `age`, which is at least a day; with less the server does not
    /// start. By default records are kept for ever. `serve --audit-retention 90d` does the same.
    ///
    /// The server removes them at its start and once a day. It removes whole segments, and begins a segment once a day, so that
    /// a record is removed at the latest two days after it has reached the age. The removal is recorded and signed first:
    /// [`AuditLog`] says how the rest is verified.
    pub fn audit_retention(mut self, age: Duration) -> Self {
        self.config.retention = Some(age);
        self
    }
}
