//! Moves the rows of journals into the database at the start, after a process that did not end in order.

use std::{fs, io, path::Path};

use ::redb::Database;

use super::{
    file_fault::{damaged, failure, unreadable},
    journal::{JournalContent, JournalFault, JournalId, JournalRows},
    journal_file,
    layer::Layer,
    layers::{LayeredTables, Layers},
    meta::{JOURNAL_ROW, LAST_TIME_ROW, StoreMeta},
    stored_rows::StoredRows,
    tables::{RedbTables, RowError},
};
use crate::{
    file_system,
    message::Message,
    store::{KeyStoreFault, transition},
};

/// Writes the rows of all journals in `folder` to the database, and removes the journals. Returns the values of the store
/// after that. Nothing is changed if a journal cannot be read.
pub(super) fn replay(
    folder: &Path,
    database: &Database,
    meta: StoreMeta,
) -> Result<StoreMeta, KeyStoreFault> {
    let numbers = journal_file::numbers(folder)
        .map_err(|error| failure(&format!("`{}` cannot be read", folder.display()), &error))?;
    let (stored, new): (Vec<u64>, Vec<u64>) = numbers.into_iter().partition(|number| *number <= meta.journal);
    let mut replayed = meta;
    let mut rows = JournalRows::new();
    for number in &new {
        let path = journal_file::path(folder, *number);
        if *number != replayed.journal + 1 {
            let missing = journal_file::path(folder, replayed.journal + 1);
            return Err(unreadable(&path, &format!("`{}` is missing", missing.display())));
        }
        let id = JournalId { store: meta.store, number: *number };
        let JournalContent { rows: newer, last_time, is_torn } = read(&path, id)?;
        if is_torn && Some(number) != new.last() {
            return Err(unreadable(&path, "it is damaged"));
        }
        rows.extend(newer);
        replayed.last_time = replayed.last_time.max(last_time);
        replayed.journal = *number;
    }
    if replayed != meta {
        write(database, rows, &replayed).map_err(|error| match error {
            RowError::Database(::redb::Error::Io(error)) => {
                failure("the journals of the key store cannot be moved to its file", &error)
            }
            error => damaged(folder, &error.to_string()),
        })?;
    }
    for number in stored.iter().chain(&new) {
        let path = journal_file::path(folder, *number);
        // One that stays would be taken for the next journal of its number.
        fs::remove_file(&path)
            .map_err(|error| failure(&format!("`{}` cannot be removed", path.display()), &error))?;
    }
    Ok(replayed)
}

fn read(path: &Path, id: JournalId) -> Result<JournalContent, KeyStoreFault> {
    let bytes =
        read_file(path).map_err(|error| failure(&format!("`{}` cannot be read", path.display()), &error))?;
    id.read(&bytes).map_err(|fault| match fault {
        JournalFault::Damaged => unreadable(path, "it is damaged"),
        JournalFault::Foreign => KeyStoreFault::Unfit(
            Message::new(format!("the journal `{}` belongs to another key store", path.display()))
                .note("it is left as it is: without its keys, calls that were done could run a second time")
                .help("move it back beside the `keys.redb` that it was written with, or away to begin without its keys"),
        ),
    })
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    use io::Read as _;

    let mut bytes = Vec::new();
    file_system::open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Writes rows as one transaction, with everything that follows from them.
fn write(database: &Database, rows: JournalRows, meta: &StoreMeta) -> Result<(), RowError> {
    let layer = changes(database, rows)?;
    let transaction = database.begin_write()?;
    let mut tables = RedbTables::open(&transaction)?;
    tables.write(&layer)?;
    tables.set_meta(LAST_TIME_ROW, meta.last_time)?;
    tables.set_meta(JOURNAL_ROW, meta.journal)?;
    drop(tables);
    transaction.commit()?;
    Ok(())
}

/// Counts rows, and adds the times at which they are pruned.
fn changes(database: &Database, rows: JournalRows) -> Result<Layer, RowError> {
    let layers = Layers::over(StoredRows::of(database, 0)?);
    let mut tables = LayeredTables::over(&layers);
    for (key, record) in rows {
        transition::restore(&mut tables, &key, record)?;
    }
    Ok(tables.into_changes())
}

#[cfg(test)]
mod tests {
    use crate::{
        clock::Clock,
        store::{
            AttemptId, IdempotencyStore as _, KeyState, Reserved, StoreLimits, StoredResult,
            conformance::{attempt, key},
            redb::{RedbStore, replay::*},
        },
    };

    #[tokio::test]
    async fn journal_whose_rows_are_in_the_database_is_not_replayed() {
        let folder = tempfile::tempdir().unwrap();
        let open = || RedbStore::open(folder.path(), StoreLimits::default(), Clock::manual()).unwrap();
        let (store, own) = (open(), key(1, 1));
        store.reserve(own, attempt(1, false)).await.unwrap();
        let path = journal_file::path(folder.path(), 1);
        let early = fs::read(&path).unwrap();
        assert!(store.complete(own, AttemptId(1), StoredResult::Kept("done".into())).await.unwrap());
        drop(store);
        assert!(!path.exists(), "its rows were moved");
        // A removal that did not reach the disk.
        fs::write(&path, early).unwrap();
        let store = open();
        assert!(matches!(store.get(own).await.unwrap(), KeyState::Completed(..)));
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn rows_of_a_journal_are_counted_once() {
        let folder = tempfile::tempdir().unwrap();
        let limits = StoreLimits { keys_per_caller: 2, ..StoreLimits::default() };
        let open = || RedbStore::open(folder.path(), limits, Clock::manual()).unwrap();
        let store = open();
        for name in [1, 2] {
            assert_eq!(store.reserve(key(1, name), attempt(1, false)).await, Ok(Reserved::Yes));
        }
        drop(store);
        let store = open();
        assert!(store.complete(key(1, 1), AttemptId(1), StoredResult::Kept("done".into())).await.unwrap());
        assert!(store.release(key(1, 2), AttemptId(1)).await.unwrap());
        store.kill();
        drop(store);
        let store = open();
        assert_eq!(store.reserve(key(1, 3), attempt(2, false)).await, Ok(Reserved::Yes));
        assert_eq!(store.reserve(key(1, 4), attempt(2, false)).await, Ok(Reserved::TooManyKeys));
    }
}
