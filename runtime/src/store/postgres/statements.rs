//! Holds the statements of a transaction over keys.

use tokio_postgres::{Error, Statement};

use super::rows::READ_KEYS;
use crate::database::DatabaseConnection;

const ADD_CALLERS: &str = "\
    INSERT INTO candor.callers (deployment, caller) \
    SELECT $1, caller FROM unnest($2::bytea[]) AS caller ORDER BY caller ON CONFLICT DO NOTHING";
/// Locks in one order, so that no two transactions wait for each other.
const LOCK_CALLERS: &str = "\
    SELECT caller, live_keys, result_bytes, known_keys FROM candor.callers \
    WHERE deployment = $1 AND caller = ANY ($2) ORDER BY caller FOR UPDATE";
const SUM_CALLERS: &str = "\
    SELECT coalesce(sum(known_keys), 0)::bigint, coalesce(sum(result_bytes), 0)::bigint \
    FROM candor.callers WHERE deployment = $1";
const WRITE_KEYS: &str = "\
    INSERT INTO candor.keys (deployment, key, caller, fingerprint, attempt, began, lease_end, repeatable, task, state, \
        ended, result, result_size, due, declaration) \
    SELECT $1, row.* FROM unnest($2::bytea[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bigint[], $7::bigint[], \
        $8::boolean[], $9::text[], $10::smallint[], $11::bigint[], $12::bytea[], $13::bigint[], $14::bigint[], \
        $15::bytea[]) AS row \
    ON CONFLICT (deployment, key) DO UPDATE SET caller = excluded.caller, fingerprint = excluded.fingerprint, \
        attempt = excluded.attempt, began = excluded.began, lease_end = excluded.lease_end, \
        repeatable = excluded.repeatable, task = excluded.task, state = excluded.state, ended = excluded.ended, \
        result = excluded.result, result_size = excluded.result_size, due = excluded.due, \
        declaration = excluded.declaration";
const REMOVE_KEYS: &str = "DELETE FROM candor.keys WHERE deployment = $1 AND key = ANY ($2)";
const WRITE_CALLERS: &str = "\
    UPDATE candor.callers AS row \
    SET live_keys = new.live_keys, result_bytes = new.result_bytes, known_keys = new.known_keys \
    FROM unnest($2::bytea[], $3::bigint[], $4::bigint[], $5::bigint[]) \
        AS new (caller, live_keys, result_bytes, known_keys) \
    WHERE row.deployment = $1 AND row.caller = new.caller";
const REMOVE_IDLE_CALLERS: &str = "\
    DELETE FROM candor.callers WHERE deployment = $1 AND caller = ANY ($2) AND known_keys = 0 AND live_keys = 0";

/// The statements of every transaction.
pub(super) struct Statements {
    pub(super) add_callers: Statement,
    pub(super) lock_callers: Statement,
    pub(super) sum_callers: Statement,
    pub(super) read_keys: Statement,
    pub(super) write_keys: Statement,
    pub(super) remove_keys: Statement,
    pub(super) write_callers: Statement,
    pub(super) remove_idle_callers: Statement,
}

impl Statements {
    pub(super) async fn of(connection: &DatabaseConnection) -> Result<Self, Error> {
        let [
            add_callers,
            lock_callers,
            sum_callers,
            read_keys,
            write_keys,
            remove_keys,
            write_callers,
            remove_idle_callers,
        ] = connection
            .all_prepared([
                ADD_CALLERS,
                LOCK_CALLERS,
                SUM_CALLERS,
                READ_KEYS,
                WRITE_KEYS,
                REMOVE_KEYS,
                WRITE_CALLERS,
                REMOVE_IDLE_CALLERS,
            ])
            .await?;
        Ok(Self {
            add_callers,
            lock_callers,
            sum_callers,
            read_keys,
            write_keys,
            remove_keys,
            write_callers,
            remove_idle_callers,
        })
    }
}
