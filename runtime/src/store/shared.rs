//! Holds the database that the replicas of a server share, if it has one.

#[cfg(feature = "postgres")]
use std::sync::Arc;

#[cfg(feature = "postgres")]
use crate::database::Database;

/// The database that the replicas of a server share. Without one, a server shares nothing with other processes.
#[derive(Clone, Default)]
pub(crate) struct SharedDatabase {
    #[cfg(feature = "postgres")]
    database: Option<Arc<Database>>,
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
