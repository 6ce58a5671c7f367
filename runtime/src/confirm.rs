//! Encrypts the state that ties a client's answer to the question of a call.

mod question;
mod used;
mod visible;

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

pub(crate) use self::question::question;
use self::used::UsedStates;
use crate::{
    clock::Clock,
    state_key::StateKey,
    store::SharedDatabase,
    tool::{caller::Caller, descriptor::Descriptor},
};

/// The time that a user has for an answer.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(600);
/// The length of the nonce, which also makes a state single-use.
const NONCE_BYTES: usize = 24;

type Nonce = [u8; NONCE_BYTES];

/// The cipher of `requestState` (MCP 2026-07-28, multi round-trip requests). A state that was encrypted under another key
/// is refused like any other that is wrong.
pub(crate) struct Confirmations {
    cipher: XChaCha20Poly1305,
    used: UsedStates,
}

impl Confirmations {
    pub(crate) fn new(clock: Clock, key: &StateKey, shared: SharedDatabase) -> Self {
        Self { cipher: key.cipher(), used: UsedStates::new(clock, shared) }
    }

    /// Encrypts a state for one question. It can be opened only for this call, until it expires.
    pub(crate) fn seal(&self, digest: &CallDigest, state: &RequestState) -> String {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).expect("the operating system provides random bytes");
        let expiry = (self.used.now() + ANSWER_TIMEOUT).as_millis();
        let expiry = u64::try_from(expiry).unwrap_or(u64::MAX).to_be_bytes();
        let message = [&expiry[..], &state.bytes()].concat();
        let payload = Payload { msg: &message, aad: &digest.0 };
        let encrypted = self
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .expect("a text that fits in memory can be encrypted");
        BASE64.encode([&nonce[..], &encrypted].concat())
    }

    /// Decrypts a state, once. Every fault of the state is the same error, so that it tells a forger nothing.
    pub(crate) async fn open(&self, state: &str, digest: &CallDigest) -> Result<RequestState, NotOpened> {
        let Opened { state, nonce, expiry } = self.decrypt(state, digest)?;
        self.used.use_once(nonce, expiry).await?;
        Ok(state)
    }

    fn decrypt(&self, state: &str, digest: &CallDigest) -> Result<Opened, Unusable> {
        let bytes = BASE64.decode(state).map_err(|_| Unusable)?;
        let (nonce, encrypted) = bytes.split_first_chunk::<NONCE_BYTES>().ok_or(Unusable)?;
        let payload = Payload { msg: encrypted, aad: &digest.0 };
        let message = self.cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| Unusable)?;
        let (expiry, state) = message.split_first_chunk::<8>().ok_or(Unusable)?;
        let state = RequestState::read(state).ok_or(Unusable)?;
        let expiry = Duration::from_millis(u64::from_be_bytes(*expiry));
        Ok(Opened { state, nonce: *nonce, expiry })
    }
}

/// A state that was decrypted.
struct Opened {
    state: RequestState,
    nonce: Nonce,
    expiry: Duration,
}

/// The content of a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RequestState {
    /// The user was asked whether the tool may be called.
    Confirmation,
    /// The tool itself asked, after all checks before it, and may have added a state of its own.
    Round(Option<String>),
}

impl RequestState {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Confirmation => vec![0],
            Self::Round(None) => vec![1],
            Self::Round(Some(state)) => [&[2], state.as_bytes()].concat(),
        }
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        match bytes.split_first()? {
            (0, []) => Some(Self::Confirmation),
            (1, []) => Some(Self::Round(None)),
            (2, state) => Some(Self::Round(Some(String::from_utf8(state.to_vec()).ok()?))),
            _ => None,
        }
    }
}

/// The error of a state that cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unusable;

/// Why a state is not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotOpened {
    Unusable,
    /// It is not known whether the state was used, because the database that the replicas share does not answer.
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "nothing is shared"))]
    Unavailable,
}

impl From<Unusable> for NotOpened {
    fn from(Unusable: Unusable) -> Self {
        Self::Unusable
    }
}

/// The call that a state belongs to.
#[derive(Clone, Copy)]
pub(crate) struct Bound<'a> {
    pub(crate) tool: &'a Descriptor,
    pub(crate) arguments: &'a Map<String, Value>,
    pub(crate) caller: &'a Caller,
}

/// The digest of a call. A state opens only for a call with the same digest.
pub(crate) struct CallDigest([u8; 32]);

impl Bound<'_> {
    pub(crate) fn digest(&self) -> CallDigest {
        let mut hash = Sha256::new();
        // Maps sort their keys, so equal arguments have the same text.
        let arguments = serde_json::to_string(self.arguments).unwrap_or_default();
        let caller = self.caller.identity();
        // A missing issuer is an empty text, which is not a URL.
        let issuer = caller.issuer.unwrap_or_default();
        for part in ["tools/call", self.tool.name, issuer, caller.subject, &arguments] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        CallDigest(hash.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn arguments(symbol: &str) -> Map<String, Value> {
        json!({ "symbol": symbol }).as_object().cloned().unwrap()
    }

    fn with_random_key(clock: Clock) -> Confirmations {
        Confirmations::new(clock, &StateKey::random(), SharedDatabase::default())
    }

    #[tokio::test]
    async fn state_opens_once_and_only_for_its_call() {
        let clock = Clock::manual();
        let confirmations = with_random_key(clock.clone());
        let (tool, other_tool) = (Descriptor::DEFAULT, Descriptor { name: "other", ..Descriptor::DEFAULT });
        let (caller, aapl, msft) = (Caller::local::<&str>([]), arguments("AAPL"), arguments("MSFT"));
        let bound = Bound { tool: &tool, arguments: &aapl, caller: &caller };
        let state = confirmations.seal(&bound.digest(), &RequestState::Confirmation);

        let refused = async |state: &str, bound: &Bound<'_>| {
            assert_eq!(confirmations.open(state, &bound.digest()).await, Err(NotOpened::Unusable));
        };
        refused(&state, &Bound { arguments: &msft, ..bound }).await;
        refused(&state, &Bound { tool: &other_tool, ..bound }).await;
        for other in
            [Caller::new(Some("https://a.example"), "local", [""; 0]), Caller::new(None, "ada", [""; 0])]
        {
            refused(&state, &Bound { caller: &other, ..bound }).await;
        }
        refused("", &bound).await;
        refused("garbage!", &bound).await;
        refused(&state[..state.len() - 2], &bound).await;
        let of_other_key = with_random_key(clock.clone());
        refused(&of_other_key.seal(&bound.digest(), &RequestState::Confirmation), &bound).await;
        for at in 0..state.len() {
            let mut bytes = state.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            refused(&String::from_utf8(bytes).unwrap(), &bound).await;
        }
        clock.advance(ANSWER_TIMEOUT.checked_sub(Duration::from_millis(1)).unwrap());
        assert_eq!(confirmations.open(&state, &bound.digest()).await, Ok(RequestState::Confirmation));
        refused(&state, &bound).await;
        let state = confirmations.seal(&bound.digest(), &RequestState::Confirmation);
        clock.advance(ANSWER_TIMEOUT);
        refused(&state, &bound).await;
    }

    #[tokio::test]
    async fn state_returns_its_content() {
        let confirmations = with_random_key(Clock::manual());
        let (tool, caller, none) = (Descriptor::DEFAULT, Caller::local::<&str>([]), Map::new());
        let digest = Bound { tool: &tool, arguments: &none, caller: &caller }.digest();
        for content in [
            RequestState::Confirmation,
            RequestState::Round(None),
            RequestState::Round(Some("step 2, ö".to_owned())),
        ] {
            let state = confirmations.seal(&digest, &content);
            assert!(!state.contains("step"), "the content must not be readable: {state}");
            assert_eq!(confirmations.open(&state, &digest).await, Ok(content));
        }
    }
}
