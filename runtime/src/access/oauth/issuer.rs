//! An issuer's address → where its metadata may stand, and where that says its keys are (RFC 8414 §3, and
//! `OpenID` Connect Discovery §4).

use serde::Deserialize;
use ureq::http::Uri;

use super::fetch::{self, Failure};

/// An authorization server, by its address. Tokens name it in `iss`, character for character.
#[derive(Clone, Debug)]
pub(super) struct Issuer {
    address: String,
    uri: Address,
}

/// An address that may be asked: `https`, or on this machine.
#[derive(Clone, Debug)]
pub(super) struct Address {
    uri: Uri,
    pub(super) is_local: bool,
}

/// What is needed of an issuer's metadata.
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

impl Issuer {
    pub(super) fn new(address: &str) -> Result<Self, String> {
        let uri = Address::new(address)?;
        if address.contains(['?', '#']) {
            return Err("an issuer has neither query nor fragment".to_owned());
        }
        Ok(Self { address: address.to_owned(), uri })
    }

    /// As tokens name it.
    pub(super) fn as_str(&self) -> &str {
        &self.address
    }

    /// Asks for the metadata, at each of its places in turn, and for the address of the keys.
    pub(super) fn keys(&self) -> Result<Address, Failure> {
        let mut refused = Vec::new();
        for place in self.places() {
            match self.keys_at(&place) {
                Err(Failure::Refused(why)) => refused.push(format!("{place}: {why}")),
                told => return told,
            }
        }
        Err(Failure::Refused(refused.join("; ")))
    }

    fn keys_at(&self, place: &str) -> Result<Address, Failure> {
        let address = Address::new(place).map_err(Failure::Refused)?;
        let metadata: Metadata = fetch::json(&address)?;
        if metadata.issuer != self.address {
            // Another's metadata would lead to another's keys (RFC 8414 §3.3).
            let other = crate::text::shown(&metadata.issuer);
            return Err(Failure::Refused(format!("it is the metadata of `{other}`")));
        }
        let keys = Address::new(&metadata.jwks_uri).map_err(Failure::Refused)?;
        if keys.is_local && !self.uri.is_local {
            return Err(Failure::Refused("its keys are said to be on this machine".to_owned()));
        }
        Ok(keys)
    }

    /// The places in the order of the MCP specification: RFC 8414, then `OpenID` Connect before and after the path.
    fn places(&self) -> Vec<String> {
        let path = self.uri.uri.path().trim_end_matches('/');
        let root = format!("{}://{}", self.uri.scheme(), self.uri.authority());
        let mut places = vec![
            format!("{root}/.well-known/oauth-authorization-server{path}"),
            format!("{root}/.well-known/openid-configuration{path}"),
        ];
        if !path.is_empty() {
            places.push(format!("{root}{path}/.well-known/openid-configuration"));
        }
        places
    }
}

impl Address {
    fn new(address: &str) -> Result<Self, String> {
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

    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    fn scheme(&self) -> &str {
        self.uri.scheme_str().unwrap_or_default()
    }

    fn authority(&self) -> &str {
        self.uri.authority().map_or("", |authority| authority.as_str())
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metadata_of_an_issuer_stands_before_and_after_its_path() {
        let places = |issuer: &str| Issuer::new(issuer).unwrap().places();
        assert_eq!(
            places("https://id.example/tenant/"),
            [
                "https://id.example/.well-known/oauth-authorization-server/tenant",
                "https://id.example/.well-known/openid-configuration/tenant",
                "https://id.example/tenant/.well-known/openid-configuration",
            ]
        );
        let root = [
            "https://id.example:8443/.well-known/oauth-authorization-server",
            "https://id.example:8443/.well-known/openid-configuration",
        ];
        assert_eq!(places("https://id.example:8443"), root);
        assert_eq!(places("https://id.example:8443/"), root);
    }
}
