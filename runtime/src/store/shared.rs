//! Holds the database that the replicas of a server share, if it has one.

#[cfg(feature = "postgres")]
use std::sync::Arc;

#[cfg(feature = "postgres")]
use crate::database::Database;
use crate::message::Message;

/// The database that the replicas of a server share. Without one, a server shares nothing with other processes.
#[derive(Clone, Default)]
pub(crate) struct SharedDatabase {
    #[cfg(feature = "postgres")]
    database: Option<Arc<Database>>,
}

impl SharedDatabase {
    /// Checks that all replicas of a server encrypt the state of questions under one key, by its id. Blocks the thread.
    #[cfg_attr(
        not(feature = "postgres"),
        expect(
            clippy::unused_self,
            clippy::unnecessary_wraps,
            unused_variables,
            reason = "nothing is shared"
        )
    )]
    pub(crate) fn agree_on_state_key(&self, id: u128) -> Result<(), Message> {
        #[cfg(feature = "postgres")]
        if let Some(database) = &self.database {
            return database.agree_on_state_key(id);
        }
        Ok(())
    }
}

#[cfg(feature = "postgres")]
impl SharedDatabase {
    pub(super) fn new(database: Arc<Database>) -> Self {
        Self { database: Some(database) }
    }

    pub(crate) fn database(&self) -> Option<&Arc<Database>> {
        self.database.as_ref()
    }
}
