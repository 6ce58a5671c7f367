//! Defines how long a server waits for its database.

use std::time::Duration;

/// The time for a connection, up to its first statement.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The time for a statement or a transaction, including a connection that must be opened for it.
pub(crate) const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);
