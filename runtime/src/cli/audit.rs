//! `audit`: keys for the log, and what it says.

use std::{ffi::OsString, path::PathBuf};

use clap::Args;

use crate::{
    audit::AuditLog,
    server::{Recording, Server},
};

/// Where calls are recorded.
#[derive(Args, Clone, Default)]
pub(super) struct Log {
    /// Record calls in this folder
    ///
    /// Without it: $XDG_STATE_HOME/SERVER/audit, or ~/.local/state/SERVER/audit. What is declared `required` runs only
    /// if it is recorded.
    #[arg(long, value_name = "DIR")]
    audit: Option<PathBuf>,
    /// Sign the log with the key in this file, where it is not DIR.signing-key
    #[arg(long, value_name = "FILE")]
    audit_key: Option<PathBuf>,
}

impl Log {
    /// The server with the log that was asked for; the one of its own making, where nothing was; its user's, where it
    /// has none.
    pub(super) fn of<C>(self, mut server: Server<C>, quiet: bool) -> Server<C> {
        let name = server.about.name.clone();
        let finished = |log: AuditLog| {
            let log = match &self.audit_key {
                Some(key) => log.signing_key(key),
                None => log,
            };
            if quiet { log.quiet() } else { log }
        };
        server.recording = match (self.audit, server.recording) {
            (Some(folder), _) => Recording::In(finished(AuditLog::at(folder))),
            (None, Recording::In(log)) => Recording::In(finished(log)),
            (None, Recording::Nowhere) if self.audit_key.is_none() => Recording::Nowhere,
            (None, _) => Recording::ByDefault(AuditLog::of_user(&name).map(finished)),
        };
        server
    }

    /// As they stand on a command line.
    pub(super) fn arguments(&self) -> Vec<OsString> {
        let flag = |flag: &str, path: &Option<PathBuf>| -> Vec<OsString> {
            path.as_ref().map_or_else(Vec::new, |path| vec![flag.into(), path.into()])
        };
        [flag("--audit", &self.audit), flag("--audit-key", &self.audit_key)].concat()
    }
}
