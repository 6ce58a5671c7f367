//! The file of the keys after a `kill -9`: it is whole, and the next start takes the results from the journal beside it.

use std::{fs, path::Path};

use candor_tests::orders_site::{OrdersSite, is_replayed, numbered_key, order_under};
use redb::{Database, ReadableDatabase as _, ReadableTableMetadata as _, TableHandle as _};

const ORDERS: &str = env!("CARGO_BIN_EXE_orders");
const CALLS: usize = 100;

/// A copy of the keys' file, opened as the store opens it.
struct Copy {
    database: Database,
    _folder: tempfile::TempDir,
}

impl Copy {
    fn of(file: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("keys.redb");
        fs::copy(file, &copy).unwrap();
        Self { database: Database::open(&copy).unwrap(), _folder: folder }
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

#[tokio::test]
async fn store_of_a_killed_server_has_every_result() {
    let folder = tempfile::tempdir().unwrap();
    let site = OrdersSite::new(ORDERS, folder.path());
    site.order_and_kill(CALLS).await;

    let mut killed = Copy::of(&site.keys());
    assert!(killed.rows() < CALLS as u64, "the keys are in the journal");
    assert_eq!(site.journals().len(), 1);
    assert!(killed.database.check_integrity().unwrap(), "nothing is left to repair");

    let mut server = site.start().await;
    for call in 0..CALLS {
        let again = order_under(&mut server, &numbered_key(call)).await;
        assert!(is_replayed(&again), "{call}: {again}");
    }
    assert_eq!(site.effects().len(), CALLS, "nothing ran again");
    assert_eq!(server.close().await.status.code(), Some(0));

    let closed = Copy::of(&site.keys());
    assert_eq!(closed.rows(), CALLS as u64);
    assert!(site.journals().is_empty(), "{:?}", site.journals());
}
