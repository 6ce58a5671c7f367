//! The file of the keys after a `kill -9`: the next start walks it if it was written to, takes the newest results from the journals
//! beside it, and every stored result is there.

use std::{cell::Cell, fs, path::Path, rc::Rc};

use candor_tests::orders_site::{OrdersSite, is_replayed, keyed_call, numbered_key, order_under};
use redb::{Builder, Database, ReadableDatabase as _, ReadableTableMetadata as _, TableHandle as _};
use serde_json::json;

const ORDERS: &str = env!("CARGO_BIN_EXE_orders");
const CALLS: usize = 100;

/// A copy of the keys' file, opened as the store opens it.
struct Copy {
    database: Database,
    /// Whether the database walked the file, as it does if it was not closed.
    is_walked: bool,
    _folder: tempfile::TempDir,
}

impl Copy {
    fn of(file: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("keys.redb");
        fs::copy(file, &copy).unwrap();
        let is_walked = Rc::new(Cell::new(false));
        let walked = Rc::clone(&is_walked);
        let mut builder = Builder::new();
        builder.set_repair_callback(move |_| walked.set(true));
        let database = builder.open(&copy).unwrap();
        Self { database, is_walked: is_walked.get(), _folder: folder }
    }

    /// The number of rows of the largest table, which is that of the keys.
    fn rows(&self) -> u64 {
        let read = self.database.begin_read().unwrap();
        let tables = read.list_tables().unwrap();
        let rows = tables.map(|table| {
            let name = table.name().to_owned();
            read.open_untyped_table(table).unwrap_or_else(|error| panic!("{name}: {error}")).len().unwrap()
        });
        rows.max().unwrap_or_default()
    }
}

/// Checks that each call has its result after a restart, and that the store is closed in order then.
async fn assert_every_result_is_there(site: &OrdersSite, rows: u64) {
    let mut server = site.start().await;
    for call in 0..CALLS {
        let again = order_under(&mut server, &numbered_key(call)).await;
        assert!(is_replayed(&again), "{call}: {again}");
    }
    let ordered = site.effects().into_iter().filter(|effect| effect != "at length");
    assert_eq!(ordered.count(), CALLS, "nothing ran again");
    assert_eq!(server.close().await.status.code(), Some(0));

    let closed = Copy::of(&site.keys());
    assert!(!closed.is_walked, "a file that was closed is not");
    assert_eq!(closed.rows(), rows);
    assert!(site.journals().is_empty(), "{:?}", site.journals());
}

#[tokio::test]
async fn store_of_a_killed_server_is_walked_and_has_every_result() {
    let folder = tempfile::tempdir().unwrap();
    let site = OrdersSite::new(ORDERS, folder.path());
    let mut server = site.start().await;
    for call in 0..CALLS {
        let answer = order_under(&mut server, &numbered_key(call)).await;
        assert!(!is_replayed(&answer), "{answer}");
    }
    // Large results fill the first journal, so that its keys move to the file.
    let [first] = &site.journals()[..] else { panic!("{:?}", site.journals()) };
    let mut large = 0;
    while first.exists() {
        let key = format!("large-{large:012}");
        let arguments = json!({"bytes": 200_000});
        let answer = server.client.exchange(keyed_call(&json!(1), &key, "order_at_length", arguments)).await;
        assert!(answer["result"]["isError"] != true && large < 1_000, "{answer}");
        large += 1;
    }
    server.process.signal("KILL");
    server.close().await;

    let mut killed = Copy::of(&site.keys());
    assert!(killed.is_walked, "a file that was not closed is walked");
    assert!(killed.rows() >= CALLS as u64, "the first keys have moved");
    assert!(killed.database.check_integrity().unwrap(), "nothing is left to repair");
    assert_every_result_is_there(&site, CALLS as u64 + large).await;
}

#[tokio::test]
async fn store_of_a_server_that_only_wrote_its_journal_has_every_result() {
    let folder = tempfile::tempdir().unwrap();
    let site = OrdersSite::new(ORDERS, folder.path());
    site.order_and_kill(CALLS).await;

    let mut killed = Copy::of(&site.keys());
    assert!(!killed.is_walked, "nothing was written to it");
    assert!(killed.rows() < CALLS as u64, "the keys are in the journal");
    assert_eq!(site.journals().len(), 1);
    assert!(killed.database.check_integrity().unwrap(), "nothing is left to repair");
    assert_every_result_is_there(&site, CALLS as u64).await;
}
