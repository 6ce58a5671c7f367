//! A gate that handlers wait at until the test lets them through.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// A gate. Clones are the same gate.
#[derive(Clone)]
pub struct Gate(Arc<Semaphore>);

impl Gate {
    /// Makes a gate that lets no handler through yet.
    pub fn closed() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    /// Lets `count` handlers through: those that wait, and then those that come later.
    pub fn admit(&self, count: usize) {
        self.0.add_permits(count);
    }

    /// Takes the place of a handler that may pass, if there is one.
    pub fn try_pass(&self) -> bool {
        self.0.try_acquire().is_ok_and(|permit| {
            permit.forget();
            true
        })
    }

    /// Waits to be let through.
    pub async fn pass(&self) {
        self.0.acquire().await.expect("the semaphore is never closed").forget();
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::closed()
    }
}
