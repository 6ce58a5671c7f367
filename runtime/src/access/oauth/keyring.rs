//! An issuer → its keys, kept while they are fresh, fetched again when they are not or a token names one more.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    fetch::{self, Failure},
    issuer::Issuer,
    jwks::{Jwks, Keys},
};
use crate::clock::Clock;

/// How long keys are believed before they are asked for again: a key that was withdrawn is gone after that.
const FRESH: Duration = Duration::from_secs(600);
/// How long they are believed while nobody answers.
const STALE: Duration = Duration::from_secs(3600);
/// Between two questions at the least, whatever tokens name.
const PAUSE: Duration = Duration::from_secs(10);

/// The keys of one issuer. All questions to it go through here.
#[derive(Debug)]
pub(super) struct Keyring {
    issuer: Issuer,
    state: Mutex<State>,
    /// Held while the issuer is asked: one question at a time.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    keys: Option<Arc<Keys>>,
    /// When the keys came, by the clock's own count.
    since: Duration,
    /// When the issuer was last asked.
    asked: Option<Duration>,
    last_error: Option<String>,
}

impl Keyring {
    pub(super) fn new(issuer: Issuer) -> Arc<Self> {
        Arc::new(Self { issuer, state: Mutex::default(), asking: tokio::sync::Mutex::default() })
    }

    pub(super) fn issuer(&self) -> &str {
        self.issuer.as_str()
    }

    /// The keys, if there are any to be believed. Who has some does not wait for newer ones.
    pub(super) async fn keys(self: &Arc<Self>, clock: &Clock) -> Option<Arc<Keys>> {
        let now = clock.elapsed();
        if let Some((keys, since)) = self.believed(now) {
            if now.saturating_sub(since) >= FRESH && self.may_ask(now) {
                // Whoever comes next has them.
                tokio::spawn(Arc::clone(self).ask(clock.clone()));
            }
            return Some(keys);
        }
        self.newer(None, clock).await
    }

    /// Other keys than `old`, where the issuer has some and may be asked now.
    pub(super) async fn newer(self: &Arc<Self>, old: Option<&Arc<Keys>>, clock: &Clock) -> Option<Arc<Keys>> {
        if self.may_ask(clock.elapsed()) {
            // In a task of its own: a client that goes away does not undo the question.
            let _ = tokio::spawn(Arc::clone(self).ask(clock.clone())).await;
        } else {
            // Somebody may be asking just now.
            drop(self.asking.lock().await);
        }
        let (keys, _) = self.believed(clock.elapsed())?;
        old.is_none_or(|old| !Arc::ptr_eq(old, &keys)).then_some(keys)
    }

    /// What went wrong the last time, if it did.
    pub(super) fn last_error(&self) -> Option<String> {
        self.state().last_error.clone()
    }

    fn believed(&self, now: Duration) -> Option<(Arc<Keys>, Duration)> {
        let state = self.state();
        let keys = state.keys.as_ref().filter(|_| now.saturating_sub(state.since) < STALE)?;
        Some((Arc::clone(keys), state.since))
    }

    fn may_ask(&self, now: Duration) -> bool {
        self.state().asked.is_none_or(|asked| now.saturating_sub(asked) >= PAUSE)
    }

    async fn ask(self: Arc<Self>, clock: Clock) {
        let _one = self.asking.lock().await;
        let now = clock.elapsed();
        // Somebody else may have asked while this one waited.
        if !self.may_ask(now) {
            return;
        }
        self.state().asked = Some(now);
        let issuer = self.issuer.clone();
        let told = tokio::task::spawn_blocking(move || fetch(&issuer)).await;
        let told = told.unwrap_or_else(|_| Err("asking for them failed".to_owned()));
        self.take(told, now);
    }

    fn take(&self, told: Result<Keys, String>, now: Duration) {
        let mut state = self.state();
        match told {
            Ok(keys) => {
                state.since = now;
                if state.last_error.take().is_some() {
                    eprintln!("the keys of `{}` are there again", self.issuer());
                }
                // The same keys stay the same, and with them what was verified by them.
                if state.keys.as_ref().is_none_or(|old| !old.is_same(&keys)) {
                    state.keys = Some(Arc::new(keys));
                }
            }
            Err(why) => {
                // Once: it is tried again and again.
                if state.last_error.is_none() {
                    eprintln!("warning: the keys of `{}` cannot be had: {why}", self.issuer());
                }
                state.last_error = Some(why);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn fetch(issuer: &Issuer) -> Result<Keys, String> {
    let at = issuer.keys().map_err(|failure| failure.to_string())?;
    let told = fetch::json::<Jwks>(&at).and_then(|jwks| Keys::new(jwks).map_err(Failure::Refused));
    told.map_err(|failure| format!("{}: {failure}", at.uri()))
}
