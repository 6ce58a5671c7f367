//! Fetches a JSON document over HTTP, with limits on its time, its size and its address.

use std::{fmt, sync::LazyLock, time::Duration};

use serde::de::DeserializeOwned;
use ureq::{
    Agent, Error,
    http::Uri,
    tls::{RootCerts, TlsConfig},
};

use crate::message::Message;

/// The time for one document, from the look-up of the name to the last byte.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest document: room for some dozens of keys with their certificates.
const MAX_DOCUMENT_BYTES: u64 = 256 * 1024;

/// An address that the server may send requests to: `https`, or on this machine.
#[derive(Clone, Debug)]
pub(super) struct Address {
    uri: Uri,
    is_local: bool,
}

/// The reason why a document was not fetched.
#[derive(Debug)]
pub(super) enum FetchError {
    /// There was no answer.
    Unreachable(String),
    /// The answer is not acceptable.
    Refused(String),
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(reason) | Self::Refused(reason) => f.write_str(reason),
        }
    }
}

impl From<Message> for FetchError {
    fn from(reason: Message) -> Self {
        Self::Refused(reason.into())
    }
}

/// Blocks the thread until the document is there or the time is over.
pub(super) fn json<T: DeserializeOwned>(address: &Address) -> Result<T, FetchError> {
    // A configured proxy is meant for other machines.
    let agent = if address.is_local { &*LOCAL_AGENT } else { &*AGENT };
    let mut response = agent.get(address.uri().clone()).call().map_err(|error| FetchError::of(&error))?;
    if response.status() != 200 {
        return Err(FetchError::Refused(format!("it answers {}", response.status().as_u16())));
    }
    let body = response.body_mut().with_config().limit(MAX_DOCUMENT_BYTES).read_to_vec();
    let body = body.map_err(|error| FetchError::of(&error))?;
    // An error of serde would quote the document.
    serde_json::from_slice(&body)
        .map_err(|_| FetchError::Refused("the document is not the expected JSON".to_owned()))
}

impl Address {
    pub(super) fn new(address: &str) -> Result<Self, Message> {
        let shown = crate::text::shown(address);
        let expected =
            || Message::new(format!("`{shown}` is not an address: expected `https://` and a host"));
        let uri: Uri = address.parse().map_err(|_| expected())?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(expected)?;
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(Message::new("the address must not contain a user name or password"));
        }
        let is_local = is_loopback(host);
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if is_local => {}
            _ => {
                return Err(Message::new(format!(
                    "`{shown}` is neither an `https` address nor on this machine"
                )));
            }
        }
        Ok(Self { uri, is_local })
    }

    /// Whether it is an address of this machine.
    pub(super) fn is_local(&self) -> bool {
        self.is_local
    }

    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    pub(super) fn scheme(&self) -> &str {
        self.uri.scheme_str().unwrap_or_default()
    }

    pub(super) fn authority(&self) -> &str {
        self.uri.authority().map_or("", |authority| authority.as_str())
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl FetchError {
    fn of(error: &Error) -> Self {
        match error {
            Error::BodyExceedsLimit(limit) => Self::Refused(format!("it is longer than {limit} bytes")),
            other => Self::Unreachable(format!("the request failed: {other}")),
        }
    }
}

static AGENT: LazyLock<Agent> = LazyLock::new(|| agent(false));
static LOCAL_AGENT: LazyLock<Agent> = LazyLock::new(|| agent(true));

fn agent(is_local: bool) -> Agent {
    // The certificates of this machine, because a company's issuer often has a certificate of the company's own.
    let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
    let config = Agent::config_builder()
        .tls_config(tls)
        .timeout_global(Some(FETCH_TIMEOUT))
        .https_only(!is_local)
        // Another address could be anyone's.
        .max_redirects(0)
        .http_status_as_error(false)
        .accept("application/json")
        .user_agent(concat!("candor/", env!("CARGO_PKG_VERSION")))
        .max_idle_connections(0);
    if is_local { config.proxy(None).build().into() } else { config.build().into() }
}
