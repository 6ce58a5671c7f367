//! Stands for a store that could not be opened: every key is refused.

use std::future;

use futures::future::BoxFuture;

use super::{
    Attempt, AttemptId, IdempotencyStore, KeyState, KeyStoreError, Reserved, ScopedKey, StoredResult,
};

/// A store that could not be opened. A caller that sends a key asks for protection, so its call is refused, and not run
/// without.
pub(crate) struct UnavailableStore(pub(crate) KeyStoreError);

impl UnavailableStore {
    fn refuse<T: Send + 'static>(&self) -> BoxFuture<'static, Result<T, KeyStoreError>> {
        Box::pin(future::ready(Err(self.0.clone())))
    }
}

impl IdempotencyStore for UnavailableStore {
    fn reserve(&self, _: ScopedKey, _: Attempt) -> BoxFuture<'_, Result<Reserved, KeyStoreError>> {
        self.refuse()
    }

    fn complete(
        &self,
        _: ScopedKey,
        _: AttemptId,
        _: StoredResult,
    ) -> BoxFuture<'_, Result<bool, KeyStoreError>> {
        self.refuse()
    }

    fn release(&self, _: ScopedKey, _: AttemptId) -> BoxFuture<'_, Result<bool, KeyStoreError>> {
        self.refuse()
    }

    fn get(&self, _: ScopedKey) -> BoxFuture<'_, Result<KeyState, KeyStoreError>> {
        self.refuse()
    }

    fn prune(&self, _: usize) -> BoxFuture<'_, Result<usize, KeyStoreError>> {
        self.refuse()
    }

    fn check(&self) -> BoxFuture<'_, Result<(), KeyStoreError>> {
        self.refuse()
    }
}
