//! A request's bearer token → who calls, with which scopes; or why nobody does.
//!
//! Knows nothing of HTTP but the two header values it is about, so that it serves whatever carries them.

mod challenge;
#[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "only the command line writes keys"))]
pub(crate) mod keyfile;
mod keys;
mod metadata;
#[cfg(feature = "oauth")]
mod oauth;

use std::{fmt, path::Path, sync::Arc};

pub use challenge::insufficient_scope;
pub use metadata::Metadata;

use crate::{clock::Clock, scopes::Scopes, server::Service, tool::caller::Caller};
use keys::Keys;

/// Who may call over HTTP: how a bearer token becomes a [`Caller`].
///
/// Where one way does not know a token, the next is asked: [`Access::or`].
#[derive(Debug)]
pub struct Access {
    ways: Vec<Way>,
    scopes: Arc<Scopes>,
    clock: Clock,
}

#[derive(Debug)]
enum Way {
    /// Those who hold an API key.
    Keys(Keys),
    /// Those whom an authorization server vouches for.
    #[cfg(feature = "oauth")]
    OAuth(oauth::OAuth),
    /// Whoever comes.
    Everyone { granted: String, caller: Arc<Caller> },
}

/// Why nobody calls. Says nothing of the token itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Denied {
    /// There is no token: 401.
    Missing,
    /// The token is not to be believed, and what is wrong with it: 401, `invalid_token` (RFC 6750 §3.1).
    Bad(&'static str),
    /// Nobody can tell now, because the authorization server's keys cannot be had: 503.
    Unavailable,
}

/// The longest token that is looked at, in bytes.
const LONGEST: usize = 16 * 1024;

impl Way {
    fn issuer(&self) -> Option<&str> {
        match self {
            #[cfg(feature = "oauth")]
            Self::OAuth(oauth) => Some(oauth.issuer()),
            _ => None,
        }
    }
}

impl Access {
    /// The holders of the API keys in a file, as `token new` writes it.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is no file of keys.
    pub fn tokens(file: impl AsRef<Path>) -> Result<Self, AccessError> {
        Ok(Self::of(Way::Keys(Keys::read(file.as_ref())?)))
    }

    /// Those who hold a token of an OAuth 2.1 authorization server: a JWT of this `issuer` for this `audience`, signed
    /// with one of the keys that the issuer's metadata names (RFC 8414, RFC 9068).
    ///
    /// # Errors
    ///
    /// The issuer is no `https` address and not on this machine, or there is no audience.
    #[cfg(feature = "oauth")]
    pub fn oauth(issuer: &str, audience: &str) -> Result<Self, AccessError> {
        Ok(Self::of(Way::OAuth(oauth::OAuth::new(issuer, audience)?)))
    }

    /// Everybody who can reach the server, with these scopes, parted by spaces. For a loopback address alone.
    pub fn everyone(granted: &str) -> Self {
        let caller = Arc::new(Caller::local(granted.split_whitespace()));
        Self::of(Way::Everyone { granted: granted.to_owned(), caller })
    }

    fn of(way: Way) -> Self {
        Self { ways: vec![way], scopes: Arc::default(), clock: Clock::default() }
    }

    /// Asks `other` where this one does not know a token.
    pub fn or(mut self, other: Self) -> Self {
        self.ways.extend(other.ways);
        self
    }

    /// Lets broader scopes carry the narrower ones, as the server says ([`Server::scope_implies`]).
    ///
    /// [`Server::scope_implies`]: crate::Server::scope_implies
    pub fn for_server(mut self, service: &Service) -> Self {
        self.scopes = Arc::clone(service.scopes());
        for way in &mut self.ways {
            match way {
                Way::Keys(keys) => keys.widen(&self.scopes),
                #[cfg(feature = "oauth")]
                Way::OAuth(oauth) => oauth.widen(),
                Way::Everyone { granted, caller } => {
                    *caller = Arc::new(Caller::local(self.scopes.held(granted.split_whitespace())));
                }
            }
        }
        self
    }

    /// Where expiry takes its time from; for tests.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Reads again what stands in files. What cannot be read changes nothing: the keys of before stay in force.
    ///
    /// # Errors
    ///
    /// A file cannot be read, or is no file of keys.
    pub fn reload(&self) -> Result<(), AccessError> {
        for way in &self.ways {
            if let Way::Keys(keys) = way {
                keys.reload(&self.scopes)?;
            }
        }
        Ok(())
    }

    /// What whoever starts the server should know, in the lines of an error message.
    pub fn warnings(&self) -> Vec<String> {
        let now = self.clock.since_1970().as_secs();
        let of = |way: &Way| match way {
            Way::Keys(keys) => keys.warnings(now),
            #[cfg(feature = "oauth")]
            Way::OAuth(_) => Vec::new(),
            Way::Everyone { .. } => Vec::new(),
        };
        self.ways.iter().flat_map(of).collect()
    }

    /// The authorization servers whose tokens are taken, for [`Metadata`].
    pub fn issuers(&self) -> Vec<&str> {
        self.ways.iter().filter_map(Way::issuer).collect()
    }

    /// Fetches what has to be there before a caller can be told: the keys of authorization servers.
    ///
    /// A server may start without: each request that needs them tries again.
    ///
    /// # Errors
    ///
    /// They cannot be had now, and why.
    pub async fn prepare(&self) -> Result<(), AccessError> {
        for way in &self.ways {
            match way {
                #[cfg(feature = "oauth")]
                Way::OAuth(oauth) => oauth.prepare(&self.clock).await?,
                Way::Keys(_) | Way::Everyone { .. } => {}
            }
        }
        Ok(())
    }

    /// Whether a caller has to show anything. Without, only a loopback address is safe.
    pub fn asks(&self) -> bool {
        !self.ways.iter().any(|way| matches!(way, Way::Everyone { .. }))
    }

    /// Who sends this token (`Authorization: Bearer`, without the word).
    ///
    /// # Errors
    ///
    /// Nobody does, or nobody can tell.
    pub async fn caller(&self, bearer: Option<&str>) -> Result<Arc<Caller>, Denied> {
        let now = self.clock.since_1970();
        let mut denied = None;
        for way in &self.ways {
            let known = match (way, bearer) {
                (Way::Everyone { caller, .. }, _) => Some(Ok(Arc::clone(caller))),
                (_, None) => Some(Err(Denied::Missing)),
                (_, Some(token)) if token.is_empty() || token.len() > LONGEST => {
                    Some(Err(Denied::Bad("the token is empty, or too long to be one")))
                }
                (Way::Keys(keys), Some(key)) => keys.caller(key, now.as_secs()),
                #[cfg(feature = "oauth")]
                (Way::OAuth(oauth), Some(token)) => oauth.caller(token, &self.clock, &self.scopes).await,
            };
            match known {
                Some(Ok(caller)) => return Ok(caller),
                Some(Err(why)) => denied = Some(why),
                None => {}
            }
        }
        Err(denied.unwrap_or(Denied::Bad("the token is not known here")))
    }
}

/// Why nothing can say who calls: a file or an address that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessError(String);

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for AccessError {}
