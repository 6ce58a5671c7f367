//! Compares the key that encrypts the state of questions with that of the other replicas.

use std::sync::{Arc, mpsc};

use super::{Database, DatabaseError, Parameter};
use crate::message::Message;

/// Stores the id of the first replica's key.
const AGREE: &str = "\
    UPDATE candor.deployments SET state_key = coalesce(state_key, $2) WHERE id = $1 RETURNING state_key = $2";

impl Database {
    /// Checks that the replicas of the deployment have one key, by its id. The first that starts decides. Blocks the thread.
    pub(crate) fn agree_on_state_key(self: &Arc<Self>, id: u128) -> Result<(), Message> {
        let deployment = self.deployment;
        let agreed = self.statement(move |connection| {
            Box::pin(async move {
                let agree = connection.prepared(AGREE).await?;
                let id = id.to_be_bytes();
                let id = id.as_slice();
                let parameters: [Parameter<'_>; 2] = [&deployment, &id];
                let row = connection.client.query_opt(&agree, &parameters).await?;
                Ok(row.is_some_and(|row| row.get(0)))
            })
        });
        let (sender, answer) = mpsc::channel();
        self.spawn(async move { drop(sender.send(agreed.await)) });
        match answer.recv().unwrap_or_else(|_| Err(DatabaseError::closed())) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Message::new("another replica of this deployment has another state key")
                .note("a question of one replica could not be answered to the other")
                .help("give each replica the same file with `--state-key`")
                .help(
                    "to change the key, stop all replicas, and run this SQL: \
                     UPDATE candor.deployments SET state_key = NULL",
                )),
            Err(error) => Err(error.message),
        }
    }
}
