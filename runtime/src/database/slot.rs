//! Opens a connection when it is needed, and again after a failure.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use super::{
    call_runtime::Connector,
    connection::{DatabaseConnection, DatabaseTime},
    error::DatabaseError,
};

/// The time between two attempts to connect.
const RECONNECT_INTERVAL: Duration = Duration::from_millis(250);
/// The time for which calls wait for a database that is gone, for example while it is restarted. Later calls fail at once.
const OUTAGE_GRACE: Duration = Duration::from_secs(3);
/// The place of a connection.
#[derive(Default)]
pub(super) struct ConnectionSlot {
    connection: Option<Arc<DatabaseConnection>>,
    outage: Option<Outage>,
}

struct Outage {
    first: Instant,
    last: Instant,
    error: DatabaseError,
}

impl ConnectionSlot {
    pub(super) fn of(connection: DatabaseConnection) -> Self {
        Self { connection: Some(Arc::new(connection)), outage: None }
    }

    /// Returns the connection, if it can be used.
    pub(super) fn usable(&self) -> Option<&Arc<DatabaseConnection>> {
        self.connection.as_ref().filter(|connection| connection.is_usable())
    }

    /// Puts another connection in place of this one, which ends with the statements that are in flight on it.
    pub(super) fn replace(&mut self, connection: DatabaseConnection) {
        *self = Self::of(connection);
    }

    /// Returns the connection, and opens it with `connector` if it is missing, with the time of the database. With
    /// `limit_interval`, a refusal because of too many connections stands for that long.
    pub(super) async fn open(
        &mut self,
        connector: &Connector<'_>,
        limit_interval: Option<Duration>,
    ) -> Result<(Arc<DatabaseConnection>, Option<DatabaseTime>), DatabaseError> {
        loop {
            if let Some(connection) = self.usable() {
                return Ok((Arc::clone(connection), None));
            }
            self.connection = None;
            if let Some(outage) = &self.outage {
                let limit_interval = limit_interval.filter(|_| outage.error.is_connection_limit);
                let wait = limit_interval.unwrap_or(RECONNECT_INTERVAL).saturating_sub(outage.last.elapsed());
                if !wait.is_zero() {
                    if limit_interval.is_some() || outage.first.elapsed() > OUTAGE_GRACE {
                        return Err(outage.error.clone());
                    }
                    sleep(wait).await;
                }
            }
            match connector.connect().await {
                Ok((connection, time)) => {
                    let connection = Arc::new(connection);
                    *self = Self { connection: Some(Arc::clone(&connection)), outage: None };
                    return Ok((connection, Some(time)));
                }
                Err(error) => {
                    let now = Instant::now();
                    let first = self.outage.as_ref().map_or(now, |outage| outage.first);
                    let is_final = error.is_connection_limit || first.elapsed() > OUTAGE_GRACE;
                    self.outage = Some(Outage { first, last: now, error: error.clone() });
                    if is_final {
                        return Err(error);
                    }
                }
            }
        }
    }
}
