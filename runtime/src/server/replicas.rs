//! Names the replica of a server, and sets what all replicas share.

use std::path::PathBuf;

use super::{Server, config::Config};
use crate::{message::Message, replica::ReplicaName, start_error::StartError, state_key::StateKey};

impl<C> Server<C> {
    /// Names this process among the replicas of the server: 1 to 63 of `A-Z a-z 0-9 - _`. With another name, the server does
    /// not [build](Server::build). `serve --replica NAME` does the same.
    ///
    /// The name stands in each record of the audit log, in `/readyz`, in the lines of calls on stderr, and at the beginning of
    /// the ids of HTTP sessions (`NAME.…`). Clients before 2026-07-28 have sessions, which live in one replica: a balancer
    /// can route their requests by the name. A request that reaches another replica is answered with 404, upon which clients
    /// begin a new session.
    pub fn replica(mut self, name: impl Into<String>) -> Self {
        self.config.replica = Some(name.into());
        self
    }

    /// Encrypts the state of questions under the key in this file, which all replicas of the server share, so that a question
    /// of one replica can be answered to another. The command `state-key new` creates the key; a file that others can read is
    /// refused. `serve --state-key FILE` does the same.
    ///
    /// It needs a store that the replicas share, which remembers the states that were used: with any other store, the server
    /// does not [build](Server::build). By default, each process has a random key of its own.
    pub fn state_key(mut self, file: impl Into<PathBuf>) -> Self {
        self.config.state_key = Some(file.into());
        self
    }
}

/// Checks the name of this replica, if it has one.
pub(super) fn name(config: &Config) -> Result<Option<ReplicaName>, StartError> {
    let name = config.replica.as_deref().map(ReplicaName::parse).transpose();
    name.map_err(StartError::Replicas)
}

/// Returns the key that encrypts the state of questions. A key from a file and a store that replicas share belong together.
pub(super) fn state_key(config: &Config) -> Result<StateKey, StartError> {
    match (&config.state_key, config.keeping.is_shared()) {
        (None, false) => Ok(StateKey::random()),
        (Some(file), true) => StateKey::read(file).map_err(StartError::Replicas),
        (Some(_), false) => Err(StartError::Replicas(
            Message::new("a state key needs a store that the replicas of the server share")
                .note("only such a store keeps an answer from being used again by another process")
                .help("name a database with `--store postgres://…`, or remove `--state-key`"),
        )),
        (None, true) => Err(StartError::Replicas(
            Message::new("replicas that share a store need one key for the state of questions")
                .note("a question of one replica may be answered to another")
                .help("create a key with the command `state-key new`, and give it to each replica with `--state-key FILE`"),
        )),
    }
}
