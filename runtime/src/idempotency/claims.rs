//! Holds the keys whose calls this process runs, so that equal calls wait for them and not for the store.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio_util::sync::CancellationToken;

/// The keys whose calls this process runs, each with a token that is cancelled at the end of its call.
#[derive(Default)]
pub(super) struct KeyClaims(Mutex<HashMap<[u8; 32], CancellationToken>>);

/// A claimed key. Dropping it frees the key and wakes the calls that wait for it.
pub(crate) struct Claim {
    claims: Arc<KeyClaims>,
    key: [u8; 32],
}

impl KeyClaims {
    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], CancellationToken>> {
        // A panic cannot leave the map inconsistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Claims a key. If it is claimed already, returns the token that is cancelled at its end.
    pub(super) fn claim(self: &Arc<Self>, key: [u8; 32]) -> Result<Claim, CancellationToken> {
        let mut claims = self.lock();
        if let Some(ended) = claims.get(&key) {
            return Err(ended.clone());
        }
        claims.insert(key, CancellationToken::new());
        Ok(Claim { claims: Arc::clone(self), key })
    }

    /// Returns the token of a claimed key.
    pub(super) fn holder(&self, key: [u8; 32]) -> Option<CancellationToken> {
        self.lock().get(&key).cloned()
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(ended) = self.claims.lock().remove(&self.key) {
            ended.cancel();
        }
    }
}
