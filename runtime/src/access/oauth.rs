//! Identifies the caller behind a token of an OAuth 2.1 authorization server (RFC 6750, RFC 9068).

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

use super::{AccessError, Denied, keyfile::TokenHash};
use crate::{clock::Clock, message::Message, scopes::Scopes, tool::caller::Caller};
use issuer::Issuer;
use jwks::IssuerKeys;
use jwt::{AcceptedClaims, MAX_CLOCK_SKEW, TokenError, UnverifiedToken};
use keyring::Keyring;

/// How many verified tokens are remembered.
const MAX_VERIFIED_TOKENS: usize = 10_000;

/// One authorization server, and the audience that its tokens must name.
#[derive(Debug)]
pub(super) struct OAuth {
    keyring: Arc<Keyring>,
    audience: String,
    /// Holds tokens that the issuer signed and no others, so that forged tokens use no memory.
    verified: Mutex<VerifiedTokens>,
}

/// Tokens that were verified, so that a caller's next request costs a hash and a look-up.
#[derive(Debug, Default)]
struct VerifiedTokens {
    /// The keys that verified them. When the issuer's keys change, every token is verified again.
    keys: Option<Arc<IssuerKeys>>,
    callers: HashMap<TokenHash, (Arc<Caller>, Duration)>,
}

impl OAuth {
    pub(super) fn new(issuer: &str, audience: &str) -> Result<Self, AccessError> {
        let issuer = Issuer::new(issuer).map_err(|reason| {
            let message = Message::new("the OAuth issuer is not accepted").note(reason);
            AccessError(message.help(
                "give the issuer exactly as its tokens name it, for example `https://id.example.com/tenant`",
            ))
        })?;
        if audience.trim().is_empty() {
            let message = Message::new("the OAuth audience is empty");
            let message = message.note("without an audience, a token for any other server would be accepted");
            return Err(AccessError(message.help(
                "give the audience that the tokens name, for example `https://prices.example.com/mcp`",
            )));
        }
        // `jsonwebtoken` aborts the process if two cryptography backends are linked and none is chosen. An error means
        // that the program has already chosen one.
        let _ = jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER.install_default();
        Ok(Self { keyring: Keyring::new(issuer), audience: audience.to_owned(), verified: Mutex::default() })
    }

    pub(super) fn issuer(&self) -> &str {
        self.keyring.issuer()
    }

    /// Fetches the issuer's keys if they were not fetched yet.
    pub(super) async fn prepare(&self, clock: &Clock) -> Result<(), AccessError> {
        if self.keyring.keys(clock).await.is_some() {
            return Ok(());
        }
        let message = Message::new(format!("the keys of `{}` are not available", self.issuer()));
        let message = match self.keyring.last_error() {
            Some(reason) => message.note(reason),
            None => message,
        };
        Err(AccessError(message.help(
            "check that the issuer is written exactly as in its tokens, and that this machine can reach it",
        )))
    }

    /// Forgets the verified tokens, because their scopes now imply others.
    pub(super) fn forget_verified(&self) {
        *self.verified() = VerifiedTokens::default();
    }

    /// Identifies the caller who sent this token; `None` if it does not have the form of a JWT.
    pub(super) async fn caller(
        &self,
        token: &str,
        clock: &Clock,
        scopes: &Scopes,
    ) -> Option<Result<Arc<Caller>, Denied>> {
        if token.bytes().filter(|byte| *byte == b'.').count() != 2 {
            return None;
        }
        Some(self.verify(token, clock, scopes).await)
    }

    async fn verify(&self, token: &str, clock: &Clock, scopes: &Scopes) -> Result<Arc<Caller>, Denied> {
        let hash = TokenHash::of(token);
        let keys = self.keyring.keys(clock).await.ok_or(Denied::Unavailable)?;
        let now = clock.since_1970();
        if let Some((caller, expires)) = self.verified().by(&keys).get(&hash)
            && now < expires.saturating_add(MAX_CLOCK_SKEW)
        {
            return Ok(Arc::clone(caller));
        }
        let unverified = UnverifiedToken::new(token).map_err(Denied::Bad)?;
        let (claims, keys) = match unverified.signed_by(&keys) {
            Err(TokenError::UnknownKey) => match self.keyring.newer(Some(&keys), clock).await {
                Some(newer) => (unverified.signed_by(&newer), newer),
                None => (Err(TokenError::UnknownKey), keys),
            },
            claims => (claims, keys),
        };
        let claims = claims.map_err(|error| match error {
            TokenError::Bad(reason) => Denied::Bad(reason),
            TokenError::UnknownKey => Denied::Bad("the token is signed with a key that is not the issuer's"),
        })?;
        let accepted = claims.check(self.issuer(), &self.audience, now).map_err(Denied::Bad)?;
        let AcceptedClaims { subject, scopes: granted, expires } = accepted;
        let caller = Arc::new(Caller::new(Some(self.issuer()), subject, scopes.held(granted)));
        self.verified().insert(&keys, hash, (Arc::clone(&caller), expires), now);
        Ok(caller)
    }

    fn verified(&self) -> MutexGuard<'_, VerifiedTokens> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl VerifiedTokens {
    /// The tokens that these keys verified. Forgets those that other keys verified.
    fn by(&mut self, keys: &Arc<IssuerKeys>) -> &mut HashMap<TokenHash, (Arc<Caller>, Duration)> {
        if self.keys.as_ref().is_none_or(|verified_with| !Arc::ptr_eq(verified_with, keys)) {
            *self = Self { keys: Some(Arc::clone(keys)), callers: HashMap::new() };
        }
        &mut self.callers
    }

    fn insert(
        &mut self,
        keys: &Arc<IssuerKeys>,
        hash: TokenHash,
        caller: (Arc<Caller>, Duration),
        now: Duration,
    ) {
        let callers = self.by(keys);
        if callers.len() >= MAX_VERIFIED_TOKENS {
            callers.retain(|_, (_, expires)| now < expires.saturating_add(MAX_CLOCK_SKEW));
        }
        if callers.len() >= MAX_VERIFIED_TOKENS {
            // Verifying all of them once more costs less than recording which was used last.
            callers.clear();
        }
        callers.insert(hash, caller);
    }
}
