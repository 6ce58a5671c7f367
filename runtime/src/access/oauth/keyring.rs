//! Keeps an issuer's keys, and fetches them again when they are old or when a token names a key that is missing.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    fetch,
    issuer::Issuer,
    jwks::{IssuerKeys, Jwks},
};
use crate::{clock::Clock, message::Message, stderr};

/// The age at which keys are fetched again: a key that the issuer withdrew stops working after that.
const REFRESH_AGE: Duration = Duration::from_secs(600);
/// The age up to which keys are used while the issuer does not answer.
const MAX_KEY_AGE: Duration = Duration::from_secs(3600);
/// The shortest time between two fetches, whatever keys tokens name.
const MIN_FETCH_INTERVAL: Duration = Duration::from_secs(10);

/// The keys of one issuer. All requests to it are made here.
#[derive(Debug)]
pub(super) struct Keyring {
    issuer: Issuer,
    state: Mutex<KeyringState>,
    /// Locked during a fetch: one at a time.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct KeyringState {
    keys: Option<Arc<IssuerKeys>>,
    /// The time of the last successful fetch, by the clock's own count.
    fetched: Duration,
    /// The same time, since 1970.
    fetched_since_1970: Duration,
    /// The time of the last fetch, successful or not.
    tried: Option<Duration>,
    last_error: Option<Message>,
}

/// The result of looking for keys that are newer than those that a token was checked with.
pub(super) struct Refresh {
    /// The newer keys, if the issuer has some.
    pub(super) keys: Option<Arc<IssuerKeys>>,
    /// The reason why the issuer may have newer keys than these.
    pub(super) incomplete: Option<Incomplete>,
}

/// A refresh that did not fetch the keys, because that is not allowed yet or failed.
pub(super) struct Incomplete {
    /// The seconds after which the keys may be fetched.
    pub(super) retry_after: u64,
    /// The time of the last successful fetch, since 1970.
    pub(super) last_fetch: Duration,
}

impl Keyring {
    pub(super) fn new(issuer: Issuer) -> Arc<Self> {
        Arc::new(Self { issuer, state: Mutex::default(), fetching: tokio::sync::Mutex::default() })
    }

    pub(super) fn issuer(&self) -> &str {
        self.issuer.as_str()
    }

    /// The keys, if there are any that may be used. A caller does not wait for newer ones.
    pub(super) async fn keys(self: &Arc<Self>, clock: &Clock) -> Option<Arc<IssuerKeys>> {
        let now = clock.elapsed();
        if let Some((keys, fetched)) = self.usable_keys(now) {
            if now.saturating_sub(fetched) >= REFRESH_AGE && self.may_fetch(now) {
                tokio::spawn(Arc::clone(self).fetch(clock.clone()));
            }
            return Some(keys);
        }
        self.refresh(None, clock).await.keys
    }

    /// Looks for other keys than `old`, and fetches them if the issuer may be asked now.
    pub(super) async fn refresh(self: &Arc<Self>, old: Option<&Arc<IssuerKeys>>, clock: &Clock) -> Refresh {
        let is_complete = if self.may_fetch(clock.elapsed()) {
            // In a task of its own, so that a client that disconnects does not cancel the fetch for the others.
            tokio::spawn(Arc::clone(self).fetch(clock.clone())).await.unwrap_or(false)
        } else {
            // A fetch for another request may be in progress. It may have begun before the issuer had the key.
            drop(self.fetching.lock().await);
            false
        };
        let now = clock.elapsed();
        let keys = self.usable_keys(now).map(|(keys, _)| keys);
        let keys = keys.filter(|keys| old.is_none_or(|old| !Arc::ptr_eq(old, keys)));
        Refresh { keys, incomplete: (!is_complete).then(|| self.incomplete(now)) }
    }

    fn incomplete(&self, now: Duration) -> Incomplete {
        let state = self.state();
        let wait = state.tried.map(|tried| (tried + MIN_FETCH_INTERVAL).saturating_sub(now));
        let retry_after = wait.unwrap_or_default().as_millis().div_ceil(1_000).max(1);
        let retry_after = u64::try_from(retry_after).unwrap_or(u64::MAX);
        Incomplete { retry_after, last_fetch: state.fetched_since_1970 }
    }

    /// The reason why the last fetch failed, if it did.
    pub(super) fn last_error(&self) -> Option<Message> {
        self.state().last_error.clone()
    }

    fn usable_keys(&self, now: Duration) -> Option<(Arc<IssuerKeys>, Duration)> {
        let state = self.state();
        let keys = state.keys.as_ref().filter(|_| now.saturating_sub(state.fetched) < MAX_KEY_AGE)?;
        Some((Arc::clone(keys), state.fetched))
    }

    fn may_fetch(&self, now: Duration) -> bool {
        self.state().tried.is_none_or(|tried| now.saturating_sub(tried) >= MIN_FETCH_INTERVAL)
    }

    /// Fetches the keys. Returns whether this call fetched them.
    async fn fetch(self: Arc<Self>, clock: Clock) -> bool {
        let _one_at_a_time = self.fetching.lock().await;
        let now = clock.elapsed();
        // Another request may have fetched them while this one waited.
        if !self.may_fetch(now) {
            return false;
        }
        self.state().tried = Some(now);
        let issuer = self.issuer.clone();
        let result = tokio::task::spawn_blocking(move || fetch(&issuer)).await;
        let result = result.unwrap_or_else(|_| Err(Message::new("the request failed")));
        let is_fetched = result.is_ok();
        self.store(result, now, clock.since_1970());
        is_fetched
    }

    fn store(&self, result: Result<IssuerKeys, Message>, now: Duration, since_1970: Duration) {
        let mut state = self.state();
        match result {
            Ok(keys) => {
                state.fetched = now;
                state.fetched_since_1970 = since_1970;
                if state.last_error.take().is_some() {
                    stderr::line(format_args!("the keys of `{}` are available again", self.issuer()));
                }
                // If nothing changed, the tokens that the keys verified need not be verified again.
                if state.keys.as_ref().is_none_or(|old| !old.is_same(&keys)) {
                    state.keys = Some(Arc::new(keys));
                }
            }
            Err(reason) => {
                // Printed once, since every later attempt may fail too.
                if state.last_error.is_none() {
                    let issuer = self.issuer();
                    stderr::line(format_args!("warning: the keys of `{issuer}` are not available: {reason}"));
                }
                state.last_error = Some(reason);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, KeyringState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn fetch(issuer: &Issuer) -> Result<IssuerKeys, Message> {
    let address = issuer.keys().map_err(|error| Message::new(error.to_string()))?;
    let keys = fetch::json::<Jwks>(&address).map_err(|error| Message::new(error.to_string()));
    keys.and_then(IssuerKeys::new).map_err(|reason| Message::new(format!("{}: {reason}", address.uri())))
}
