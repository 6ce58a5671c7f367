//! A person's word before a write: the question, and the sealed state that ties an answer to it.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use chacha20poly1305::{
    Key, KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::{
    clock::Clock,
    tool::{
        call::Caller,
        descriptor::{Descriptor, Effect},
    },
};

/// How long a person may take.
pub(crate) const EXPIRY: Duration = Duration::from_secs(600);
/// Bytes of the nonce, which is also what makes a state single-use.
const NONCE: usize = 24;

/// What seals and opens `requestState` (MCP 2026-07-28, multi round-trip requests). The key lives as long as the
/// process: a state of another process is refused like any other that is wrong.
pub(crate) struct Confirmations {
    cipher: XChaCha20Poly1305,
    clock: Clock,
    /// States that were used, until they would have expired.
    used: Mutex<HashMap<[u8; NONCE], Duration>>,
}

impl Confirmations {
    pub(crate) fn new(clock: Clock) -> Self {
        let mut key = [0; 32];
        fill(&mut key);
        Self { cipher: XChaCha20Poly1305::new(&Key::from(key)), clock, used: Mutex::default() }
    }

    /// A state for one question: it opens only for this tool, these arguments, this caller, until it expires.
    pub(crate) fn seal(&self, bound: &CallDigest, kept: &RequestState) -> String {
        let mut nonce = [0; NONCE];
        fill(&mut nonce);
        let expiry = (self.clock.elapsed() + EXPIRY).as_millis();
        let expiry = u64::try_from(expiry).unwrap_or(u64::MAX).to_be_bytes();
        let message = [&expiry[..], &kept.bytes()].concat();
        let payload = Payload { msg: &message, aad: &bound.0 };
        let sealed =
            self.cipher.encrypt(&XNonce::from(nonce), payload).expect("what fits in memory can be sealed");
        BASE64.encode([&nonce[..], &sealed].concat())
    }

    /// Opens a state, once. All that can be wrong with it is one error: it tells a forger nothing.
    pub(crate) fn open(&self, state: &str, bound: &CallDigest) -> Result<RequestState, Unusable> {
        let bytes = BASE64.decode(state).map_err(|_| Unusable)?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE>().ok_or(Unusable)?;
        let payload = Payload { msg: sealed, aad: &bound.0 };
        let message = self.cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| Unusable)?;
        let (expiry, kept) = message.split_first_chunk::<8>().ok_or(Unusable)?;
        let kept = RequestState::read(kept).ok_or(Unusable)?;
        let (now, expiry) = (self.clock.elapsed(), Duration::from_millis(u64::from_be_bytes(*expiry)));
        if now >= expiry {
            return Err(Unusable);
        }
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.retain(|_, expiry| *expiry > now);
        match used.insert(*nonce, expiry) {
            None => Ok(kept),
            Some(_) => Err(Unusable),
        }
    }
}

/// What a state says, once it is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RequestState {
    /// A person was asked whether the tool may be called.
    Confirmation,
    /// The tool itself asked, after all that comes before it, with a state of its own or none.
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

/// A state that confirms nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unusable;

/// What a confirmation is for.
#[derive(Clone, Copy)]
pub(crate) struct Bound<'a> {
    pub(crate) tool: &'a Descriptor,
    pub(crate) arguments: &'a Map<String, Value>,
    pub(crate) caller: &'a Caller,
}

/// A call's own digest: a state that bears another opens for it never.
pub(crate) struct CallDigest([u8; 32]);

impl Bound<'_> {
    pub(crate) fn digest(&self) -> CallDigest {
        let mut hash = Sha256::new();
        // Maps sort their keys, so equal arguments have one text.
        let arguments = serde_json::to_string(self.arguments).unwrap_or_default();
        let caller = self.caller.identity();
        // No issuer is an empty text, which is no URL.
        let issuer = caller.issuer.unwrap_or_default();
        for part in ["tools/call", self.tool.name, issuer, caller.subject, &arguments] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        CallDigest(hash.finalize().into())
    }
}

/// Randomness of the system's. Without any there is no server: every promise of this module rests on it.
fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the system gives random bytes");
}

/// The longest value that a question shows, in characters.
const SHOWN: usize = 200;

/// What the person is asked: tool, effect and arguments in plain words, secrets masked.
pub(crate) fn question(tool: &Descriptor, arguments: &Map<String, Value>) -> String {
    let effect = match (tool.effect, tool.idempotent) {
        (Effect::ReadOnly, _) => "It changes nothing.",
        (Effect::Additive, _) => "It adds, and removes nothing.",
        (Effect::Destructive, false) => "It may change or remove what is there.",
        (Effect::Destructive, true) => {
            "It may change or remove what is there; repeating it changes nothing more."
        }
    };
    let mut text = format!("Allow `{}`? {}\n{effect}", tool.name, tool.description);
    for param in tool.params {
        if let Some(value) = arguments.get(param.name) {
            let value = if param.secret { "(secret)".to_owned() } else { shown(value) };
            text += &format!("\n{}: {value}", param.name);
        }
    }
    text
}

/// A value on one line, without what could pass for more of the question.
fn shown(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let clean = |c: char| if crate::text::is_hidden(c) || c == '\n' || c == '\t' { '\u{FFFD}' } else { c };
    let mut line: String = text.chars().take(SHOWN).map(clean).collect();
    if text.chars().nth(SHOWN).is_some() {
        line += &format!("… ({} characters)", text.chars().count());
    }
    line
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn arguments(symbol: &str) -> Map<String, Value> {
        json!({ "symbol": symbol }).as_object().cloned().unwrap()
    }

    #[test]
    fn a_state_opens_once_and_only_for_what_it_was_sealed_for() {
        let clock = Clock::manual();
        let confirmations = Confirmations::new(clock.clone());
        let (tool, other_tool) = (Descriptor::DEFAULT, Descriptor { name: "other", ..Descriptor::DEFAULT });
        let (caller, aapl, msft) = (Caller::local::<&str>([]), arguments("AAPL"), arguments("MSFT"));
        let bound = Bound { tool: &tool, arguments: &aapl, caller: &caller };
        let state = confirmations.seal(&bound.digest(), &RequestState::Confirmation);

        let refused = |state: &str, bound: &Bound<'_>| {
            assert_eq!(confirmations.open(state, &bound.digest()), Err(Unusable));
        };
        refused(&state, &Bound { arguments: &msft, ..bound });
        refused(&state, &Bound { tool: &other_tool, ..bound });
        for other in
            [Caller::new(Some("https://a.example"), "local", [""; 0]), Caller::new(None, "ada", [""; 0])]
        {
            refused(&state, &Bound { caller: &other, ..bound });
        }
        refused("", &bound);
        refused("garbage!", &bound);
        refused(&state[..state.len() - 2], &bound);
        refused(
            &Confirmations::new(Clock::manual()).seal(&bound.digest(), &RequestState::Confirmation),
            &bound,
        );
        for at in 0..state.len() {
            let mut bytes = state.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            refused(&String::from_utf8(bytes).unwrap(), &bound);
        }
        clock.advance(EXPIRY.checked_sub(Duration::from_millis(1)).unwrap());
        assert_eq!(confirmations.open(&state, &bound.digest()), Ok(RequestState::Confirmation));
        refused(&state, &bound);
        let state = confirmations.seal(&bound.digest(), &RequestState::Confirmation);
        clock.advance(EXPIRY);
        refused(&state, &bound);
    }

    #[test]
    fn a_state_gives_back_what_was_kept_in_it() {
        let confirmations = Confirmations::new(Clock::manual());
        let (tool, caller, none) = (Descriptor::DEFAULT, Caller::local::<&str>([]), Map::new());
        let digest = Bound { tool: &tool, arguments: &none, caller: &caller }.digest();
        for kept in [
            RequestState::Confirmation,
            RequestState::Round(None),
            RequestState::Round(Some("step 2, ö".to_owned())),
        ] {
            let state = confirmations.seal(&digest, &kept);
            assert!(!state.contains("step"), "what is kept is not to be read: {state}");
            assert_eq!(confirmations.open(&state, &digest), Ok(kept));
        }
    }

    #[test]
    fn a_value_cannot_write_more_of_the_question() {
        assert_eq!(shown(&json!("AAPL\nAllow it\u{202E}")), "AAPL\u{FFFD}Allow it\u{FFFD}");
        assert!(shown(&json!("x".repeat(300))).ends_with("… (300 characters)"));
    }
}
