//! Checks that a database has the tables of this program.

use std::collections::HashSet;

use tokio_postgres::{Client, error::SqlState};

use super::{address::DatabaseAddress, error::DatabaseError};
use crate::message::Message;

/// The version of the tables that this program uses.
pub(super) const SCHEMA_VERSION: i32 = 2;
/// The changes that lead to each version, from the first. Each can be run again.
#[cfg(any(feature = "cli", test))]
pub(super) const STEPS: [&str; 2] = [include_str!("schema.sql"), include_str!("schema_2.sql")];

/// The table that makes the tables of a schema a store's.
const VERSION_TABLE: &str = "store_version";
/// The columns that this program uses, by table.
const TABLES: [(&str, &[&str]); 7] = [
    (VERSION_TABLE, &["is_only", "version"]),
    ("deployments", &["id", "name", "state_key"]),
    ("callers", &["deployment", "caller", "live_keys", "result_bytes", "known_keys"]),
    (
        "keys",
        &[
            "deployment",
            "key",
            "caller",
            "fingerprint",
            "attempt",
            "began",
            "lease_end",
            "repeatable",
            "task",
            "state",
            "ended",
            "result",
            "result_size",
            "due",
            "declaration",
        ],
    ),
    ("nonces", &["deployment", "nonce", "use", "expiry"]),
    ("rates", &["deployment", "cell", "arrival"]),
    (
        "tasks",
        &[
            "deployment",
            "id",
            "caller",
            "runner",
            "lease_end",
            "task",
            "has_ended",
            "answers",
            "answer_bytes",
            "is_cancelled",
            "expiry",
            "call",
            "attempts",
        ],
    ),
];

/// Lists the columns of all tables in the schema, also of those that this user may not read.
const SELECT_COLUMNS: &str = "\
    SELECT class.relname::text, attribute.attname::text \
    FROM pg_catalog.pg_class AS class \
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace \
    LEFT JOIN pg_catalog.pg_attribute AS attribute \
        ON attribute.attrelid = class.oid AND attribute.attnum > 0 AND NOT attribute.attisdropped \
    WHERE namespace.nspname = 'candor' AND class.relkind IN ('r', 'p', 'v', 'm', 'f')";
const SELECT_VERSION: &str = "SELECT version FROM candor.store_version";
/// The tables that a database has.
pub(super) enum Found {
    Nothing,
    /// Tables of another program, of which this is one.
    OfAnotherProgram(String),
    Version(i32),
    /// Some of the tables of this version; this one is missing, or lacks a column.
    Incomplete(String),
}

/// Checks that the tables are those of this program.
pub(super) async fn check(client: &Client, address: &DatabaseAddress) -> Result<(), DatabaseError> {
    let message = match find(client, address).await? {
        Found::Version(SCHEMA_VERSION) => return Ok(()),
        Found::Nothing => {
            Message::new(format!("the database {address} has no tables of a store")).help("run `store migrate`")
        }
        Found::Version(version) if version < SCHEMA_VERSION => Message::new(format!(
            "the tables of the store in {address} have version {version}, and this program needs {SCHEMA_VERSION}"
        ))
        .help("run `store migrate` of this program"),
        Found::Version(version) => newer(address, version),
        Found::Incomplete(missing) => incomplete(address, &missing).help("run `store migrate` again"),
        Found::OfAnotherProgram(table) => of_another_program(address, &table),
    };
    Err(message.into())
}

pub(super) fn newer(address: &DatabaseAddress, version: i32) -> Message {
    Message::new(format!(
        "the tables of the store in {address} have version {version}, and this program knows {SCHEMA_VERSION}"
    ))
    .note("a newer version of this program has migrated them")
    .help("update this program, or name another database")
}

pub(super) fn incomplete(address: &DatabaseAddress, missing: &str) -> Message {
    Message::new(format!("the tables of the store in {address} are incomplete: {missing} is missing"))
        .note("a migration was interrupted, or a part of the tables was removed")
}

pub(super) fn of_another_program(address: &DatabaseAddress, table: &str) -> Message {
    Message::new(format!("the schema `candor` of the database {address} belongs to another program"))
        .note(format!("its table `{table}` is not one of a store"))
        .help("name another database: the store needs the schema `candor` for itself")
}

pub(super) async fn find(client: &Client, address: &DatabaseAddress) -> Result<Found, DatabaseError> {
    let failed = |error: tokio_postgres::Error| DatabaseError::of(&error, address);
    let rows = client.query(SELECT_COLUMNS, &[]).await.map_err(failed)?;
    let columns: HashSet<(String, Option<String>)> =
        rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    if columns.is_empty() {
        return Ok(Found::Nothing);
    }
    let has = |table: &str, column: &str| columns.contains(&(table.to_owned(), Some(column.to_owned())));
    if !TABLES[0].1.iter().all(|column| has(VERSION_TABLE, column)) {
        let foreign = columns.iter().map(|(table, _)| table).min();
        let known = |table: &&String| TABLES.iter().any(|(name, _)| name == table);
        // Without the table of the version, others of the same names prove nothing.
        let foreign = columns.iter().map(|(table, _)| table).find(|table| !known(table)).or(foreign);
        return Ok(Found::OfAnotherProgram(foreign.cloned().unwrap_or_default()));
    }
    let version: Option<i32> = match client.query_opt(SELECT_VERSION, &[]).await {
        Ok(row) => row.map(|row| row.get(0)),
        // A cast of `version` to another type is another program's, too.
        Err(error) if error.code() == Some(&SqlState::DATATYPE_MISMATCH) => {
            return Ok(Found::OfAnotherProgram(VERSION_TABLE.to_owned()));
        }
        Err(error) => return Err(failed(error)),
    };
    let Some(version) = version else { return Ok(Found::Incomplete("its version".to_owned())) };
    if version != SCHEMA_VERSION {
        return Ok(Found::Version(version));
    }
    for (table, names) in TABLES {
        if let Some(name) = names.iter().find(|name| !has(table, name)) {
            return Ok(Found::Incomplete(format!("`candor.{table}.{name}`")));
        }
    }
    Ok(Found::Version(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_that_is_checked_is_created() {
        let created = STEPS.concat();
        for (table, columns) in TABLES {
            let (_, body) =
                created.split_once(&format!("CREATE TABLE IF NOT EXISTS candor.{table} (")).unwrap();
            let (body, _) = body.split_once("\n)").unwrap();
            for column in columns {
                let added = format!("ALTER TABLE candor.{table} ADD COLUMN IF NOT EXISTS {column} ");
                let is_created = body.contains(&format!("\n    {column} ")) || created.contains(&added);
                assert!(is_created, "{table}.{column}");
            }
        }
    }
}
