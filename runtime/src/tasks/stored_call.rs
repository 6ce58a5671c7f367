//! Encrypts the call of a task for the database that replicas share, so that another replica can run it again.

use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    state_key::StateKey,
    tool::{ask::ClientFeatures, descriptor::Descriptor},
};

/// The largest call that is stored, in bytes.
const MAX_STORED_CALL_BYTES: usize = 256 << 10;
const CALL_NONCE_BYTES: usize = 24;

/// Everything about a call that the next run of its handler needs, except its caller, which is the one that asks for the task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredCall {
    pub(crate) tool: String,
    /// The digest of the tool's declaration, as far as the effect of a call depends on it.
    pub(crate) declaration: [u8; 32],
    pub(crate) arguments: Map<String, Value>,
    /// The idempotency key, if it is not among the arguments.
    pub(crate) key: Option<String>,
    pub(crate) features: ClientFeatures,
}

/// The reason why the task of a dead replica does not run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunOnce {
    NotIdempotent,
    Secret,
    TooLarge,
}

impl RunOnce {
    const ALL: [Self; 3] = [Self::NotIdempotent, Self::Secret, Self::TooLarge];

    /// The word in the row of a task.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::NotIdempotent => "not_idempotent",
            Self::Secret => "secret",
            Self::TooLarge => "too_large",
        }
    }

    pub(super) fn read(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.word() == word)
    }

    /// The reason in a sentence.
    pub(super) fn note(self) -> &'static str {
        match self {
            Self::NotIdempotent => "it does not run again: the tool is not declared `idempotent`",
            Self::Secret => "it does not run again: one of its arguments is secret, and was not stored",
            Self::TooLarge => "it does not run again: its arguments are too large to be stored",
        }
    }
}

impl StoredCall {
    /// Returns the call, if it may run again in another replica.
    pub(crate) fn of(
        tool: &Descriptor,
        declaration: [u8; 32],
        arguments: &Map<String, Value>,
        key: Option<String>,
        features: ClientFeatures,
    ) -> Result<Self, RunOnce> {
        if !tool.may_repeat() {
            return Err(RunOnce::NotIdempotent);
        }
        if tool.params.iter().any(|param| param.secret && arguments.contains_key(param.name)) {
            return Err(RunOnce::Secret);
        }
        let (tool, arguments) = (tool.name.to_owned(), arguments.clone());
        Ok(Self { tool, declaration, arguments, key, features })
    }
}

/// Encrypts calls under the key that the replicas share.
pub(super) struct CallCipher(XChaCha20Poly1305);

impl CallCipher {
    pub(super) fn new(key: &StateKey) -> Self {
        Self(key.cipher())
    }

    /// Encrypts the call of the task `id`.
    pub(super) fn seal(&self, id: &str, call: &StoredCall) -> Result<Vec<u8>, RunOnce> {
        let text = serde_json::to_vec(call).map_err(|_| RunOnce::TooLarge)?;
        if text.len() > MAX_STORED_CALL_BYTES {
            return Err(RunOnce::TooLarge);
        }
        let mut nonce = [0; CALL_NONCE_BYTES];
        getrandom::fill(&mut nonce).expect("the operating system provides random bytes");
        let payload = Payload { msg: &text, aad: &bound_to(id) };
        let sealed = self.0.encrypt(&XNonce::from(nonce), payload).map_err(|_| RunOnce::TooLarge)?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// Decrypts the call of the task `id`; `None` if it was encrypted for another task or under another key.
    pub(super) fn open(&self, id: &str, sealed: &[u8]) -> Option<StoredCall> {
        let (nonce, sealed) = sealed.split_first_chunk::<CALL_NONCE_BYTES>()?;
        let payload = Payload { msg: sealed, aad: &bound_to(id) };
        serde_json::from_slice(&self.0.decrypt(&XNonce::from(*nonce), payload).ok()?).ok()
    }
}

/// The use of a cipher text: no state of a question is one.
fn bound_to(id: &str) -> Vec<u8> {
    [b"candor task call v1\0", id.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tool::{args::Argument as _, descriptor::Param};

    const TOOL: Descriptor = Descriptor {
        name: "put",
        idempotent: true,
        params: &[
            Param { name: "item", ..Value::PARAM },
            Param { name: "token", secret: true, ..Value::PARAM },
        ],
        ..Descriptor::DEFAULT
    };

    fn call(tool: &Descriptor, arguments: &Value) -> Result<StoredCall, RunOnce> {
        let arguments = arguments.as_object().expect("an object");
        let features = ClientFeatures { form: true, ..ClientFeatures::default() };
        StoredCall::of(tool, [1; 32], arguments, Some("0123456789abcdef".to_owned()), features)
    }

    #[test]
    fn call_is_opened_for_its_task_and_under_its_key_alone() {
        let (key, other) = (StateKey::random(), StateKey::random());
        let call = call(&TOOL, &json!({"item": "x"})).unwrap();
        let sealed = CallCipher::new(&key).seal("task", &call).unwrap();
        assert!(!sealed.windows(4).any(|bytes| bytes == b"item"));
        assert_eq!(CallCipher::new(&key).open("task", &sealed), Some(call));
        assert_eq!(CallCipher::new(&key).open("another", &sealed), None);
        assert_eq!(CallCipher::new(&other).open("task", &sealed), None);
    }

    #[test]
    fn call_that_must_run_once_says_why() {
        let once = Descriptor { idempotent: false, ..TOOL };
        assert_eq!(call(&once, &json!({})), Err(RunOnce::NotIdempotent));
        assert_eq!(call(&TOOL, &json!({"token": null})), Err(RunOnce::Secret));
        let long = call(&TOOL, &json!({"item": "x".repeat(MAX_STORED_CALL_BYTES)})).unwrap();
        let sealed = CallCipher::new(&StateKey::random()).seal("task", &long);
        assert_eq!(sealed, Err(RunOnce::TooLarge));
        for reason in RunOnce::ALL {
            assert_eq!(RunOnce::read(reason.word()), Some(reason));
        }
    }
}
