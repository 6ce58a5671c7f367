//! Verifies a JSON web token (RFC 7519, RFC 9068) with an issuer's keys, and reads its claims once all of it is checked.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, Header, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::Value;

use super::jwks::{IssuerKeys, KeyMatch};

/// The accepted difference between the clocks of the issuer and of this server.
pub(super) const MAX_CLOCK_SKEW: Duration = Duration::from_secs(60);

const MALFORMED_CLAIMS: &str =
    "a claim of the token is missing or malformed: expected `iss`, `sub`, `aud` and `exp`";

/// A token whose header is readable, before any check.
pub(super) struct UnverifiedToken<'a> {
    token: &'a str,
    algorithm: Algorithm,
    key_id: Option<String>,
}

/// The claims of a token that a key of the issuer has signed.
#[derive(Deserialize)]
pub(super) struct Claims {
    iss: String,
    sub: String,
    aud: OneOrMany,
    exp: f64,
    nbf: Option<f64>,
    iat: Option<Value>,
    scope: Option<OneOrMany>,
    scp: Option<OneOrMany>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// The reason for refusing a token.
pub(super) enum TokenError {
    Bad(&'static str),
    /// The key is not in the set. The issuer may have added it since.
    UnknownKey,
}

impl<'a> UnverifiedToken<'a> {
    pub(super) fn new(token: &'a str) -> Result<Self, &'static str> {
        // `alg: none` is not among the algorithms that can be decoded.
        let header = decode_header(token).map_err(|_| "the token is not a signed JWT")?;
        let Header { alg, kid, typ, crit, .. } = header;
        if alg.family() == AlgorithmFamily::Hmac {
            return Err("the token is signed with a shared secret");
        }
        if crit.is_some() {
            return Err("the token has a critical header (`crit`), which this server does not support");
        }
        // A token for another purpose, such as logging out, does not give access (RFC 8725 §3.11).
        let typ = typ.map(|typ| typ.to_ascii_lowercase());
        if !matches!(typ.as_deref(), None | Some("jwt" | "at+jwt" | "application/at+jwt")) {
            return Err("the token's type (`typ`) is not that of an access token");
        }
        Ok(Self { token, algorithm: alg, key_id: kid })
    }

    /// The claims before any key has verified them. They can only be a reason to refuse the token.
    pub(super) fn unverified_claims(&self) -> Result<Claims, &'static str> {
        let claims = self.token.split('.').nth(1).and_then(|claims| BASE64.decode(claims).ok());
        claims.and_then(|claims| serde_json::from_slice(&claims).ok()).ok_or(MALFORMED_CLAIMS)
    }

    /// The claims, if one of these keys has signed them.
    pub(super) fn signed_by(&self, keys: &IssuerKeys) -> Result<Claims, TokenError> {
        let keys = match keys.matching(self.key_id.as_deref(), self.algorithm) {
            KeyMatch::Keys(keys) => keys,
            KeyMatch::Unknown => return Err(TokenError::UnknownKey),
            KeyMatch::WrongAlgorithm => {
                return Err(TokenError::Bad(
                    "the token's key is not for the algorithm that signed the token",
                ));
            }
            KeyMatch::TooMany => return Err(TokenError::Bad("the token does not name its key (`kid`)")),
        };
        let mut error = TokenError::Bad("the token's signature does not match the issuer's key");
        for key in keys {
            match self.signed_with(&key.verifier) {
                Ok(claims) => return Ok(claims),
                Err(reason) => error = TokenError::Bad(reason),
            }
        }
        // Without key ids, a newer key cannot be distinguished from a wrong one.
        if self.key_id.is_none() { Err(TokenError::UnknownKey) } else { Err(error) }
    }

    fn signed_with(&self, key: &DecodingKey) -> Result<Claims, &'static str> {
        let mut signature_only = Validation::new(self.algorithm);
        // `Claims::check` compares the times with the server's own clock.
        signature_only.validate_exp = false;
        signature_only.validate_aud = false;
        signature_only.required_spec_claims.clear();
        decode(self.token, key, &signature_only).map(|token| token.claims).map_err(|error| {
            match error.kind() {
                jsonwebtoken::errors::ErrorKind::Json(_) => MALFORMED_CLAIMS,
                _ => "the token's signature does not match the issuer's key",
            }
        })
    }
}

impl Claims {
    /// The time at which the token was issued, since 1970, if it has a plausible one.
    pub(super) fn issued(&self) -> Option<Duration> {
        Duration::try_from_secs_f64(self.iat.as_ref()?.as_f64()?).ok()
    }

    /// Checks that the token is meant for this server and valid now.
    pub(super) fn check(
        self,
        issuer: &str,
        audience: &str,
        now: Duration,
    ) -> Result<AcceptedClaims, &'static str> {
        if self.iss != issuer {
            return Err("the token is from another issuer");
        }
        if !self.aud.items().any(|aud| aud == audience) {
            return Err("the token is for another audience");
        }
        if self.sub.is_empty() {
            return Err("the token's subject (`sub`) is empty");
        }
        let (now, skew) = (now.as_secs_f64(), MAX_CLOCK_SKEW.as_secs_f64());
        if now >= self.exp + skew {
            return Err("the token has expired");
        }
        if self.nbf.is_some_and(|nbf| nbf > now + skew) {
            return Err("the token is not valid yet (`nbf`)");
        }
        let scopes = self.scope.or(self.scp);
        let scopes = scopes.iter().flat_map(OneOrMany::items).flat_map(str::split_ascii_whitespace);
        Ok(AcceptedClaims {
            subject: self.sub,
            scopes: scopes.map(str::to_owned).collect(),
            // `exp` may be larger than a `Duration` can hold.
            expires: Duration::try_from_secs_f64(self.exp).unwrap_or(Duration::MAX),
        })
    }
}

/// The claims that the caller is made from.
pub(super) struct AcceptedClaims {
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
