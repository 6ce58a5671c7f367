//! A JSON web token (RFC 7519, RFC 9068) and keys → what it says of who sends it, once all of it is checked.

use std::time::Duration;

use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, Header, Validation, decode, decode_header};
use serde::Deserialize;

use super::jwks::{KeyMatch, Keys};

/// How far two clocks may be apart.
pub(super) const SKEW: Duration = Duration::from_secs(60);

/// A token with a header that can be read, and nothing checked yet.
pub(super) struct Unchecked<'a> {
    token: &'a str,
    algorithm: Algorithm,
    key: Option<String>,
}

/// What a token says, signed by a key of the issuer's.
#[derive(Deserialize)]
pub(super) struct Claims {
    iss: String,
    sub: String,
    aud: OneOrMany,
    exp: f64,
    nbf: Option<f64>,
    scope: Option<OneOrMany>,
    scp: Option<OneOrMany>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// Why a token is not believed.
pub(super) enum Fault {
    Bad(&'static str),
    /// It may be signed with a key that is newer than those there are.
    UnknownKey,
}

impl<'a> Unchecked<'a> {
    pub(super) fn new(token: &'a str) -> Result<Self, &'static str> {
        // `alg: none`, and what else signs nothing, has no name here.
        let header =
            decode_header(token).map_err(|_| "the token is no JWT that is signed as it should be")?;
        let Header { alg, kid, typ, crit, .. } = header;
        if alg.family() == AlgorithmFamily::Hmac {
            return Err("the token is signed with a shared secret");
        }
        if crit.is_some() {
            return Err("the token has a critical header that is not understood");
        }
        // A token for another purpose, such as logging out, is none for access (RFC 8725 §3.11).
        let typ = typ.map(|typ| typ.to_ascii_lowercase());
        if !matches!(typ.as_deref(), None | Some("jwt" | "at+jwt" | "application/at+jwt")) {
            return Err("the token is of another type than an access token");
        }
        Ok(Self { token, algorithm: alg, key: kid })
    }

    /// The claims, once a key of these has signed them.
    pub(super) fn signed_by(&self, keys: &Keys) -> Result<Claims, Fault> {
        let keys = match keys.matching(self.key.as_deref(), self.algorithm) {
            KeyMatch::Keys(keys) => keys,
            KeyMatch::Unknown => return Err(Fault::UnknownKey),
            KeyMatch::WrongAlgorithm => {
                return Err(Fault::Bad("the token is signed with an algorithm that its key is not for"));
            }
            KeyMatch::TooMany => return Err(Fault::Bad("the token does not name its key (`kid`)")),
        };
        let mut fault = Fault::Bad("the token's signature is not the issuer's");
        for key in keys {
            match self.signed_with(&key.verifier) {
                Ok(claims) => return Ok(claims),
                Err(why) => fault = Fault::Bad(why),
            }
        }
        // Where keys have no names, a newer one cannot be told from a wrong one.
        if self.key.is_none() { Err(Fault::UnknownKey) } else { Err(fault) }
    }

    fn signed_with(&self, key: &DecodingKey) -> Result<Claims, &'static str> {
        let mut only_signature = Validation::new(self.algorithm);
        // The claims are checked below, by the server's clock.
        only_signature.validate_exp = false;
        only_signature.validate_aud = false;
        only_signature.required_spec_claims.clear();
        decode(self.token, key, &only_signature).map(|token| token.claims).map_err(|error| {
            match error.kind() {
                jsonwebtoken::errors::ErrorKind::Json(_) => {
                    "the token has no `iss`, `sub`, `aud` or `exp`, or not as it should be"
                }
                _ => "the token's signature is not the issuer's",
            }
        })
    }
}

impl Claims {
    /// Checks what a signature does not say: that the token is for this server, and for now.
    pub(super) fn check(self, issuer: &str, audience: &str, now: Duration) -> Result<Checked, &'static str> {
        if self.iss != issuer {
            return Err("the token is from another issuer");
        }
        if !self.aud.items().any(|aud| aud == audience) {
            return Err("the token is for another audience");
        }
        if self.sub.is_empty() {
            return Err("the token names no subject");
        }
        let (now, skew) = (now.as_secs_f64(), SKEW.as_secs_f64());
        if now >= self.exp + skew {
            return Err("the token has expired");
        }
        if self.nbf.is_some_and(|nbf| nbf > now + skew) {
            return Err("the token is not in force yet");
        }
        let scopes = self.scope.or(self.scp);
        let scopes = scopes.iter().flat_map(OneOrMany::items).flat_map(str::split_ascii_whitespace);
        Ok(Checked {
            subject: self.sub,
            scopes: scopes.map(str::to_owned).collect(),
            // A time beyond all counting is the end of counting.
            expires: Duration::try_from_secs_f64(self.exp).unwrap_or(Duration::MAX),
        })
    }
}

/// What is believed of a token.
pub(super) struct Checked {
    pub(super) subject: String,
    pub(super) scopes: Vec<String>,
    pub(super) expires: Duration,
}

impl OneOrMany {
    fn items(&self) -> impl Iterator<Item = &str> {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
        .iter()
        .map(String::as_str)
    }
}
