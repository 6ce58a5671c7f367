//! Reads the flags of a server that runs as several replicas.

use std::path::PathBuf;

use clap::Args;

use crate::{replica::ReplicaName, server::Config};

#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Replicas")]
#[group(skip)]
pub(super) struct ReplicaArgs {
    /// The name of this replica, for example `a` or the name of its pod
    ///
    /// It stands in each record of the audit log, in `/readyz`, and at the beginning of the ids of HTTP sessions, by which a
    /// balancer can route the requests of clients before revision 2026-07-28.
    #[arg(long, value_name = "NAME", value_parser = ReplicaName::parse)]
    replica: Option<ReplicaName>,
    /// Encrypt the state of questions under the key in this file, which all replicas share
    ///
    /// `state-key new` creates it. It needs a store that the replicas share.
    #[arg(long, value_name = "FILE")]
    state_key: Option<PathBuf>,
}

impl ReplicaArgs {
    /// Configures the server as the flags say.
    pub(super) fn configure(&self, config: &mut Config) {
        if let Some(name) = &self.replica {
            config.replica = Some(name.as_str().to_owned());
        }
        if let Some(file) = &self.state_key {
            config.state_key = Some(file.clone());
        }
    }
}
