//! Checks by `Host` and `Origin` that a request is meant for this server (MCP, transports: DNS rebinding).

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderValue, StatusCode, Uri, header, uri::Authority};

use super::error::HttpError;
use crate::message::Message;

/// The names of this server, and the origins whose pages may call it.
pub(super) struct Hosts {
    hosts: Vec<AllowedHost>,
    origins: Vec<PageOrigin>,
}

/// A host, at one port or at any.
#[derive(Debug, PartialEq, Eq)]
struct AllowedHost {
    host: String,
    port: Option<u16>,
}

/// A page's origin (RFC 6454). A missing port is the scheme's default.
#[derive(Debug, PartialEq, Eq)]
struct PageOrigin {
    scheme: String,
    name: AllowedHost,
}

const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

impl Hosts {
    /// Takes `hosts` and `origins` that [`host`] and [`origin`] accepted.
    pub(super) fn new(address: Option<SocketAddr>, hosts: &[String], origins: &[String]) -> Self {
        let own =
            LOOPBACK.map(str::to_owned).into_iter().chain(address.and_then(|address| specific(address.ip())));
        let own = own.map(|host| AllowedHost { host, port: None });
        Self {
            hosts: own.chain(hosts.iter().filter_map(|host| AllowedHost::read(host))).collect(),
            origins: origins.iter().filter_map(|origin| PageOrigin::read(origin)).collect(),
        }
    }

    pub(super) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), HttpError> {
        self.host(uri, headers)?;
        match Header::of(headers, &header::ORIGIN) {
            Header::Missing => Ok(()),
            Header::Once(origin) if self.allows(origin) => Ok(()),
            Header::Once(_) | Header::Invalid => Err(HttpError::plain(
                StatusCode::FORBIDDEN,
                Message::new("pages of this `Origin` may not call this server")
                    .help("the operator can allow it with `--allow-origin`"),
            )),
        }
    }

    fn host(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), HttpError> {
        let named = match Header::of(headers, &header::HOST) {
            Header::Once(host) => host.parse::<Authority>().ok(),
            Header::Invalid => None,
            // HTTP/1.0 may leave it out if the request names an absolute URI.
            Header::Missing => uri.authority().cloned(),
        };
        let Some(named) = named else {
            return Err(HttpError::plain(
                StatusCode::BAD_REQUEST,
                "this request has no `Host`, or more than one",
            ));
        };
        // Both, if there are two: a proxy may have read the other one (RFC 9112 §3.2.2).
        if [Some(&named), uri.authority()]
            .into_iter()
            .flatten()
            .all(|name| AllowedHost::of(name).is_some_and(|name| self.is_ours(&name)))
        {
            return Ok(());
        }
        Err(HttpError::plain(
            StatusCode::FORBIDDEN,
            Message::new("this `Host` is not a name of this server")
                .help("the operator can add it with `--allow-host`"),
        ))
    }

    fn is_ours(&self, name: &AllowedHost) -> bool {
        self.hosts.iter().any(|ours| ours.matches(name))
    }

    /// Whether an origin is the server's own, of this machine, or configured.
    fn allows(&self, origin: &str) -> bool {
        let Some(origin) = PageOrigin::read(origin) else { return false };
        let web = matches!(origin.scheme.as_str(), "http" | "https");
        (web && self.is_ours(&origin.name))
            || self.origins.iter().any(|ours| ours.scheme == origin.scheme && ours.name.matches(&origin.name))
    }
}

impl AllowedHost {
    /// `None` if the authority has user information, which only serves to be misread as a host.
    fn of(authority: &Authority) -> Option<Self> {
        if authority.as_str().contains('@') {
            return None;
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        Some(Self { host, port: authority.port_u16() })
    }

    fn read(name: &str) -> Option<Self> {
        let authority: Authority = name.parse().ok()?;
        Self::of(&authority).filter(|name| !name.host.is_empty())
    }

    fn matches(&self, other: &Self) -> bool {
        self.host == other.host && (self.port.is_none() || self.port == other.port)
    }
}

impl PageOrigin {
    fn read(origin: &str) -> Option<Self> {
        let (scheme, rest) = origin.split_once("://")?;
        let (host, any_port) = match rest.strip_suffix(":*") {
            Some(host) => (host, true),
            None => (rest, false),
        };
        let mut name = AllowedHost::read(host)?;
        let scheme = scheme.to_ascii_lowercase();
        if !any_port && name.port.is_none() {
            name.port = match scheme.as_str() {
                "http" => Some(80),
                "https" => Some(443),
                _ => None,
            };
        }
        Some(Self { scheme, name })
    }
}

/// The bound address, if clients can use it as a host.
fn specific(ip: IpAddr) -> Option<String> {
    (!ip.is_unspecified()).then(|| ip.to_string())
}

/// A header that may occur once.
enum Header<'a> {
    Missing,
    Once(&'a str),
    /// Repeated, or not text.
    Invalid,
}

impl<'a> Header<'a> {
    fn of(headers: &'a HeaderMap, name: &http::HeaderName) -> Self {
        let mut values = headers.get_all(name).iter();
        match (values.next().map(HeaderValue::to_str), values.next()) {
            (None, _) => Self::Missing,
            (Some(Ok(value)), None) => Self::Once(value),
            _ => Self::Invalid,
        }
    }
}

/// Checks a value of `--allow-host`: a host, with or without a port.
pub(crate) fn host(name: &str) -> Result<String, Message> {
    match AllowedHost::read(name) {
        Some(_) => Ok(name.to_owned()),
        None => Err(Message::new("expected a host name with an optional port, as in `prices.example.com`")),
    }
}

/// Checks a value of `--allow-origin`: a scheme, a host, and optionally a port or `:*` for any.
pub(crate) fn origin(origin: &str) -> Result<String, Message> {
    match PageOrigin::read(origin) {
        Some(_) => Ok(origin.to_owned()),
        None => Err(Message::new("expected an origin of scheme and host, as in `https://app.example.com`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts() -> Hosts {
        let (hosts, origins) = (
            vec!["prices.example".to_owned(), "at.example:81".to_owned()],
            vec!["https://app.example".to_owned(), "https://dev.example:*".to_owned()],
        );
        Hosts::new(Some("127.0.0.1:80".parse().expect("an address")), &hosts, &origins)
    }

    fn ask(host: &str, origin: Option<&str>) -> Option<u16> {
        let mut request = http::Request::builder().uri("/mcp").header("host", host);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        let request = request.body(axum::body::Body::empty()).expect("a request");
        hosts().check(request.uri(), request.headers()).err().map(|refused| refused.status().as_u16())
    }

    #[test]
    fn host_passes_only_if_it_is_a_name_of_the_server() {
        for host in
            ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]:80", "Prices.Example", "at.example:81"]
        {
            assert_eq!(ask(host, None), None, "{host}");
        }
        for host in [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "at.example",
            "at.example:82",
            "10.0.0.1",
        ] {
            assert_eq!(ask(host, None), Some(403), "{host}");
        }
        for host in ["evil@127.0.0.1", "localhost@evil.example"] {
            assert_eq!(ask(host, None), Some(403), "{host}");
        }
        for host in ["", "a b", "::1", "evil.example/localhost"] {
            assert_eq!(ask(host, None), Some(400), "{host}");
        }
    }

    #[test]
    fn origin_passes_only_if_local_own_or_configured() {
        let known = [
            "http://localhost:3000",
            "https://127.0.0.1",
            "http://[::1]:9",
            "https://prices.example",
            "https://app.example",
            "https://app.example:443",
            "https://dev.example:8443",
        ];
        for origin in known {
            assert_eq!(ask("localhost", Some(origin)), None, "{origin}");
        }
        for origin in [
            "https://evil.example",
            "null",
            "",
            "http://app.example",
            "https://app.example:8443",
            "https://localhost.evil.example",
            "file://localhost",
            "localhost",
        ] {
            assert_eq!(ask("localhost", Some(origin)), Some(403), "{origin}");
        }
    }
}
