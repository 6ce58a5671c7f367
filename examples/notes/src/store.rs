//! Reads and writes notes in a `SQLite` file in WAL mode, by a pool of connections for readers and one for the writer.

use std::{path::Path, time::Duration};

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use r2d2::{Pool, PooledConnection};
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row, params};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::broadcast;

/// The time for which a call waits for a connection, or for a writer in another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The number of changes that a subscriber may be behind.
const MAX_QUEUED_CHANGES: usize = 64;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS notes (
        id      INTEGER PRIMARY KEY AUTOINCREMENT,
        title   TEXT NOT NULL,
        text    TEXT NOT NULL,
        created TEXT NOT NULL
    ) STRICT;
";

/// A note.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Note {
    /// The number, which is never used again.
    pub id: u32,
    /// The title.
    pub title: String,
    /// The text, in Markdown.
    pub text: String,
    /// The time at which the note was added.
    pub created: Timestamp,
}

impl Note {
    /// Returns the address of the note as a resource.
    pub fn uri(&self) -> String {
        format!("memo://{}", self.id)
    }
}

/// A failure of the database. The text of the cause follows that of this error.
#[derive(Debug, thiserror::Error)]
pub enum NoteError {
    /// A statement failed.
    #[error("the notes cannot be read or written")]
    Database(#[from] rusqlite::Error),
    /// Every connection was in use.
    #[error(
        "no connection to the database is free\nhelp: try again, or start the server with more `--readers`"
    )]
    Busy(#[from] r2d2::Error),
}

/// A handle that reads notes.
pub struct Reader(Pool<SqliteConnectionManager>);

/// A handle that writes notes, and announces which have changed.
pub struct Writer {
    /// `SQLite` has one writer at a time, so this pool has one connection.
    pool: Pool<SqliteConnectionManager>,
    /// The numbers of the notes that were added or deleted.
    changes: broadcast::Sender<u32>,
}

impl Writer {
    /// Opens the database, and creates it if it does not exist.
    ///
    /// # Errors
    ///
    /// The file cannot be opened or written, or is not a database.
    pub fn open(file: &Path) -> Result<Self, NoteError> {
        // By a connection of its own, since a pool tries a file that cannot be opened until its timeout.
        let connection = Connection::open(file)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        // Readers do not wait for the writer.
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.execute_batch(SCHEMA)?;
        let manager = SqliteConnectionManager::file(file).with_init(|connection| {
            connection.busy_timeout(BUSY_TIMEOUT)?;
            // An answered write survives a power failure.
            connection.pragma_update(None, "synchronous", "full")
        });
        Ok(Self { pool: pool(manager, 1)?, changes: broadcast::Sender::new(MAX_QUEUED_CHANGES) })
    }

    /// Adds a note.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub fn add(&self, title: &str, text: &str) -> Result<Note, NoteError> {
        let created = Timestamp::now();
        let id = self.pool.get()?.query_row(
            "INSERT INTO notes (title, text, created) VALUES (?1, ?2, ?3) RETURNING id",
            params![title, text, created.to_string()],
            |row| row.get(0),
        )?;
        self.announce(id);
        Ok(Note { id, title: title.to_owned(), text: text.to_owned(), created })
    }

    /// Deletes the notes whose title or text contains `text`, and returns them.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub fn delete_matching(&self, text: &str) -> Result<Vec<Note>, NoteError> {
        let mut connection = self.pool.get()?;
        let transaction = connection.transaction()?;
        let deleted = transaction
            .prepare(&format!("DELETE FROM notes WHERE {MATCHES} RETURNING {COLUMNS}"))?
            .query_map([text], note)?
            .collect::<Result<Vec<_>, _>>()?;
        transaction.commit()?;
        for note in &deleted {
            self.announce(note.id);
        }
        Ok(deleted)
    }

    /// Returns a receiver of the numbers of the notes that are added or deleted from now on.
    pub fn changes(&self) -> broadcast::Receiver<u32> {
        self.changes.subscribe()
    }

    fn announce(&self, id: u32) {
        // This fails only if no client is subscribed.
        let _ = self.changes.send(id);
    }

    /// Writes the log of the database into its file, so that a copy of the file has all notes.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub fn close(&self) -> Result<(), NoteError> {
        Ok(self.pool.get()?.query_row("PRAGMA wal_checkpoint(truncate)", [], |_| Ok(()))?)
    }
}

/// Compares without regard to the case of ASCII letters. `instr` has no wildcards, unlike `LIKE`.
const MATCHES: &str = "instr(lower(title || char(10) || text), lower(?1)) > 0";
const COLUMNS: &str = "id, title, text, created";

impl Reader {
    /// Opens up to `connections` connections that can only read.
    ///
    /// # Errors
    ///
    /// The file cannot be opened.
    pub fn open(file: &Path, connections: u32) -> Result<Self, NoteError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let manager = SqliteConnectionManager::file(file).with_flags(flags).with_init(|connection| {
            connection.busy_timeout(BUSY_TIMEOUT)?;
            // In WAL mode, the first read opens the files `-wal` and `-shm`, the latter for writing. The threads of the
            // pool may, and those of a `read_only` tool may not.
            connection.query_row("SELECT count(*) FROM notes", [], |_| Ok(()))
        });
        Ok(Self(pool(manager, connections)?))
    }

    fn connection(&self) -> Result<PooledConnection<SqliteConnectionManager>, NoteError> {
        Ok(self.0.get()?)
    }

    /// Returns the newest notes, newest first.
    ///
    /// # Errors
    ///
    /// The database failed, as for all methods of this type.
    pub fn newest(&self, limit: u32) -> Result<Vec<Note>, NoteError> {
        self.select("TRUE ORDER BY id DESC LIMIT ?1", params![limit])
    }

    /// Returns the notes whose title or text contains `text`, newest first.
    ///
    /// # Errors
    ///
    /// See [`Reader::newest`].
    pub fn matching(&self, text: &str, limit: u32) -> Result<Vec<Note>, NoteError> {
        self.select(&format!("{MATCHES} ORDER BY id DESC LIMIT ?2"), params![text, limit])
    }

    /// Returns the notes of a day in UTC, oldest first.
    ///
    /// # Errors
    ///
    /// See [`Reader::newest`].
    pub fn of_day(&self, day: Date) -> Result<Vec<Note>, NoteError> {
        self.select("substr(created, 1, 10) = ?1 ORDER BY id", params![day.to_string()])
    }

    /// Returns a note, if it exists.
    ///
    /// # Errors
    ///
    /// See [`Reader::newest`].
    pub fn get(&self, id: u32) -> Result<Option<Note>, NoteError> {
        let connection = self.connection()?;
        let mut statement =
            connection.prepare_cached(&format!("SELECT {COLUMNS} FROM notes WHERE id = ?1"))?;
        Ok(statement.query_row([id], note).optional()?)
    }

    fn select(&self, rest: &str, values: impl rusqlite::Params) -> Result<Vec<Note>, NoteError> {
        let connection = self.connection()?;
        let mut statement =
            connection.prepare_cached(&format!("SELECT {COLUMNS} FROM notes WHERE {rest}"))?;
        Ok(statement.query_map(values, note)?.collect::<Result<_, _>>()?)
    }
}

/// Opens a pool. Its threads open the connections, now and whenever one is replaced.
fn pool(
    manager: SqliteConnectionManager,
    connections: u32,
) -> Result<Pool<SqliteConnectionManager>, r2d2::Error> {
    Pool::builder().max_size(connections).connection_timeout(BUSY_TIMEOUT).build(manager)
}

fn note(row: &Row<'_>) -> rusqlite::Result<Note> {
    let created: String = row.get(3)?;
    let created = created.parse().map_err(|error: jiff::Error| {
        rusqlite::Error::FromSqlConversionFailure(3, rusqlite::types::Type::Text, error.into())
    })?;
    Ok(Note { id: row.get(0)?, title: row.get(1)?, text: row.get(2)?, created })
}

/// Returns the current day in UTC.
pub fn today() -> Date {
    Timestamp::now().to_zoned(TimeZone::UTC).date()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reader_cannot_write() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("notes.db");
        let _writer = Writer::open(&file).unwrap();
        let reader = Reader::open(&file, 1).unwrap();
        let error = reader.connection().unwrap().execute("DELETE FROM notes", []).unwrap_err();
        assert_eq!(error.to_string(), "attempt to write a readonly database");
    }
}
