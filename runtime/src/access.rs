//! A request's bearer token → who calls, with which scopes; or why nobody does.
//!
//! Knows nothing of HTTP but the two header values it is about, so that it serves whatever carries them.

mod challenge;
mod metadata;

use std::sync::Arc;

pub use challenge::insufficient_scope;
pub use metadata::Metadata;

use crate::{call::Caller, scopes::Scopes, server::Built};

/// Who may call over HTTP: how a bearer token becomes a [`Caller`].
///
/// Where one way does not know a token, the next is asked: [`Access::or`].
#[derive(Debug)]
pub struct Access {
    ways: Vec<Way>,
    scopes: Arc<Scopes>,
}

#[derive(Debug)]
enum Way {
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

impl Access {
    /// Everybody who can reach the server, with these scopes, parted by spaces. For a loopback address alone.
    pub fn everyone(granted: &str) -> Self {
        let caller = Arc::new(Caller::local(granted.split_whitespace()));
        Self::of(Way::Everyone { granted: granted.to_owned(), caller })
    }

    fn of(way: Way) -> Self {
        Self { ways: vec![way], scopes: Arc::default() }
    }

    /// Asks `other` where this one does not know a token.
    pub fn or(mut self, other: Self) -> Self {
        self.ways.extend(other.ways);
        self
    }

    /// Lets broader scopes carry the narrower ones, as the server says ([`Server::scope_implies`]).
    ///
    /// [`Server::scope_implies`]: crate::Server::scope_implies
    pub fn for_server(mut self, built: &Built) -> Self {
        self.scopes = Arc::clone(built.scopes());
        for way in &mut self.ways {
            match way {
                Way::Everyone { granted, caller } => {
                    *caller = Arc::new(Caller::local(self.scopes.held(granted.split_whitespace())));
                }
            }
        }
        self
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
        let denied =
            if bearer.is_some() { Denied::Bad("the token is not known here") } else { Denied::Missing };
        for way in &self.ways {
            match way {
                Way::Everyone { caller, .. } => return Ok(Arc::clone(caller)),
            }
        }
        Err(denied)
    }
}
