//! Runs a write once under a caller's key: reads keys, compares calls, and words the answers.

mod claims;
mod key;
mod open;
mod refusal;
mod stored_reply;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use self::claims::KeyClaims;
pub(crate) use self::{
    claims::Claim,
    key::{SentKey, fingerprint, scoped},
    open::{KeyKeeping, open},
    refusal::{KeyDenial, refusal},
    stored_reply::{read_reply, store_reply},
};
use crate::store::{IdempotencyStore, ScopedKey};

/// The keys that are pruned after a call under a key. Each key is pruned three times, so that pruning keeps up.
const PRUNED_PER_CALL: usize = 8;

/// The keys of one server.
pub(crate) struct Idempotency {
    pub(crate) store: Arc<dyn IdempotencyStore>,
    claims: Arc<KeyClaims>,
    /// Whether the store could be opened.
    pub(crate) is_honoured: bool,
    /// Whether tools take the key as an argument as well.
    pub(crate) takes_argument: bool,
    /// The place of the store, for a line to a person.
    pub(crate) place: String,
    is_pruning: AtomicBool,
}

impl Idempotency {
    /// Claims a key within this process.
    pub(crate) fn claim(&self, key: &ScopedKey) -> Result<Claim, tokio_util::sync::CancellationToken> {
        self.claims.claim(key.key)
    }

    /// A token that is cancelled when the call that holds the key ends; `None` if no call of this process holds it.
    pub(crate) fn holder(&self, key: &ScopedKey) -> Option<tokio_util::sync::CancellationToken> {
        self.claims.holder(key.key)
    }

    /// Removes some keys whose time is over.
    pub(crate) async fn prune(&self) {
        if !self.is_pruning.swap(true, Ordering::Acquire) {
            // The store has told the operator why it failed.
            let _ = self.store.prune(PRUNED_PER_CALL).await;
            self.is_pruning.store(false, Ordering::Release);
        }
    }
}
