//! A token of an OAuth 2.1 authorization server → the caller behind it (RFC 6750, RFC 9068).

mod fetch;
mod issuer;
mod jwks;
mod jwt;
mod keyring;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{AccessError, Denied, keyfile::Hash};
use crate::{clock::Clock, scopes::Scopes, tool::caller::Caller};
use issuer::Issuer;
use jwks::Keys;
use jwt::{Checked, Fault, SKEW, Unchecked};
use keyring::Keyring;

/// The most tokens that are remembered as good.
const MOST: usize = 10_000;

/// One authorization server, and the audience that its tokens have to be for.
#[derive(Debug)]
pub(super) struct OAuth {
    keyring: Arc<Keyring>,
    audience: String,
    /// Only what an issuer signed comes in here: tokens that are made up take no room.
    good: Mutex<Good>,
}

/// Tokens that were verified, so that a caller's next request costs a hash and a look-up.
#[derive(Debug, Default)]
struct Good {
    /// The keys they were verified with. With others, they are verified anew.
    keys: Option<Arc<Keys>>,
    callers: HashMap<Hash, (Arc<Caller>, Duration)>,
}

impl OAuth {
    pub(super) fn new(issuer: &str, audience: &str) -> Result<Self, AccessError> {
        let issuer = Issuer::new(issuer).map_err(|why| {
            AccessError(format!(
                "the OAuth issuer cannot be trusted\nnote: {why}\nhelp: give the issuer as its tokens name it, for example `https://id.example.com/tenant`"
            ))
        })?;
        if audience.trim().is_empty() {
            return Err(AccessError(
                "there is no OAuth audience\nnote: without one, a token for any other server would do\nhelp: give the address of this server's MCP endpoint, for example `https://prices.example.com/mcp`"
                    .to_owned(),
            ));
        }
        // The library asks which cryptography is the process's, and stops it where two are linked in and none is
        // named. Whoever named one first has decided.
        let _ = jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER.install_default();
        Ok(Self { keyring: Keyring::new(issuer), audience: audience.to_owned(), good: Mutex::default() })
    }

    pub(super) fn issuer(&self) -> &str {
        self.keyring.issuer()
    }

    /// Fetches the issuer's keys, where they are not there yet.
    pub(super) async fn prepare(&self, clock: &Clock) -> Result<(), AccessError> {
        if self.keyring.keys(clock).await.is_some() {
            return Ok(());
        }
        let why = self.keyring.trouble().unwrap_or_else(|| "nobody was asked yet".to_owned());
        Err(AccessError(format!(
            "the keys of `{}` cannot be had\nnote: {why}\nhelp: see that the issuer is written as in its tokens, and can be reached from here",
            self.issuer()
        )))
    }

    /// Forgets what was verified: scopes carry others now.
    pub(super) fn widen(&self) {
        *self.good() = Good::default();
    }

    /// Who sends this token; none where it is no JWT at all.
    pub(super) async fn caller(
        &self,
        token: &str,
        clock: &Clock,
        scopes: &Scopes,
    ) -> Option<Result<Arc<Caller>, Denied>> {
        if token.bytes().filter(|byte| *byte == b'.').count() != 2 {
            return None;
        }
        Some(self.verified(token, clock, scopes).await)
    }

    async fn verified(&self, token: &str, clock: &Clock, scopes: &Scopes) -> Result<Arc<Caller>, Denied> {
        let hash = Hash::of(token);
        let keys = self.keyring.keys(clock).await.ok_or(Denied::Unavailable)?;
        let now = clock.since_1970();
        if let Some((caller, expires)) = self.good().of(&keys).get(&hash)
            && now < expires.saturating_add(SKEW)
        {
            return Ok(Arc::clone(caller));
        }
        let unchecked = Unchecked::new(token).map_err(Denied::Bad)?;
        let (claims, keys) = match unchecked.signed_by(&keys) {
            Err(Fault::UnknownKey) => match self.keyring.newer(Some(&keys), clock).await {
                Some(newer) => (unchecked.signed_by(&newer), newer),
                None => (Err(Fault::UnknownKey), keys),
            },
            claims => (claims, keys),
        };
        let claims = claims.map_err(|fault| match fault {
            Fault::Bad(why) => Denied::Bad(why),
            Fault::UnknownKey => Denied::Bad("the token is signed with a key that is not the issuer's"),
        })?;
        let checked = claims.check(self.issuer(), &self.audience, now).map_err(Denied::Bad)?;
        let Checked { subject, scopes: granted, expires } = checked;
        let caller = Arc::new(Caller::new(Some(self.issuer()), subject, scopes.held(granted)));
        self.good().remember(&keys, hash, (Arc::clone(&caller), expires), now);
        Ok(caller)
    }

    fn good(&self) -> MutexGuard<'_, Good> {
        self.good.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Good {
    /// What these keys verified.
    fn of(&mut self, keys: &Arc<Keys>) -> &mut HashMap<Hash, (Arc<Caller>, Duration)> {
        if self.keys.as_ref().is_none_or(|verified_with| !Arc::ptr_eq(verified_with, keys)) {
            *self = Self { keys: Some(Arc::clone(keys)), callers: HashMap::new() };
        }
        &mut self.callers
    }

    fn remember(&mut self, keys: &Arc<Keys>, hash: Hash, caller: (Arc<Caller>, Duration), now: Duration) {
        let callers = self.of(keys);
        if callers.len() >= MOST {
            callers.retain(|_, (_, expires)| now < expires.saturating_add(SKEW));
        }
        if callers.len() >= MOST {
            // Verifying them once more is cheaper than keeping count of who came last.
            callers.clear();
        }
        callers.insert(hash, caller);
    }
}
