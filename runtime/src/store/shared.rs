//! Holds the database that the replicas of a server share, if it has one.

#[cfg(feature = "postgres")]
use std::sync::Arc;
#[cfg(all(feature = "http", feature = "postgres"))]
use std::time::Duration;

#[cfg(feature = "postgres")]
use crate::database::Database;
use crate::message::Message;

/// The time for a check of readiness.
#[cfg(all(feature = "http", feature = "postgres"))]
const DATABASE_CHECK_TIMEOUT: Duration = Duration::from_secs(1);

/// The database that the replicas of a server share. Without one, a server shares nothing with other processes.
#[derive(Clone, Default)]
pub(crate) struct SharedDatabase {
    #[cfg(feature = "postgres")]
    database: Option<Arc<Database>>,
}

impl SharedDatabase {
    /// Whether the database answers. True without one.
    #[cfg(feature = "http")]
    pub(crate) async fn answers(&self) -> bool {
        #[cfg(feature = "postgres")]
        if let Some(database) = &self.database {
            return tokio::time::timeout(DATABASE_CHECK_TIMEOUT, database.check())
                .await
                .is_ok_and(|check| check.is_ok());
        }
        true
    }

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
    pub(crate) fn new(database: Arc<Database>) -> Self {
        Self { database: Some(database) }
    }

    /// Lets the current runtime, which calls run on, drive the connection that they wait for.
    pub(crate) fn drive_here(&self) {
        if let Some(database) = &self.database {
            database.drive_here();
        }
    }

    pub(crate) fn database(&self) -> Option<&Arc<Database>> {
        self.database.as_ref()
    }
}
