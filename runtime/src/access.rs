//! Identifies the caller behind a bearer token and its scopes, or says why the token is refused.
//!
//! Of HTTP, only the values of two headers appear here, so that any transport can use it.

mod api_keys;
mod challenge;
#[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "only the command line writes keys"))]
pub(crate) mod keyfile;
mod metadata;
#[cfg(feature = "oauth")]
mod oauth;

use std::{fmt, path::Path, sync::Arc};

pub use challenge::insufficient_scope;
pub use metadata::Metadata;

use crate::{clock::Clock, message::Message, scopes::Scopes, tool::caller::Caller};
use api_keys::ApiKeys;

/// Decides which callers are accepted over HTTP: turns a bearer token into a [`Caller`].
///
/// Several methods can be combined with [`Access::or`].
#[derive(Debug)]
pub struct Access {
    methods: Vec<AuthMethod>,
    scopes: Arc<Scopes>,
    clock: Clock,
}

#[derive(Debug)]
enum AuthMethod {
    /// API keys of a file.
    ApiKeys(ApiKeys),
    /// Tokens of an authorization server.
    #[cfg(feature = "oauth")]
    OAuth(oauth::OAuth),
    /// No token at all: every caller is the same one.
    Everyone { granted: String, caller: Arc<Caller> },
}

/// The reason for refusing a request. It holds no part of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Denied {
    /// The request has no token: 401.
    Missing,
    /// The token is not accepted, for this reason: 401, `invalid_token` (RFC 6750 §3.1).
    Bad(&'static str),
    /// The token cannot be checked now, because the authorization server's keys are not available: 503.
    Unavailable,
}

/// The longest token that is checked.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

impl AuthMethod {
    fn issuer(&self) -> Option<&str> {
        match self {
            #[cfg(feature = "oauth")]
            Self::OAuth(oauth) => Some(oauth.issuer()),
            _ => None,
        }
    }
}

impl Access {
    /// Accepts the API keys of a file that `token new` writes.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is not a file of API keys.
    pub fn tokens(file: impl AsRef<Path>) -> Result<Self, AccessError> {
        Ok(Self::of(AuthMethod::ApiKeys(ApiKeys::read(file.as_ref())?)))
    }

    /// Accepts tokens of an OAuth 2.1 authorization server: a JWT of this `issuer` for this `audience`, signed with one
    /// of the keys that the issuer's metadata names (RFC 8414, RFC 9068).
    ///
    /// # Errors
    ///
    /// The issuer is neither an `https` address nor an address of this machine, or the audience is empty.
    #[cfg(feature = "oauth")]
    pub fn oauth(issuer: &str, audience: &str) -> Result<Self, AccessError> {
        Ok(Self::of(AuthMethod::OAuth(oauth::OAuth::new(issuer, audience)?)))
    }

    /// Accepts every caller that can reach the server, and grants all of them these scopes, separated by spaces. Safe
    /// on a loopback address only.
    pub fn everyone(granted: &str) -> Self {
        let caller = Arc::new(Caller::local(granted.split_whitespace()));
        Self::of(AuthMethod::Everyone { granted: granted.to_owned(), caller })
    }

    fn of(method: AuthMethod) -> Self {
        Self { methods: vec![method], scopes: Arc::default(), clock: Clock::default() }
    }

    /// Also accepts the callers that `other` accepts. It is asked if this one does not recognize the token.
    pub fn or(mut self, other: Self) -> Self {
        self.methods.extend(other.methods);
        self
    }

    /// Applies the scopes that others imply: a caller who holds the broader scope also holds the narrower ones.
    pub(crate) fn with_scopes(mut self, scopes: &Arc<Scopes>) -> Self {
        self.scopes = Arc::clone(scopes);
        for method in &mut self.methods {
            match method {
                AuthMethod::ApiKeys(keys) => keys.apply_scopes(scopes),
                #[cfg(feature = "oauth")]
                AuthMethod::OAuth(oauth) => oauth.forget_verified(),
                AuthMethod::Everyone { granted, caller } => {
                    *caller = Arc::new(Caller::local(scopes.held(granted.split_whitespace())));
                }
            }
        }
        self
    }

    /// Sets the clock that expiry is compared with, for tests.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Reads the files of API keys again. If a file cannot be read, the keys that were read earlier remain valid.
    ///
    /// # Errors
    ///
    /// A file cannot be read, or is not a file of API keys.
    pub fn reload(&self) -> Result<(), AccessError> {
        for method in &self.methods {
            if let AuthMethod::ApiKeys(keys) = method {
                keys.reload(&self.scopes)?;
            }
        }
        Ok(())
    }

    /// Lists problems that do not stop the server but that its operator should know.
    pub fn warnings(&self) -> Vec<Message> {
        let now = self.clock.since_1970().as_secs();
        let of = |method: &AuthMethod| match method {
            AuthMethod::ApiKeys(keys) => keys.warnings(now),
            #[cfg(feature = "oauth")]
            AuthMethod::OAuth(_) => Vec::new(),
            AuthMethod::Everyone { .. } => Vec::new(),
        };
        self.methods.iter().flat_map(of).collect()
    }

    /// The authorization servers whose tokens are accepted, for [`Metadata`].
    pub fn issuers(&self) -> Vec<&str> {
        self.methods.iter().filter_map(AuthMethod::issuer).collect()
    }

    /// Fetches the keys of the authorization servers.
    ///
    /// A server may start without them: each request that needs them tries again.
    ///
    /// # Errors
    ///
    /// The keys are not available now; the error says why.
    pub async fn prepare(&self) -> Result<(), AccessError> {
        for method in &self.methods {
            match method {
                #[cfg(feature = "oauth")]
                AuthMethod::OAuth(oauth) => oauth.prepare(&self.clock).await?,
                AuthMethod::ApiKeys(_) | AuthMethod::Everyone { .. } => {}
            }
        }
        Ok(())
    }

    /// Whether a caller needs a token. If not, only a loopback address is safe.
    pub fn requires_token(&self) -> bool {
        !self.methods.iter().any(|method| matches!(method, AuthMethod::Everyone { .. }))
    }

    /// Identifies the caller who sent this token (the value of `Authorization: Bearer`, without the scheme).
    ///
    /// # Errors
    ///
    /// The token is missing or not accepted, or cannot be checked now.
    pub async fn caller(&self, bearer: Option<&str>) -> Result<Arc<Caller>, Denied> {
        let now = self.clock.since_1970();
        let mut denied = None;
        for method in &self.methods {
            let result = match (method, bearer) {
                (AuthMethod::Everyone { caller, .. }, _) => Some(Ok(Arc::clone(caller))),
                (_, None) => Some(Err(Denied::Missing)),
                (_, Some(token)) if token.is_empty() || token.len() > MAX_TOKEN_BYTES => {
                    Some(Err(Denied::Bad("the token is empty or longer than 16 KiB")))
                }
                (AuthMethod::ApiKeys(keys), Some(key)) => keys.caller(key, now.as_secs()),
                #[cfg(feature = "oauth")]
                (AuthMethod::OAuth(oauth), Some(token)) => {
                    oauth.caller(token, &self.clock, &self.scopes).await
                }
            };
            match result {
                Some(Ok(caller)) => return Ok(caller),
                Some(Err(reason)) => denied = Some(reason),
                None => {}
            }
        }
        Err(denied.unwrap_or(Denied::Bad("this server does not recognize the token")))
    }
}

/// The reason why callers cannot be identified: a file or an address that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessError(Message);

impl AccessError {
    /// The error as a message in three parts.
    pub fn message(&self) -> &Message {
        &self.0
    }
}

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for AccessError {}

impl From<AccessError> for Message {
    fn from(error: AccessError) -> Self {
        error.0
    }
}
