//! A set of JSON web keys (RFC 7517) → keys that verify, each pinned to the algorithms it is for.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::Value;

/// The most keys of one set.
const MOST: usize = 100;
/// The most keys that a token without `kid` is held against.
const MOST_UNNAMED: usize = 4;
const RSA: &[Algorithm] = &[
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];
/// RSA moduli in bytes: below is too weak, above the verifier does not go.
const MODULUS: std::ops::RangeInclusive<usize> = 256..=512;

/// An issuer's set, as it is sent.
#[derive(Deserialize)]
pub(super) struct Jwks {
    keys: Vec<Value>,
}

/// The keys of an issuer that can verify a token.
#[derive(Debug)]
pub(super) struct Keys {
    keys: Vec<Key>,
    /// The set they were made from, to tell whether another is the same.
    source: Vec<Value>,
}

#[derive(Debug)]
pub(super) struct Key {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    pub(super) verifier: DecodingKey,
}

/// The keys that a token may be signed with.
pub(super) enum KeyMatch<'a> {
    Keys(Vec<&'a Key>),
    /// The set has no such key, and a newer one might.
    Unknown,
    /// The key is there, and not for this algorithm.
    WrongAlgorithm,
    /// The token names no key, and there are many.
    TooMany,
}

impl Keys {
    /// Keys of other kinds and for other purposes are left out, as RFC 7517 §5 wants it.
    pub(super) fn new(jwks: Jwks) -> Result<Self, String> {
        if jwks.keys.len() > MOST {
            return Err(format!("it holds more than {MOST} keys"));
        }
        let keys: Vec<Key> = jwks.keys.iter().filter_map(Key::new).collect();
        if keys.is_empty() {
            return Err("it holds no key that could verify a token".to_owned());
        }
        Ok(Self { keys, source: jwks.keys })
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.source == other.source
    }

    pub(super) fn matching(&self, id: Option<&str>, algorithm: Algorithm) -> KeyMatch<'_> {
        let fits = |key: &&Key| key.algorithms.contains(&algorithm);
        let keys: Vec<&Key> = match id {
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
            more if more > MOST_UNNAMED => KeyMatch::TooMany,
            _ => KeyMatch::Keys(keys),
        }
    }
}

impl Key {
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

/// What a key of this kind and size may verify. A symmetric key never may: whoever publishes one publishes the means to
/// sign (RFC 8725 §2.1).
fn algorithms(kind: &AlgorithmParameters) -> Option<&'static [Algorithm]> {
    let bytes = |text: &str| BASE64.decode(text).ok();
    match kind {
        AlgorithmParameters::RSA(rsa) => {
            let modulus = bytes(&rsa.n)?;
            let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
            MODULUS.contains(&(modulus.len() - zeros)).then_some(RSA)
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
