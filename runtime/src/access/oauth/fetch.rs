//! An address → the JSON behind it, with bounds on time, size and where it may lead.

use std::{sync::LazyLock, time::Duration};

use serde::de::DeserializeOwned;
use ureq::{
    Agent, Error,
    http::Uri,
    tls::{RootCerts, TlsConfig},
};

/// For one document, from the look-up of the name to its last byte.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest document, in bytes: some dozens of keys with their certificates.
const LONGEST: u64 = 256 * 1024;

/// An address that may be asked: `https`, or on this machine.
#[derive(Clone, Debug)]
pub(super) struct Address {
    uri: Uri,
    is_local: bool,
}

/// Why a document cannot be had.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nobody answered.
    Unreachable(String),
    /// What was answered is not taken.
    Refused(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreachable(why) | Self::Refused(why) => f.write_str(why),
        }
    }
}

/// Takes its time: not for threads that others wait for.
pub(super) fn json<T: DeserializeOwned>(address: &Address) -> Result<T, Failure> {
    // A proxy is for other machines.
    let agent = if address.is_local { &*LOCAL } else { &*AGENT };
    let mut response = agent.get(address.uri().clone()).call().map_err(|error| Failure::of(&error))?;
    if response.status() != 200 {
        return Err(Failure::Refused(format!("it answers {}", response.status().as_u16())));
    }
    let body = response.body_mut().with_config().limit(LONGEST).read_to_vec();
    let body = body.map_err(|error| Failure::of(&error))?;
    // serde's own words would quote what was sent.
    serde_json::from_slice(&body).map_err(|_| Failure::Refused("it is not the JSON it should be".to_owned()))
}

impl Address {
    pub(super) fn new(address: &str) -> Result<Self, String> {
        let shown = crate::text::shown(address);
        let uri: Uri = address.parse().map_err(|_| format!("`{shown}` is no address"))?;
        let Some(host) = uri.host().filter(|host| !host.is_empty()) else {
            return Err(format!("`{shown}` is no address: it takes `https://` and a host"));
        };
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err("an address with a user's name in it is not asked".to_owned());
        }
        let is_local = is_loopback(host);
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if is_local => {}
            _ => return Err(format!("`{shown}` is no `https` address, and not on this machine")),
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

impl Failure {
    fn of(error: &Error) -> Self {
        match error {
            Error::BodyExceedsLimit(limit) => Self::Refused(format!("it is longer than {limit} bytes")),
            other => Self::Unreachable(format!("nobody answers as they should: {other}")),
        }
    }
}

static AGENT: LazyLock<Agent> = LazyLock::new(|| agent(false));
static LOCAL: LazyLock<Agent> = LazyLock::new(|| agent(true));

fn agent(is_local: bool) -> Agent {
    // The certificates of this machine: a company's issuer often has one of the company's own.
    let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
    let config = Agent::config_builder()
        .tls_config(tls)
        .timeout_global(Some(TIMEOUT))
        .https_only(!is_local)
        // What an issuer says, it says at its own address.
        .max_redirects(0)
        .http_status_as_error(false)
        .accept("application/json")
        .user_agent(concat!("candor/", env!("CARGO_PKG_VERSION")))
        .max_idle_connections(0);
    if is_local { config.proxy(None).build().into() } else { config.build().into() }
}
