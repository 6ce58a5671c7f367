//! Tests that every store must pass.

use std::{sync::Arc, time::Duration};

use super::{
    Attempt, AttemptId, IdempotencyStore, KEY_RETENTION, KeyState, Reserved, ScopedKey, StoreLimits,
    StoredResult, TOMBSTONE_RETENTION, memory::MemoryStore,
};
use crate::clock::Clock;

const LEASE: Duration = Duration::from_secs(60);
const ONE_MS: Duration = Duration::from_millis(1);

/// A time that is a moment shorter.
fn just_before(time: Duration) -> Duration {
    time.saturating_sub(ONE_MS)
}

pub(super) fn key(caller: u8, key: u8) -> ScopedKey {
    ScopedKey { caller: [caller; 32], key: [key; 32] }
}

pub(super) fn attempt(id: u128, repeatable: bool) -> Attempt {
    let (fingerprint, declaration) = ([9; 32], [8; 32]);
    Attempt { id: AttemptId(id), fingerprint, declaration, lease: LEASE, repeatable, task: None }
}

fn kept(text: &str) -> StoredResult {
    StoredResult::Kept(text.into())
}

/// A store under test, with its clock.
struct Case {
    store: Arc<dyn IdempotencyStore>,
    clock: Clock,
}

impl Case {
    async fn reserve(&self, key: ScopedKey, attempt: Attempt) -> Reserved {
        self.store.reserve(key, attempt).await.unwrap()
    }

    async fn complete(&self, key: ScopedKey, id: u128, result: &str) -> bool {
        self.store.complete(key, AttemptId(id), kept(result)).await.unwrap()
    }

    async fn state(&self, key: ScopedKey) -> KeyState {
        self.store.get(key).await.unwrap()
    }

    async fn completed(&self, key: ScopedKey) -> Option<StoredResult> {
        match self.state(key).await {
            KeyState::Completed(_, result) => Some(result),
            _ => None,
        }
    }
}

/// Runs every test on stores that `open` makes.
pub(super) async fn conform(open: impl Fn(StoreLimits, Clock) -> Arc<dyn IdempotencyStore>) {
    let case = |limits: StoreLimits| {
        let clock = Clock::manual();
        Case { store: open(limits, clock.clone()), clock }
    };
    let limits = StoreLimits::default();
    one_attempt_holds_a_key(case(limits)).await;
    task_that_may_repeat_takes_its_own_key_over(case(limits)).await;
    completed_key_expires_and_is_forgotten(case(limits)).await;
    dead_attempt_of_a_repeatable_call_frees_its_key(case(limits)).await;
    dead_attempt_of_another_call_is_unknown(case(limits)).await;
    clock_that_is_set_back_frees_nothing(case(limits)).await;
    racing_attempts_reserve_once(case(limits)).await;
    keys_are_limited(case(StoreLimits { keys_per_caller: 2, keys: 3, ..limits })).await;
    results_are_limited(case(StoreLimits { bytes_per_caller: 4, bytes: 6, ..limits })).await;
}

async fn one_attempt_holds_a_key(case: Case) {
    let (own, other) = (key(1, 1), key(1, 2));
    assert_eq!(case.state(own).await, KeyState::Absent);
    assert!(!case.complete(own, 1, "x").await, "nothing is reserved");
    let mut first = attempt(1, false);
    first.task = Some("task".to_owned());
    assert_eq!(case.reserve(own, first).await, Reserved::Yes);
    case.clock.advance(ONE_MS);
    let KeyState::InProgress(held) = case.state(own).await else { panic!("it is in progress") };
    assert_eq!((held.id, held.fingerprint, held.lease_left), (AttemptId(1), [9; 32], just_before(LEASE)));
    assert_eq!(held.declaration, Some([8; 32]));
    assert_eq!(held.task.as_deref(), Some("task"));
    assert_eq!(case.reserve(own, attempt(2, false)).await, Reserved::Taken(KeyState::InProgress(held)));
    assert_eq!(case.state(other).await, KeyState::Absent);
    // Another attempt neither completes nor releases it.
    assert!(!case.complete(own, 2, "two").await);
    assert!(!case.store.release(own, AttemptId(2)).await.unwrap());
    assert!(case.store.release(own, AttemptId(1)).await.unwrap());
    assert_eq!(case.state(own).await, KeyState::Absent);
    assert_eq!(case.reserve(own, attempt(3, false)).await, Reserved::Yes);
    assert!(case.complete(own, 3, "three").await);
    let KeyState::Completed(past, result) = case.state(own).await else { panic!("it is completed") };
    assert_eq!((past.id, past.declaration, result), (AttemptId(3), Some([8; 32]), kept("three")));
    // The end is final.
    assert!(!case.complete(own, 3, "again").await);
    assert!(!case.store.release(own, AttemptId(3)).await.unwrap());
    assert!(matches!(case.reserve(own, attempt(4, false)).await, Reserved::Taken(KeyState::Completed(..))));
    assert_eq!(case.completed(own).await, Some(kept("three")));
    case.store.check().await.unwrap();
}

async fn task_that_may_repeat_takes_its_own_key_over(case: Case) {
    let of_task = |id, repeatable, task: &str| {
        let task = Some(task.to_owned());
        Attempt { task, ..attempt(id, repeatable) }
    };
    let (own, once) = (key(1, 1), key(1, 2));
    assert_eq!(case.reserve(own, of_task(1, true, "a")).await, Reserved::Yes);
    assert!(matches!(case.reserve(own, of_task(2, true, "b")).await, Reserved::Taken(_)), "another task");
    let other_call = Attempt { fingerprint: [7; 32], ..of_task(3, true, "a") };
    assert!(matches!(case.reserve(own, other_call).await, Reserved::Taken(_)), "another call");
    assert_eq!(case.reserve(own, of_task(4, true, "a")).await, Reserved::Yes);
    assert!(!case.complete(own, 1, "late").await, "the dead replica writes nothing");
    assert!(case.complete(own, 4, "again").await);
    assert!(matches!(case.reserve(own, of_task(5, true, "a")).await, Reserved::Taken(_)), "it is completed");
    assert_eq!(case.reserve(once, of_task(6, false, "c")).await, Reserved::Yes);
    assert!(matches!(case.reserve(once, of_task(7, false, "c")).await, Reserved::Taken(_)), "it runs once");
}

async fn completed_key_expires_and_is_forgotten(case: Case) {
    let own = key(1, 1);
    assert_eq!(case.reserve(own, attempt(1, true)).await, Reserved::Yes);
    assert!(case.complete(own, 1, "done").await);
    case.clock.advance(just_before(KEY_RETENTION));
    case.store.prune(100).await.unwrap();
    assert_eq!(case.completed(own).await, Some(kept("done")));
    case.clock.advance(ONE_MS);
    // Time decides, and pruning changes no state.
    for _ in 0..2 {
        assert_eq!(case.state(own).await, KeyState::Expired);
        assert_eq!(case.reserve(own, attempt(2, true)).await, Reserved::Taken(KeyState::Expired));
        case.store.prune(100).await.unwrap();
    }
    case.clock.advance(just_before(TOMBSTONE_RETENTION));
    assert_eq!(case.state(own).await, KeyState::Expired);
    case.clock.advance(ONE_MS);
    assert_eq!(case.state(own).await, KeyState::Absent);
    assert_eq!(case.reserve(own, attempt(3, true)).await, Reserved::Yes);
}

async fn dead_attempt_of_a_repeatable_call_frees_its_key(case: Case) {
    let own = key(1, 1);
    assert_eq!(case.reserve(own, attempt(1, true)).await, Reserved::Yes);
    case.clock.advance(just_before(LEASE));
    assert!(matches!(case.state(own).await, KeyState::InProgress(_)));
    case.clock.advance(ONE_MS);
    assert_eq!(case.state(own).await, KeyState::Absent);
    assert_eq!(case.reserve(own, attempt(2, true)).await, Reserved::Yes);
    assert!(!case.complete(own, 1, "late").await, "the late finisher writes nothing");
    assert!(case.complete(own, 2, "second").await);
    assert_eq!(case.completed(own).await, Some(kept("second")));
}

async fn dead_attempt_of_another_call_is_unknown(case: Case) {
    let (dead, late) = (key(1, 1), key(1, 2));
    assert_eq!(case.reserve(dead, attempt(1, false)).await, Reserved::Yes);
    assert_eq!(case.reserve(late, attempt(2, false)).await, Reserved::Yes);
    case.clock.advance(LEASE);
    let KeyState::Unknown(past) = case.state(dead).await else { panic!("it is unknown") };
    assert_eq!((past.id, past.lease_left), (AttemptId(1), Duration::ZERO));
    assert!(matches!(case.reserve(dead, attempt(3, false)).await, Reserved::Taken(KeyState::Unknown(_))));
    assert!(!case.complete(dead, 3, "x").await);
    // The attempt was not dead after all: what it did is known now.
    assert!(case.complete(late, 2, "late").await);
    assert_eq!(case.completed(late).await, Some(kept("late")));
    case.clock.advance(just_before(KEY_RETENTION + TOMBSTONE_RETENTION));
    case.store.prune(100).await.unwrap();
    assert!(matches!(case.state(dead).await, KeyState::Unknown(_)));
    case.clock.advance(ONE_MS);
    assert_eq!(case.state(dead).await, KeyState::Absent);
}

async fn clock_that_is_set_back_frees_nothing(case: Case) {
    let (done, dead) = (key(1, 1), key(1, 2));
    assert_eq!(case.reserve(dead, attempt(1, false)).await, Reserved::Yes);
    assert_eq!(case.reserve(done, attempt(2, false)).await, Reserved::Yes);
    case.clock.set_back(Duration::from_secs(3600));
    case.clock.advance(just_before(LEASE));
    assert!(matches!(case.state(dead).await, KeyState::InProgress(_)), "a lease is elapsed time");
    assert!(case.complete(done, 2, "done").await);
    case.clock.advance(ONE_MS);
    assert!(matches!(case.state(dead).await, KeyState::Unknown(_)));
    case.clock.set_back(Duration::from_secs(365 * 24 * 3600));
    assert_eq!(case.completed(done).await, Some(kept("done")));
    assert!(matches!(case.state(dead).await, KeyState::Unknown(_)));
}

async fn racing_attempts_reserve_once(case: Case) {
    let tries = (0..100).map(|id| case.reserve(key(1, 1), attempt(id, false)));
    let reserved = futures::future::join_all(tries).await;
    assert_eq!(reserved.iter().filter(|reserved| **reserved == Reserved::Yes).count(), 1);
}

async fn keys_are_limited(case: Case) {
    for (of, outcome) in [
        (key(1, 1), Reserved::Yes),
        (key(1, 2), Reserved::Yes),
        (key(1, 3), Reserved::TooManyKeys),
        (key(2, 4), Reserved::Yes),
        (key(2, 5), Reserved::Full),
    ] {
        assert_eq!(case.reserve(of, attempt(1, false)).await, outcome, "{of:?}");
    }
    // A key that is released counts no longer, and neither does one whose result is no longer kept.
    assert!(case.store.release(key(1, 1), AttemptId(1)).await.unwrap());
    assert_eq!(case.reserve(key(1, 3), attempt(2, false)).await, Reserved::Yes);
    assert_eq!(case.reserve(key(1, 1), attempt(2, false)).await, Reserved::TooManyKeys);
    for (of, id) in [(key(1, 2), 1), (key(1, 3), 2), (key(2, 4), 1)] {
        assert!(case.complete(of, id, "done").await);
    }
    case.clock.advance(KEY_RETENTION);
    assert_eq!(case.store.prune(2).await.unwrap(), 2, "in small steps");
    case.store.prune(100).await.unwrap();
    assert_eq!(case.reserve(key(1, 1), attempt(3, false)).await, Reserved::Full, "all are still known");
    case.clock.advance(TOMBSTONE_RETENTION);
    case.store.prune(100).await.unwrap();
    for of in [key(1, 1), key(1, 2), key(2, 4)] {
        assert_eq!(case.reserve(of, attempt(4, false)).await, Reserved::Yes);
    }
}

async fn results_are_limited(case: Case) {
    let digest = |text: &str| Some(StoredResult::digest(text.as_bytes()));
    for (of, text, result) in [
        (key(1, 1), "abcd", Some(kept("abcd"))),
        (key(1, 2), "e", digest("e")),
        (key(2, 3), "fgh", digest("fgh")),
        (key(2, 4), "ij", Some(kept("ij"))),
    ] {
        assert_eq!(case.reserve(of, attempt(1, false)).await, Reserved::Yes);
        assert!(case.complete(of, 1, text).await);
        assert_eq!(case.completed(of).await, result, "{text}");
    }
    case.clock.advance(KEY_RETENTION);
    case.store.prune(100).await.unwrap();
    assert_eq!(case.reserve(key(1, 5), attempt(1, false)).await, Reserved::Yes);
    assert!(case.complete(key(1, 5), 1, "klmn").await);
    assert_eq!(case.completed(key(1, 5)).await, Some(kept("klmn")));
}

#[tokio::test]
async fn memory_store_conforms() {
    conform(|limits, clock| Arc::new(MemoryStore::new(limits, clock))).await;
}

/// Makes a folder in memory where there is one: these tests commit thousands of times, and cut no power.
#[cfg(feature = "redb")]
pub(super) fn folder_in_memory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

#[cfg(feature = "redb")]
#[tokio::test]
async fn redb_store_conforms() {
    use super::redb::RedbStore;

    let folder = folder_in_memory();
    // Keys in memory and in the journal; keys that move to the database after each change.
    for journal in [u64::MAX, 1] {
        conform(|limits, clock| {
            let folder = folder.path().join(format!("{:x}", fastrand::u64(..)));
            Arc::new(RedbStore::with_journals_of(journal, &folder, limits, clock).unwrap())
        })
        .await;
    }
}
