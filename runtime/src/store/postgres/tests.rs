//! Tests the store with several replicas, and with connections that end.

use std::sync::Arc;

use super::*;
use crate::{
    database::tests::{end_connections, new_deployment},
    store::{
        IdempotencyStore as _, KeyState,
        conformance::{attempt, conform, key},
        model::behaves_as_the_model,
    },
};

/// A store of a new deployment.
fn new_store(limits: StoreLimits, clock: Clock) -> Arc<dyn IdempotencyStore> {
    Arc::new(PostgresStore::new(new_deployment().open(), limits, clock))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a database: set CANDOR_TEST_POSTGRES to its address"]
async fn postgres_store_conforms() {
    conform(new_store).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a database: set CANDOR_TEST_POSTGRES to its address"]
async fn postgres_store_behaves_as_the_model() {
    for seed in 0..10 {
        // The database outlives a replica, and does not know which attempts were those of a dead one.
        let clock = Clock::manual();
        behaves_as_the_model(new_store(StoreLimits::default(), clock.clone()), clock, seed, 120).await;
    }
}

fn store(database: Arc<Database>) -> PostgresStore {
    PostgresStore::new(database, StoreLimits::default(), Clock::default())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a database: set CANDOR_TEST_POSTGRES to its address"]
async fn replicas_reserve_a_key_once() {
    let deployment = new_deployment();
    let replicas: Vec<_> = (0..3).map(|_| store(deployment.open())).collect();
    for name in 0..50_u8 {
        let tries = replicas.iter().zip(1..).map(|(store, id)| {
            store.reserve(key(name % 5, name), attempt(u128::from(name) << 8 | id, false))
        });
        let reserved = futures::future::try_join_all(tries).await.unwrap();
        assert_eq!(reserved.iter().filter(|reserved| **reserved == Reserved::Yes).count(), 1, "{reserved:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a database: set CANDOR_TEST_POSTGRES to its address"]
async fn attempt_finds_its_own_reservation() {
    let store = store(new_deployment().open());
    // As after a connection that ended before the answer.
    for _ in 0..2 {
        assert_eq!(store.reserve(key(1, 1), attempt(1, false)).await, Ok(Reserved::Yes));
    }
    assert!(matches!(store.reserve(key(1, 1), attempt(2, false)).await, Ok(Reserved::Taken(_))));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a database: set CANDOR_TEST_POSTGRES to its address"]
async fn changes_survive_the_end_of_connections() {
    let deployment = new_deployment();
    let (store, other) = (store(deployment.open()), deployment.open());
    for round in 0..10_u8 {
        let changes = (0..20_u8).map(async |name| {
            let id = round * 20 + name;
            let (key, id) = (key(name, id), u128::from(id));
            assert_eq!(store.reserve(key, attempt(id, false)).await, Ok(Reserved::Yes), "{name}");
            let result = StoredResult::Kept("done".into());
            store.complete(key, AttemptId(id), result).await.unwrap();
            assert!(matches!(store.get(key).await, Ok(KeyState::Completed(..))), "{name}");
        });
        futures::join!(futures::future::join_all(changes), end_connections(&other));
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a database: set CANDOR_TEST_POSTGRES to its address"]
async fn result_of_ten_megabytes_is_kept() {
    let store = store(new_deployment().open());
    let text = "x".repeat(10 << 20);
    assert_eq!(store.reserve(key(1, 1), attempt(1, false)).await, Ok(Reserved::Yes));
    let result = StoredResult::Kept(text.into());
    assert_eq!(store.complete(key(1, 1), AttemptId(1), result.clone()).await, Ok(true));
    let KeyState::Completed(_, kept) = store.get(key(1, 1)).await.unwrap() else { panic!("it is completed") };
    assert!(kept == result);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a database: set CANDOR_TEST_POSTGRES to its address"]
async fn closed_store_has_made_all_changes_and_takes_no_more() {
    let deployment = new_deployment();
    let (closed, open) = (Arc::new(store(deployment.open())), store(deployment.open()));
    let reserving = Arc::clone(&closed);
    let reserved = tokio::spawn(async move { reserving.reserve(key(1, 1), attempt(1, false)).await });
    assert_eq!(reserved.await.unwrap(), Ok(Reserved::Yes));
    let close = || {
        closed.close();
        closed
    };
    let closed = tokio::task::spawn_blocking(close).await.unwrap();
    closed.reserve(key(1, 2), attempt(2, false)).await.unwrap_err();
    assert!(matches!(open.get(key(1, 1)).await, Ok(KeyState::InProgress(_))));
}
