//! The journal of the keys after a `kill -9`: only its end may be missing. Any other damage refuses keys.

use std::{fs, path::Path};

use candor_tests::{
    orders_site::{OrdersSite, is_replayed, numbered_key, order_under, reason},
    stdio_server::StdioServer,
};

const ORDERS: &str = env!("CARGO_BIN_EXE_orders");
const CALLS: usize = 5;

async fn close(server: StdioServer) {
    assert_eq!(server.close().await.status.code(), Some(0));
}

/// Orders some things, and kills the server.
async fn killed_site(folder: &Path) -> OrdersSite {
    let site = OrdersSite::new(ORDERS, folder);
    site.order_and_kill(CALLS).await;
    site
}

#[tokio::test]
async fn incomplete_end_of_a_journal_makes_its_call_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let site = killed_site(folder.path()).await;
    let [journal] = &site.journals()[..] else { panic!("{:?}", site.journals()) };
    let whole = fs::read(journal).unwrap();
    fs::write(journal, &whole[..whole.len() - 1]).unwrap();

    let mut server = site.start().await;
    for call in 0..CALLS - 1 {
        assert!(is_replayed(&order_under(&mut server, &numbered_key(call)).await), "{call}");
    }
    let last = order_under(&mut server, &numbered_key(CALLS - 1)).await;
    assert_eq!(reason(&last), Some("idempotency_outcome_unknown"), "{last}");
    assert_eq!(site.effects().len(), CALLS);
    close(server).await;
}

#[tokio::test]
async fn damaged_journal_refuses_keys_and_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let site = killed_site(folder.path()).await;
    let [journal] = &site.journals()[..] else { panic!("{:?}", site.journals()) };
    let whole = fs::read(journal).unwrap();
    let refused = |path: &Path, bytes: &[u8], why: &str| {
        fs::remove_file(journal).unwrap();
        fs::write(path, bytes).unwrap();
        let output = site.run();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(stderr.contains("calls with an idempotency key are refused"), "{why}: {stderr}");
        assert!(stderr.contains(why) && stderr.contains("left as it is"), "{why}: {stderr}");
        assert_eq!(fs::read(path).unwrap(), bytes, "{why}");
        fs::rename(path, journal).unwrap();
    };
    for at in [0, 40, 200, whole.len() / 2] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        refused(journal, &bytes, "it is damaged");
    }
    refused(&journal.with_file_name("keys.journal-3"), &whole, "keys.journal-1` is missing");
    let other = tempfile::tempdir().unwrap();
    let [foreign] = &killed_site(other.path()).await.journals()[..] else { panic!("it has one") };
    refused(journal, &fs::read(foreign).unwrap(), "belongs to another key store");

    fs::write(journal, &whole).unwrap();
    let mut server = site.start().await;
    for call in 0..CALLS {
        assert!(is_replayed(&order_under(&mut server, &numbered_key(call)).await), "{call}");
    }
    close(server).await;
    assert!(site.journals().is_empty());
    assert_eq!(site.effects().len(), CALLS);
}
