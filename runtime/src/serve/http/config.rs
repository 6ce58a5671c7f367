//! Configures how a server is reached over HTTP, and by which callers.

use std::{net::SocketAddr, time::Duration};

use crate::access::Access;

/// The address of a server, and the callers that it lets in.
pub(crate) struct HttpConfig {
    pub(crate) address: SocketAddr,
    pub(crate) access: Access,
    /// A separate address for health checks; without one they share `address`.
    pub(crate) health: Option<SocketAddr>,
    /// The server's own URL for its metadata (RFC 9728), if an authorization server issues the tokens.
    pub(crate) resource: Option<String>,
    /// Names in `Host` that the server answers to, besides those of loopback.
    pub(crate) hosts: Vec<String>,
    /// Origins whose pages may call, besides the server's own and those of loopback.
    pub(crate) origins: Vec<String>,
    pub(crate) limits: HttpLimits,
}

/// The bounds on what clients can make the server hold or wait for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HttpLimits {
    pub(crate) sessions: usize,
    /// The requests of one session whose calls may run at the same time, also after their clients have gone.
    pub(crate) requests_per_session: usize,
    pub(crate) connections: usize,
    /// The bytes of one request's body.
    pub(crate) body_bytes: usize,
    /// The time that a request's body may take.
    pub(crate) body_timeout: Duration,
    /// The time that a connection may wait for the next request, and that the request's head may take. Longer than the
    /// idle timeout of common proxies (60 s), which would otherwise reuse a connection that is being closed.
    pub(crate) idle_timeout: Duration,
    /// The time after which a call is answered by an event stream, and between two comments in it. Common proxies give up
    /// after 60 s without a byte.
    pub(crate) keep_alive: Duration,
    /// The time for which a client may read nothing of its answer.
    pub(crate) write_timeout: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            sessions: 1_000,
            requests_per_session: 256,
            connections: 1_000,
            body_bytes: 4 * 1024 * 1024,
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(120),
            keep_alive: Duration::from_secs(15),
            write_timeout: Duration::from_secs(30),
        }
    }
}
