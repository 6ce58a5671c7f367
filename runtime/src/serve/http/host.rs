//! `Host` and `Origin` → whether the request was meant for this server (MCP, transports: DNS rebinding).

use std::net::{IpAddr, SocketAddr};

use ::http::{HeaderMap, HeaderValue, StatusCode, Uri, header, uri::Authority};
use axum::extract::Request;

use super::HttpError;

/// The names that this server goes by, and the pages that may ask it.
pub(super) struct Hosts {
    hosts: Vec<Name>,
    origins: Vec<Origin>,
}

/// A host, at one port or at any.
#[derive(Debug, PartialEq, Eq)]
struct Name {
    host: String,
    port: Option<u16>,
}

/// A page's origin (RFC 6454), whose port stands for the scheme's where it is not said.
#[derive(Debug, PartialEq, Eq)]
struct Origin {
    scheme: String,
    name: Name,
}

const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

impl Hosts {
    /// `hosts` and `origins` as `Hosts::host` and `Hosts::origin` took them.
    pub(super) fn new(address: SocketAddr, hosts: &[String], origins: &[String]) -> Self {
        let own = LOOPBACK.map(str::to_owned).into_iter().chain(specific(address.ip()));
        let own = own.map(|host| Name { host, port: None });
        Self {
            hosts: own.chain(hosts.iter().filter_map(|host| Name::read(host))).collect(),
            origins: origins.iter().filter_map(|origin| Origin::read(origin)).collect(),
        }
    }

    pub(super) fn check(&self, request: &Request) -> Result<(), HttpError> {
        self.host(request.uri(), request.headers())?;
        match Said::of(request.headers(), &header::ORIGIN) {
            Said::Nothing => Ok(()),
            Said::Once(origin) if self.knows(origin) => Ok(()),
            Said::Once(_) | Said::Muddled => Err(HttpError::plain(
                StatusCode::FORBIDDEN,
                "pages of this `Origin` may not ask this server\nhelp: whoever runs the server can allow it with `--allow-origin`",
            )),
        }
    }

    fn host(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), HttpError> {
        let said = match Said::of(headers, &header::HOST) {
            Said::Once(host) => host.parse::<Authority>().ok(),
            Said::Muddled => None,
            // HTTP/1.0 may leave it out where the address is whole.
            Said::Nothing => uri.authority().cloned(),
        };
        let Some(said) = said else {
            return Err(HttpError::plain(
                StatusCode::BAD_REQUEST,
                "this request has no `Host`, or more than one",
            ));
        };
        // Both where there are two: a proxy may have read the other (RFC 9112 §3.2.2).
        if [Some(&said), uri.authority()].into_iter().flatten().all(|said| self.is_ours(&Name::of(said))) {
            return Ok(());
        }
        Err(HttpError::plain(
            StatusCode::FORBIDDEN,
            "this server does not go by this `Host`\nhelp: whoever runs the server can name it with `--allow-host`",
        ))
    }

    fn is_ours(&self, name: &Name) -> bool {
        self.hosts.iter().any(|ours| ours.takes(name))
    }

    /// A page of the server's own, of this machine, or one that was allowed.
    fn knows(&self, origin: &str) -> bool {
        let Some(origin) = Origin::read(origin) else { return false };
        let web = matches!(origin.scheme.as_str(), "http" | "https");
        (web && self.is_ours(&origin.name))
            || self.origins.iter().any(|ours| ours.scheme == origin.scheme && ours.name.takes(&origin.name))
    }
}

impl Name {
    fn of(authority: &Authority) -> Self {
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        Self { host, port: authority.port_u16() }
    }

    fn read(name: &str) -> Option<Self> {
        let authority: Authority = name.parse().ok()?;
        // `user@host` is no host, and a `Host` with one is meant to be misread.
        (!name.contains('@') && !authority.host().is_empty()).then(|| Self::of(&authority))
    }

    fn takes(&self, other: &Self) -> bool {
        self.host == other.host && (self.port.is_none() || self.port == other.port)
    }
}

impl Origin {
    fn read(origin: &str) -> Option<Self> {
        let (scheme, rest) = origin.split_once("://")?;
        let (host, any_port) = match rest.strip_suffix(":*") {
            Some(host) => (host, true),
            None => (rest, false),
        };
        let mut name = Name::read(host)?;
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

/// The address that was bound, where it is one that a client can write.
fn specific(ip: IpAddr) -> Option<String> {
    (!ip.is_unspecified()).then(|| ip.to_string())
}

/// A header that may be said once.
enum Said<'a> {
    Nothing,
    Once(&'a str),
    /// Twice, or in what is no text.
    Muddled,
}

impl<'a> Said<'a> {
    fn of(headers: &'a HeaderMap, name: &::http::HeaderName) -> Self {
        let mut values = headers.get_all(name).iter();
        match (values.next().map(HeaderValue::to_str), values.next()) {
            (None, _) => Self::Nothing,
            (Some(Ok(value)), None) => Self::Once(value),
            _ => Self::Muddled,
        }
    }
}

/// What `--allow-host` takes: a host, or a host and a port.
pub(crate) fn host(name: &str) -> Result<String, String> {
    match Name::read(name) {
        Some(_) => Ok(name.to_owned()),
        None => {
            Err("this is no host: write a name, and perhaps a port, as in `prices.example.com`".to_owned())
        }
    }
}

/// What `--allow-origin` takes: a scheme, a host, and perhaps a port or `:*` for any.
pub(crate) fn origin(origin: &str) -> Result<String, String> {
    match Origin::read(origin) {
        Some(_) => Ok(origin.to_owned()),
        None => Err("this is no origin: write scheme and host, as in `https://app.example.com`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use crate::serve::http::host::*;

    fn hosts() -> Hosts {
        let (hosts, origins) = (
            vec!["prices.example".to_owned(), "at.example:81".to_owned()],
            vec!["https://app.example".to_owned(), "https://dev.example:*".to_owned()],
        );
        Hosts::new("127.0.0.1:80".parse().expect("an address"), &hosts, &origins)
    }

    fn ask(host: &str, origin: Option<&str>) -> Option<u16> {
        let mut request = ::http::Request::builder().uri("/mcp").header("host", host);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        let request = request.body(axum::body::Body::empty()).expect("a request");
        hosts().check(&request).err().map(|refused| refused.status().as_u16())
    }

    #[test]
    fn hosts_that_the_server_goes_by_pass_and_others_do_not() {
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
        for host in ["", "a b", "::1", "evil.example/localhost"] {
            assert_eq!(ask(host, None), Some(400), "{host}");
        }
    }

    #[test]
    fn pages_of_this_machine_and_those_allowed_pass_and_others_do_not() {
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
