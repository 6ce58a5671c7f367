//! Keeps the idempotency keys of callers: which are in use, and the results of those that are done.
//!
//! All decisions are in [`transition`], and every store makes them in one transaction: the caller's fingerprint, the
//! attempt's id and the lease are compared and set at once, by the store's own clock. A call reads and writes single rows
//! and never scans a range, so that a database shared by several processes can be a store as well.

mod clock;
mod config;
#[cfg(test)]
mod conformance;
mod memory;
#[cfg(test)]
mod model;
#[cfg(feature = "postgres")]
mod postgres;
mod record;
#[cfg(feature = "redb")]
mod redb;
mod shared;
mod transition;
mod unavailable;
#[cfg(any(feature = "postgres", feature = "redb"))]
mod write_op;

use std::time::Duration;

use futures::future::BoxFuture;
use sha2::{Digest as _, Sha256};

pub use config::KeyStore;
#[cfg(feature = "cli")]
pub(crate) use config::StoreUrl;
#[cfg(all(feature = "cli", feature = "redb"))]
pub(crate) use config::beside_log;
pub(crate) use config::{KeyStoreFault, OpenedStore};
pub(crate) use shared::SharedDatabase;
pub(crate) use unavailable::UnavailableStore;

use crate::message::Message;

/// The time for which a completed key replays its result.
pub(crate) const KEY_RETENTION: Duration = Duration::from_secs(24 * 60 * 60);
/// The time after that for which the key is still known, so that it does not run again.
pub(crate) const TOMBSTONE_RETENTION: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Keeps idempotency keys. Every method is one transaction.
pub(crate) trait IdempotencyStore: Send + Sync {
    /// Reserves a key for an attempt, if the key is absent.
    fn reserve(&self, key: ScopedKey, attempt: Attempt) -> BoxFuture<'_, Result<Reserved, KeyStoreError>>;

    /// Stores the result of an attempt. Returns `false`, and changes nothing, if the key is no longer this attempt's.
    fn complete(
        &self,
        key: ScopedKey,
        attempt: AttemptId,
        result: StoredResult,
    ) -> BoxFuture<'_, Result<bool, KeyStoreError>>;

    /// Makes the key of an attempt absent again. Returns `false`, and changes nothing, if the key is no longer this
    /// attempt's.
    fn release(&self, key: ScopedKey, attempt: AttemptId) -> BoxFuture<'_, Result<bool, KeyStoreError>>;

    /// Returns the state of a key.
    fn get(&self, key: ScopedKey) -> BoxFuture<'_, Result<KeyState, KeyStoreError>>;

    /// Shortens or removes up to `limit` keys whose time is over. Returns their number.
    fn prune(&self, limit: usize) -> BoxFuture<'_, Result<usize, KeyStoreError>>;

    /// Checks that keys can be reserved.
    #[cfg_attr(not(feature = "http"), expect(dead_code, reason = "only HTTP has a readiness endpoint"))]
    fn check(&self) -> BoxFuture<'_, Result<(), KeyStoreError>>;

    /// Ends the store: everything that it has accepted is kept, and it accepts nothing more.
    fn close(&self) {}
}

/// One key of one caller. Both are digests: a store never holds the key itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ScopedKey {
    /// The caller alone, for the number of its keys.
    pub(crate) caller: [u8; 32],
    /// The caller and the key.
    pub(crate) key: [u8; 32],
}

/// The id of one attempt to run a call. With an audit log, it is the `call_id` of its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AttemptId(pub(crate) u128);

/// An attempt to run a call under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) id: AttemptId,
    /// The digest of the call.
    pub(crate) fingerprint: [u8; 32],
    /// The digest of the tool's declaration, as far as the effect of a call depends on it.
    pub(crate) declaration: [u8; 32],
    /// The time after which the attempt counts as dead.
    pub(crate) lease: Duration,
    /// Whether the call may run again after a dead attempt.
    pub(crate) repeatable: bool,
    /// The task that the call is answered with.
    pub(crate) task: Option<String>,
}

/// The answer to a reservation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reserved {
    /// The key is this attempt's until it completes it, releases it, or its lease runs out.
    Yes,
    /// The key is not absent.
    Taken(KeyState),
    /// The caller is at its limit of keys.
    TooManyKeys,
    /// The store is at its limit of keys.
    Full,
}

/// The state of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeyState {
    /// The key is free.
    Absent,
    /// An attempt runs.
    InProgress(PastAttempt),
    /// An attempt died, and it is not known whether it had an effect.
    Unknown(PastAttempt),
    /// An attempt is done.
    Completed(PastAttempt, StoredResult),
    /// A completed key whose result is no longer kept.
    Expired,
}

/// The attempt that holds or held a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PastAttempt {
    pub(crate) id: AttemptId,
    pub(crate) fingerprint: [u8; 32],
    /// `None` in a row of a version that did not keep it.
    pub(crate) declaration: Option<[u8; 32]>,
    /// The time since 1970 at which it began, by the store's clock.
    pub(crate) began: Duration,
    /// The time left until the attempt counts as dead.
    pub(crate) lease_left: Duration,
    pub(crate) task: Option<String>,
}

/// The result of a completed attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StoredResult {
    /// The result as text.
    Kept(Box<str>),
    /// The digest and the size of a result that is too large to keep.
    Digest { sha256: [u8; 32], bytes: u64 },
}

impl StoredResult {
    /// Stands for `bytes`, which are too many to keep.
    pub(crate) fn digest(bytes: &[u8]) -> Self {
        Self::Digest { sha256: Sha256::digest(bytes).into(), bytes: bytes.len() as u64 }
    }
}

/// The store cannot do its work. The reason is for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyStoreError(pub(crate) Message);

/// The numbers at which a store refuses more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoreLimits {
    /// The keys of one caller that are in use or replay a result.
    pub(crate) keys_per_caller: u64,
    /// The keys of all callers, including those that are only still known.
    pub(crate) keys: u64,
    /// The bytes of the results of one caller. Beyond it, digests are stored.
    pub(crate) bytes_per_caller: u64,
    /// The bytes of all results.
    pub(crate) bytes: u64,
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self { keys_per_caller: 10_000, keys: 2_000_000, bytes_per_caller: 64 << 20, bytes: 1 << 30 }
    }
}
