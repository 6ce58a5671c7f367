//! Remembers which states were used: in this process, or in the database that the replicas share.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::{Nonce, NotOpened};
use crate::{clock::Clock, store::SharedDatabase};

/// The states that were used.
pub(super) struct UsedStates {
    clock: Clock,
    /// In this process, with their expiry.
    own: Mutex<HashMap<Nonce, Duration>>,
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "nothing is shared"))]
    shared: SharedDatabase,
}

impl UsedStates {
    pub(super) fn new(clock: Clock, shared: SharedDatabase) -> Self {
        Self { clock, own: Mutex::default(), shared }
    }

    /// The time by the clock that all expiries are told by.
    pub(super) fn now(&self) -> Duration {
        #[cfg(feature = "postgres")]
        if let Some(database) = self.shared.database() {
            return database.since_1970();
        }
        self.clock.elapsed()
    }

    /// Uses a state up, unless it was used or is too old.
    pub(super) async fn use_once(&self, nonce: Nonce, expiry: Duration) -> Result<(), NotOpened> {
        let now = self.now();
        if now >= expiry {
            return Err(NotOpened::Unusable);
        }
        #[cfg(feature = "postgres")]
        if let Some(database) = self.shared.database() {
            return match database.use_once(nonce.to_vec(), expiry).await {
                Ok(true) => Ok(()),
                Ok(false) => Err(NotOpened::Unusable),
                // The database has told the operator why.
                Err(_) => Err(NotOpened::Unavailable),
            };
        }
        let mut used = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        used.retain(|_, expiry| *expiry > now);
        match used.insert(nonce, expiry) {
            None => Ok(()),
            Some(_) => Err(NotOpened::Unusable),
        }
    }
}
