//! Tests what replicas share, in the database that `CANDOR_TEST_POSTGRES` names.

use std::{sync::Arc, thread, time::Duration};

use super::{Database, DatabaseAddress, RateCell, migrate};

/// A deployment that no other test has.
pub(crate) struct TestDeployment {
    address: DatabaseAddress,
    name: String,
}

pub(crate) fn new_deployment() -> TestDeployment {
    let url = std::env::var("CANDOR_TEST_POSTGRES").expect("CANDOR_TEST_POSTGRES names a database");
    let address = DatabaseAddress::read(&url).unwrap();
    let name = format!("test {:x}", fastrand::u64(..));
    // On a thread of its own: the caller's may drive other futures.
    thread::scope(|scope| {
        let migrated = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(migrate(&address, &name, None)).unwrap();
        };
        scope.spawn(migrated).join().unwrap();
    });
    TestDeployment { address, name }
}

impl TestDeployment {
    /// Connects as one more replica.
    pub(crate) fn open(&self) -> Arc<Database> {
        Database::open(self.address.clone(), &self.name).unwrap()
    }
}

/// Ends all connections of a deployment.
pub(crate) async fn end_connections(database: &Arc<Database>) {
    const END: &str = "\
        SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity \
        WHERE pid <> pg_catalog.pg_backend_pid() AND application_name = current_setting('application_name')";
    let ended = database
        .statement(|connection| Box::pin(async move { connection.client.query(END, &[]).await.map(drop) }));
    ended.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a database: set CANDOR_TEST_POSTGRES to its address"]
async fn nonce_is_used_once_over_replicas() {
    let deployment = new_deployment();
    let replicas = [deployment.open(), deployment.open(), deployment.open()];
    let expiry = replicas[0].since_1970() + Duration::from_secs(600);
    for nonce in 0..20_u8 {
        let uses = replicas.iter().map(|replica| replica.use_once(vec![nonce; 24], expiry));
        let used = futures::future::try_join_all(uses).await.unwrap();
        assert_eq!(used.iter().filter(|is_first| **is_first).count(), 1, "{used:?}");
    }
    assert!(
        new_deployment().open().use_once(vec![0; 24], expiry).await.unwrap(),
        "deployments share nothing"
    );
    let past = replicas[0].since_1970().checked_sub(Duration::from_secs(601)).unwrap();
    assert!(!replicas[0].use_once(vec![99; 24], past).await.unwrap(), "its row may have been forgotten");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a database: set CANDOR_TEST_POSTGRES to its address"]
async fn rate_is_exact_over_replicas() {
    let deployment = new_deployment();
    let replicas = [deployment.open(), deployment.open(), deployment.open()];
    // Sixty an hour and sixty-five an hour: none comes back while the test runs.
    let cell = |id: u8, calls: u64| {
        let pace = 3_600_000_000_000 / calls;
        RateCell { id: [id; 32], pace, tolerance: pace * (calls - 1) }
    };
    let calls = (0..150).map(|call: usize| replicas[call % 3].take_rates(vec![cell(1, 60), cell(2, 65)]));
    let waits = futures::future::try_join_all(calls).await.unwrap();
    let taken = waits.iter().filter(|waits| waits.iter().all(Duration::is_zero)).count();
    assert_eq!(taken, 60);
    let wait = waits.iter().flatten().max().unwrap();
    assert!((Duration::from_secs(1)..=Duration::from_secs(60)).contains(wait), "{wait:?}");
    // Refused calls have taken nothing from the other rate.
    let left = (0..10).map(|_| replicas[0].take_rates(vec![cell(2, 65)]));
    let waits = futures::future::try_join_all(left).await.unwrap();
    assert_eq!(waits.iter().filter(|waits| waits[0].is_zero()).count(), 5);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a database: set CANDOR_TEST_POSTGRES to its address"]
async fn statement_survives_the_end_of_its_connection() {
    let deployment = new_deployment();
    let (replica, other) = (deployment.open(), deployment.open());
    for _ in 0..5 {
        end_connections(&other).await;
        replica.check().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a database: set CANDOR_TEST_POSTGRES to its address"]
async fn replicas_have_one_state_key() {
    let deployment = new_deployment();
    let (first, second) = (deployment.open(), deployment.open());
    first.agree_on_state_key(1 << 100).unwrap();
    second.agree_on_state_key(1 << 100).unwrap();
    let error = second.agree_on_state_key(2).unwrap_err().to_string();
    assert!(error.contains("another state key"), "{error}");
    new_deployment().open().agree_on_state_key(2).unwrap();
}
