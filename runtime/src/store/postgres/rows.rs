//! Reads the row of a key from the database.

use tokio_postgres::{Error, Row};

use crate::store::{
    AttemptId, StoredResult,
    record::{KeyRecord, RecordEnd},
    transition::TOTAL,
};

/// The columns of a key, in the order in which they are read and written.
pub(super) const READ_KEYS: &str = "\
    SELECT moment.now, row.key, row.caller, row.fingerprint, row.attempt, row.began, row.lease_end, row.repeatable, \
        row.task, row.state, row.ended, row.result, row.result_size, row.due, row.declaration \
    FROM (SELECT floor(extract(epoch FROM pg_catalog.clock_timestamp()) * 1000)::bigint AS now) AS moment \
    LEFT JOIN candor.keys AS row ON row.deployment = $1 AND row.key = ANY ($2)";

/// The columns of one key, in the same order.
pub(super) const READ_KEY: &str = "\
    SELECT floor(extract(epoch FROM pg_catalog.clock_timestamp()) * 1000)::bigint, row.key, row.caller, row.fingerprint, \
        row.attempt, row.began, row.lease_end, row.repeatable, row.task, row.state, row.ended, row.result, row.result_size, \
        row.due, row.declaration \
    FROM candor.keys AS row WHERE row.deployment = $1 AND row.key = $2";

/// The id under which the store itself has a row among the callers: it is written to find out whether the disk takes
/// anything. No digest of a caller is this.
pub(super) const OWN_ROW: [u8; 32] = TOTAL;

/// The states of a row, as the column `state` has them.
pub(super) const OPEN_STATE: i16 = 0;
pub(super) const COMPLETED_STATE: i16 = 1;
pub(super) const DIGEST_STATE: i16 = 2;
pub(super) const TOMBSTONE_STATE: i16 = 3;

/// A row of the database.
pub(super) struct StoredKey {
    pub(super) key: [u8; 32],
    pub(super) record: KeyRecord,
    pub(super) due: u64,
}

/// Returns the time of the database, in milliseconds since 1970, and the rows that were found.
pub(super) fn read(rows: &[Row]) -> Result<(u64, Vec<StoredKey>), Error> {
    let now = rows.first().map_or(Ok(0), |row| number(row, 0))?;
    let mut keys = Vec::with_capacity(rows.len());
    for row in rows {
        // Without a key, there is one row with the time alone.
        if row.try_get::<_, Option<&[u8]>>(1)?.is_some() {
            keys.push(read_key(row)?);
        }
    }
    Ok((now, keys))
}

fn read_key(row: &Row) -> Result<StoredKey, Error> {
    let end = match row.try_get::<_, i16>(9)? {
        OPEN_STATE => RecordEnd::Open,
        TOMBSTONE_STATE => RecordEnd::Tombstone(number(row, 10)?),
        DIGEST_STATE => {
            let (sha256, bytes) = (digest(row, 11)?, number(row, 12)?);
            RecordEnd::Completed(number(row, 10)?, StoredResult::Digest { sha256, bytes })
        }
        _ => {
            let result = String::from_utf8_lossy(row.try_get(11)?);
            RecordEnd::Completed(number(row, 10)?, StoredResult::Kept(result.into()))
        }
    };
    let mut attempt = [0; 16];
    copy(row.try_get(4)?, &mut attempt);
    Ok(StoredKey {
        key: digest(row, 1)?,
        record: KeyRecord {
            caller: digest(row, 2)?,
            fingerprint: digest(row, 3)?,
            declaration: row.try_get::<_, Option<&[u8]>>(14)?.map(array),
            attempt: AttemptId(u128::from_be_bytes(attempt)),
            began: number(row, 5)?,
            lease_end: number(row, 6)?,
            repeatable: row.try_get(7)?,
            task: row.try_get(8)?,
            end,
        },
        due: number(row, 13)?,
    })
}

fn digest(row: &Row, column: usize) -> Result<[u8; 32], Error> {
    let mut digest = [0; 32];
    copy(row.try_get(column)?, &mut digest);
    Ok(digest)
}

/// Copies as many bytes as there are: a row that was changed by hand must fit nothing, and stop nothing.
fn copy(from: &[u8], to: &mut [u8]) {
    let bytes = from.len().min(to.len());
    to[..bytes].copy_from_slice(&from[..bytes]);
}

/// Numbers are never negative, unless they were changed by hand.
fn number(row: &Row, column: usize) -> Result<u64, Error> {
    row.try_get::<_, i64>(column).map(|number| u64::try_from(number).unwrap_or_default())
}

pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// Returns a digest; zeros if the bytes are not one.
pub(super) fn array(bytes: &[u8]) -> [u8; 32] {
    bytes.try_into().unwrap_or_default()
}
