//! Writes a large row and removes it, to find out whether the disk of the database takes more.

use tokio_postgres::{Error, Statement};

use super::rows::OWN_ROW;
use crate::database::{DatabaseConnection, Parameter};

/// The bytes of the row: more than the room that old versions of rows leave in the pages of a table.
const PROBE_ROW_BYTES: usize = 64 << 10;
const INSERT_PROBE: &str = "\
    INSERT INTO candor.keys (deployment, key, caller, fingerprint, attempt, began, lease_end, repeatable, state, result, due) \
    VALUES ($1, $2, $2, $2, $2, 0, 0, false, 0, $3, 0)";
const REMOVE_PROBE: &str = "DELETE FROM candor.keys WHERE deployment = $1 AND key = $2";

/// The statements of a probe.
pub(super) struct Probe([Statement; 2]);

impl Probe {
    pub(super) async fn of(connection: &DatabaseConnection) -> Result<Self, Error> {
        connection.all_prepared([INSERT_PROBE, REMOVE_PROBE]).await.map(Self)
    }

    /// Writes the row and removes it, inside a transaction. The lock on the store's own row among the callers keeps two
    /// replicas from doing so at once.
    pub(super) async fn write(&self, connection: &DatabaseConnection, deployment: i32) -> Result<(), Error> {
        let Self([insert, remove]) = self;
        let key = OWN_ROW.as_slice();
        // The database would compress anything else.
        let mut row = vec![0; PROBE_ROW_BYTES];
        getrandom::fill(&mut row).expect("the operating system provides random bytes");
        let parameters: [Parameter<'_>; 3] = [&deployment, &key, &row];
        let (inserted, removed) = tokio::join!(
            biased;
            connection.client.execute(insert, &parameters),
            connection.client.execute(remove, &parameters[..2]),
        );
        inserted?;
        removed?;
        Ok(())
    }
}
