//! Compares stores with a model of ten lines, under random interleavings of callers, keys, crashes, leases and clocks.

use std::{collections::HashMap, sync::Arc, time::Duration};

use super::{
    AttemptId, IdempotencyStore, KEY_RETENTION, KeyState, Reserved, StoreLimits, StoredResult,
    TOMBSTONE_RETENTION,
    conformance::{attempt, key},
    memory::MemoryStore,
};
use crate::clock::Clock;

/// One key of the model: the attempt that holds it, the end of its lease, the end of the call.
#[derive(Clone, Copy)]
struct ModelKey {
    holder: u128,
    lease_end: Duration,
    done: Option<Duration>,
    repeatable: bool,
}

impl ModelKey {
    /// The word for the key's state.
    fn state(model: Option<&Self>, now: Duration) -> &'static str {
        let age = |since: Duration| now.saturating_sub(since);
        match model {
            Some(Self { done: Some(done), .. }) if age(*done) < KEY_RETENTION => "completed",
            Some(Self { done: Some(done), .. }) if age(*done) < KEY_RETENTION + TOMBSTONE_RETENTION => {
                "expired"
            }
            Some(Self { done: None, lease_end, .. }) if now < *lease_end => "in progress",
            Some(Self { done: None, lease_end, repeatable: false, .. })
                if age(*lease_end) < KEY_RETENTION + TOMBSTONE_RETENTION =>
            {
                "unknown"
            }
            _ => "absent",
        }
    }
}

fn word(state: &KeyState) -> &'static str {
    match state {
        KeyState::Absent => "absent",
        KeyState::InProgress(_) => "in progress",
        KeyState::Unknown(_) => "unknown",
        KeyState::Completed(..) => "completed",
        KeyState::Expired => "expired",
    }
}

/// A store under test, its model, and what a run of random steps needs.
struct Comparison<'a, F> {
    open: F,
    /// Ends the store as that of a process which is killed.
    kill: Option<&'a dyn Fn()>,
    /// Whether the store outlives its process.
    is_durable: bool,
    store: Option<Arc<dyn IdempotencyStore>>,
    clock: Clock,
    random: fastrand::Rng,
    model: HashMap<(u8, u8), ModelKey>,
    /// The time of the store: never earlier than the last that it recorded.
    start: Duration,
    recorded: Duration,
    /// Attempts whose process has not crashed.
    running: Vec<((u8, u8), u128)>,
    last_id: u128,
}

impl<F: Fn(Clock) -> Arc<dyn IdempotencyStore>> Comparison<'_, F> {
    fn new(open: F, is_durable: bool, seed: u64) -> Self {
        let clock = Clock::manual();
        let (store, start) = (Some(open(clock.clone())), clock.since_1970());
        let random = fastrand::Rng::with_seed(seed);
        Self {
            open,
            kill: None,
            is_durable,
            store,
            clock,
            random,
            model: HashMap::new(),
            start,
            recorded: start,
            running: Vec::new(),
            last_id: 0,
        }
    }

    fn store(&self) -> &Arc<dyn IdempotencyStore> {
        self.store.as_ref().expect("it is open between steps")
    }

    fn now(&self) -> Duration {
        self.start + self.clock.elapsed()
    }

    async fn step(&mut self) {
        match self.random.u8(..100) {
            0..45 => self.begin().await,
            45..65 => self.finish().await,
            65..70 => self.release().await,
            70..80 => self.clock.advance(Duration::from_secs(self.random.u64(..90))),
            80..84 => self.clock.advance(Duration::from_secs(self.random.u64(..4 * 24 * 3600))),
            84..88 => self.clock.set_back(Duration::from_secs(self.random.u64(..24 * 3600))),
            88..94 => {
                let limit = self.random.usize(..6);
                self.store().prune(limit).await.unwrap();
            }
            _ => self.crash(),
        }
        let now = self.now();
        for caller in 0..3 {
            for name in 0..3 {
                let state = self.store().get(key(caller, name + 10 * caller)).await.unwrap();
                let expected = ModelKey::state(self.model.get(&(caller, name)), now);
                assert_eq!(word(&state), expected, "key {name} of caller {caller}");
            }
        }
    }

    async fn begin(&mut self) {
        let (caller, name) = (self.random.u8(..3), self.random.u8(..3));
        // A key belongs to one call, which may be repeated or not.
        let repeatable = name == 0;
        self.last_id += 1;
        let (id, now) = (self.last_id, self.now());
        let reserved =
            self.store().reserve(key(caller, name + 10 * caller), attempt(id, repeatable)).await.unwrap();
        self.recorded = now;
        let expected = ModelKey::state(self.model.get(&(caller, name)), now);
        match reserved {
            Reserved::Yes => {
                assert_eq!(expected, "absent");
                let lease_end = now + Duration::from_secs(60);
                self.model.insert((caller, name), ModelKey { holder: id, lease_end, done: None, repeatable });
                self.running.push(((caller, name), id));
            }
            Reserved::Taken(state) => assert_eq!(word(&state), expected),
            refused => panic!("{refused:?}"),
        }
    }

    /// Takes an attempt that still runs somewhere, and the key that it holds in the model, if it does.
    fn end(&mut self) -> Option<((u8, u8), u128, bool)> {
        if self.running.is_empty() {
            return None;
        }
        let (of, id) = self.running.swap_remove(self.random.usize(..self.running.len()));
        let holds = self.model.get(&of).is_some_and(|model| model.holder == id && model.done.is_none());
        Some((of, id, holds))
    }

    async fn finish(&mut self) {
        let Some((of, id, holds)) = self.end() else { return };
        let now = self.now();
        let result = StoredResult::Kept(id.to_string().into());
        let stored = self.store().complete(key(of.0, of.1 + 10 * of.0), AttemptId(id), result).await.unwrap();
        self.recorded = now;
        // A dead attempt whose key was pruned finds nothing.
        if stored {
            assert!(holds, "attempt {id} wrote over another");
            self.model.get_mut(&of).expect("it holds the key").done = Some(now);
        } else if holds {
            assert_eq!(ModelKey::state(self.model.get(&of), now), "absent", "attempt {id} lost its key");
            self.model.remove(&of);
        }
    }

    async fn release(&mut self) {
        let Some((of, id, holds)) = self.end() else { return };
        let released = self.store().release(key(of.0, of.1 + 10 * of.0), AttemptId(id)).await.unwrap();
        self.recorded = self.now();
        assert!(holds || !released, "attempt {id} released the key of another");
        if holds {
            self.model.remove(&of);
        }
    }

    /// Loses every attempt, and opens the store again at whatever date the clock has.
    fn crash(&mut self) {
        self.running.clear();
        if self.is_durable && self.random.bool() {
            if let Some(kill) = self.kill.filter(|_| self.random.bool()) {
                kill();
            }
            self.store = None;
            self.store = Some((self.open)(self.clock.clone()));
            let last = self.recorded + Duration::from_millis(1);
            self.start = self.clock.since_1970().max(last).saturating_sub(self.clock.elapsed());
            // The store knows that the process of these attempts is dead.
            let now = self.now();
            self.model.values_mut().for_each(|model| model.lease_end = model.lease_end.min(now));
        }
    }
}

/// Compares a store that outlives every crash, and does not learn of it, with the model.
pub(super) async fn behaves_as_the_model(
    store: Arc<dyn IdempotencyStore>,
    clock: Clock,
    seed: u64,
    steps: usize,
) {
    let mut comparison = Comparison::new(|_| Arc::clone(&store), false, seed);
    comparison.clock = clock;
    for _ in 0..steps {
        comparison.step().await;
    }
}

#[tokio::test]
async fn memory_store_behaves_as_the_model() {
    for seed in 0..200 {
        // Memory lives as long as its process: a crash loses attempts of others alone.
        let clock = Clock::manual();
        let store = Arc::new(MemoryStore::new(StoreLimits::default(), clock.clone()));
        behaves_as_the_model(store, clock, seed, 200).await;
    }
}

#[cfg(feature = "redb")]
#[tokio::test]
async fn redb_store_behaves_as_the_model() {
    use std::{cell::Cell, sync::Weak};

    use super::{conformance::folder_in_memory, redb::RedbStore};

    let folder = folder_in_memory();
    for seed in 0..30 {
        let folder = folder.path().join(seed.to_string());
        // Journals of one change, of a few, and of all.
        let journal = [1, 1_000, u64::MAX][usize::try_from(seed % 3).unwrap()];
        let last = Cell::new(Weak::<RedbStore>::new());
        let open = |clock: Clock| -> Arc<dyn IdempotencyStore> {
            let store = Arc::new(
                RedbStore::with_journals_of(journal, &folder, StoreLimits::default(), clock).unwrap(),
            );
            last.set(Arc::downgrade(&store));
            store
        };
        let kill = || {
            if let Some(store) = last.take().upgrade() {
                store.kill();
            }
        };
        let mut comparison = Comparison::new(open, true, seed);
        comparison.kill = Some(&kill);
        for _ in 0..120 {
            comparison.step().await;
        }
    }
}
