//! Finds the address of an issuer's keys through its metadata (RFC 8414 §3, and `OpenID` Connect Discovery §4).

use serde::Deserialize;

use super::fetch::{self, Address, FetchError};
use crate::message::Message;

/// An authorization server, by its address. Tokens name it in `iss`, character for character.
#[derive(Clone, Debug)]
pub(super) struct Issuer {
    name: String,
    address: Address,
}

/// The needed part of an issuer's metadata.
#[derive(Deserialize)]
struct IssuerMetadata {
    issuer: String,
    jwks_uri: String,
}

impl Issuer {
    pub(super) fn new(name: &str) -> Result<Self, Message> {
        let address = Address::new(name)?;
        if name.contains(['?', '#']) {
            return Err(Message::new("an issuer's address has neither a query nor a fragment"));
        }
        Ok(Self { name: name.to_owned(), address })
    }

    /// The issuer as tokens name it.
    pub(super) fn as_str(&self) -> &str {
        &self.name
    }

    /// Fetches the metadata from each of its possible places in turn, and returns the address of the keys.
    pub(super) fn keys(&self) -> Result<Address, FetchError> {
        let mut refused = Vec::new();
        for place in self.places() {
            match self.keys_at(&place) {
                Err(FetchError::Refused(reason)) => refused.push(format!("{place}: {reason}")),
                result => return result,
            }
        }
        Err(FetchError::Refused(refused.join("; ")))
    }

    fn keys_at(&self, place: &str) -> Result<Address, FetchError> {
        let metadata: IssuerMetadata = fetch::json(&Address::new(place)?)?;
        if metadata.issuer != self.name {
            // The metadata of another issuer would lead to another issuer's keys (RFC 8414 §3.3).
            let other = crate::text::shown(&metadata.issuer);
            return Err(FetchError::Refused(format!("it is the metadata of `{other}`")));
        }
        let keys = Address::new(&metadata.jwks_uri)?;
        if keys.is_local() && !self.address.is_local() {
            return Err(FetchError::Refused("it names an address of this machine for the keys".to_owned()));
        }
        Ok(keys)
    }

    /// The places in the order of the MCP specification: RFC 8414, then `OpenID` Connect before and after the path.
    fn places(&self) -> Vec<String> {
        let path = self.address.uri().path().trim_end_matches('/');
        let root = format!("{}://{}", self.address.scheme(), self.address.authority());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuer_metadata_places_are_before_and_after_the_path() {
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
