//! Turns a set of JSON web keys (RFC 7517) into keys that verify tokens, each limited to the algorithms of its kind.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::Value;

use crate::message::Message;

/// The most keys that one set may hold.
const MAX_SET_KEYS: usize = 100;
/// The most keys that are tried for a token without `kid`.
const MAX_TRIED_KEYS: usize = 4;
const RSA_ALGORITHMS: &[Algorithm] = &[
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];
/// The sizes of an RSA modulus in bytes: smaller ones are too weak, and the verifier does not support larger ones.
const RSA_MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=512;

/// An issuer's set, as it arrives.
#[derive(Deserialize)]
pub(super) struct Jwks {
    keys: Vec<Value>,
}

/// The keys of an issuer that can verify a token.
#[derive(Debug)]
pub(super) struct IssuerKeys {
    keys: Vec<IssuerKey>,
    /// The set that they were made from, to compare it with a newer one.
    source: Vec<Value>,
}

#[derive(Debug)]
pub(super) struct IssuerKey {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    pub(super) verifier: DecodingKey,
}

/// The keys that may have signed a token.
pub(super) enum KeyMatch<'a> {
    Keys(Vec<&'a IssuerKey>),
    /// The set does not have the key. A newer set may have it.
    Unknown,
    /// The set has the key, but not for this algorithm.
    WrongAlgorithm,
    /// The token does not name its key, and the set has too many to try.
    TooMany,
}

impl IssuerKeys {
    /// Reads a set. Keys of other kinds and for other purposes are ignored, as RFC 7517 §5 requires.
    pub(super) fn new(jwks: Jwks) -> Result<Self, Message> {
        if jwks.keys.len() > MAX_SET_KEYS {
            return Err(Message::new(format!("it holds more than {MAX_SET_KEYS} keys")));
        }
        let keys: Vec<IssuerKey> = jwks.keys.iter().filter_map(IssuerKey::new).collect();
        if keys.is_empty() {
            return Err(Message::new("it does not hold a key that can verify a token"));
        }
        Ok(Self { keys, source: jwks.keys })
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.source == other.source
    }

    pub(super) fn matching(&self, id: Option<&str>, algorithm: Algorithm) -> KeyMatch<'_> {
        let fits = |key: &&IssuerKey| key.algorithms.contains(&algorithm);
        let keys: Vec<&IssuerKey> = match id {
            Some(_) => {
                let mut named = self.keys.iter().filter(|key| key.id.as_deref() == id).peekable();
                if named.peek().is_none() {
                    return KeyMatch::Unknown;
                }
                named.filter(fits).collect()
            }
            None => self.keys.iter().filter(fits).collect(),
        };
        match keys.len() {
            0 => KeyMatch::WrongAlgorithm,
            more if more > MAX_TRIED_KEYS => KeyMatch::TooMany,
            _ => KeyMatch::Keys(keys),
        }
    }
}

impl IssuerKey {
    fn new(value: &Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value.clone()).ok()?;
        let common = &jwk.common;
        let signs = common.public_key_use.as_ref().is_none_or(|r#use| *r#use == PublicKeyUse::Signature);
        let verifies = common
            .key_operations
            .as_ref()
            .is_none_or(|operations| operations.contains(&KeyOperations::Verify));
        if !signs || !verifies {
            return None;
        }
        let mut algorithms = algorithms(&jwk.algorithm)?.to_vec();
        if let Some(pinned) = common.key_algorithm {
            let pinned = Algorithm::try_from(pinned).ok()?;
            algorithms.retain(|algorithm| *algorithm == pinned);
        }
        if algorithms.is_empty() {
            return None;
        }
        Some(Self { id: common.key_id.clone(), algorithms, verifier: DecodingKey::from_jwk(&jwk).ok()? })
    }
}

/// The algorithms that a key of this kind and size may verify. A symmetric key verifies nothing: publishing it lets
/// anyone sign (RFC 8725 §2.1).
fn algorithms(kind: &AlgorithmParameters) -> Option<&'static [Algorithm]> {
    let bytes = |text: &str| BASE64.decode(text).ok();
    match kind {
        AlgorithmParameters::RSA(rsa) => {
            let modulus = bytes(&rsa.n)?;
            let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
            RSA_MODULUS_BYTES.contains(&(modulus.len() - zeros)).then_some(RSA_ALGORITHMS)
        }
        AlgorithmParameters::EllipticCurve(ec) => {
            let size = |n: usize| Some((bytes(&ec.x)?.len(), bytes(&ec.y)?.len()) == (n, n));
            match ec.curve {
                EllipticCurve::P256 => size(32)?.then_some(&[Algorithm::ES256]),
                EllipticCurve::P384 => size(48)?.then_some(&[Algorithm::ES384]),
                _ => None,
            }
        }
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
            (bytes(&pair.x)?.len() == 32).then_some(&[Algorithm::EdDSA])
        }
        _ => None,
    }
}
