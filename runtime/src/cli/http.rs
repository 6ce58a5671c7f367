//! The flags of `serve --http` → where a server is reached and by whom; or which flag would make it safe.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::Args;

use super::Grants;
use crate::{
    access::Access,
    serve::{
        Service,
        http::{self, HttpConfig, HttpLimits},
    },
};

#[derive(Args, Default)]
#[command(next_help_heading = "HTTP")]
pub(super) struct Http {
    /// Serve streamable HTTP at this address, for example `127.0.0.1:8080`; port 0 takes any that is free
    #[arg(long = "http", value_name = "ADDRESS", value_parser = address)]
    address: Option<SocketAddr>,
    /// Let in who holds an API key of this file (`token new` makes one)
    #[arg(long, value_name = "FILE", requires = "address")]
    tokens: Option<PathBuf>,
    /// Let in who holds a token of this OAuth 2.1 authorization server
    #[cfg(feature = "oauth")]
    #[arg(long, value_name = "URL", requires_all = ["address", "oauth_audience"])]
    oauth_issuer: Option<String>,
    /// What those tokens have to be for: the address of this server as clients write it, with its path `/mcp`
    #[cfg(feature = "oauth")]
    #[arg(long, value_name = "URL", requires_all = ["address", "oauth_issuer"])]
    oauth_audience: Option<String>,
    /// Serve whoever comes, on an address that others can reach
    #[arg(long, requires = "address", conflicts_with = "tokens")]
    #[cfg_attr(feature = "oauth", arg(conflicts_with = "oauth_issuer"))]
    public_without_auth: bool,
    /// A name, and perhaps a port, that this server goes by (`Host`); may be given again
    #[arg(long, value_name = "HOST", requires = "address", value_parser = http::host)]
    allow_host: Vec<String>,
    /// Pages that may ask this server (`Origin`), as in `https://app.example.com`; may be given again
    #[arg(long, value_name = "ORIGIN", requires = "address", value_parser = http::origin)]
    allow_origin: Vec<String>,
    /// Answer `/livez` and `/readyz` at this address, and not where calls are answered
    #[arg(long, value_name = "ADDRESS", requires = "address", value_parser = address)]
    health: Option<SocketAddr>,
    /// How long to go on taking calls once `/readyz` says no, as in `5s`
    #[arg(long, value_name = "TIME", requires = "address", default_value = "0s", value_parser = super::duration)]
    drain_delay: Duration,
    /// The most sessions of older clients at once
    #[arg(long, value_name = "N", requires = "address", default_value_t = 1_000)]
    max_sessions: usize,
    /// The most connections at once
    #[arg(long, value_name = "N", requires = "address", default_value_t = 1_000)]
    max_connections: usize,
}

impl Http {
    pub(super) fn is_wanted(&self) -> bool {
        self.address.is_some()
    }

    pub(super) fn delay(&self) -> Duration {
        self.drain_delay
    }

    /// How to listen, once nothing about it is unsafe.
    pub(super) fn config(self, grants: &Grants, service: &Service) -> Result<HttpConfig, String> {
        let address = self.address.ok_or("there is no address to listen at")?;
        let access = self.access(address, grants, service)?;
        #[cfg(feature = "oauth")]
        let resource = self.oauth_audience.filter(|audience| is_address(audience));
        #[cfg(not(feature = "oauth"))]
        let resource = None;
        Ok(HttpConfig {
            address,
            access,
            resource,
            health: self.health,
            hosts: self.allow_host,
            origins: self.allow_origin,
            limits: HttpLimits {
                sessions: self.max_sessions.max(1),
                connections: self.max_connections.max(1),
                ..HttpLimits::default()
            },
        })
    }

    /// What those who run a server that others reach may not know: it answers to no name of theirs by itself.
    pub(super) fn names(config: &HttpConfig) -> Option<String> {
        let ip = config.address.ip();
        if ip.is_loopback() || !config.hosts.is_empty() {
            return None;
        }
        let own = if ip.is_unspecified() { "127.0.0.1".to_owned() } else { ip.to_string() };
        Some(format!(
            "who calls it by another name than `localhost` or `{own}` gets 403: add `--allow-host NAME` for each that clients write"
        ))
    }

    fn access(&self, address: SocketAddr, grants: &Grants, service: &Service) -> Result<Access, String> {
        match self.those_who_show_something()? {
            Some(_) if !grants.scopes.is_empty() => Err(
                "`--grant` has no one to grant to\nnote: with tokens, each token says what its holder may do\nhelp: leave `--grant` out"
                    .to_owned(),
            ),
            Some(access) => Ok(access),
            None if address.ip().is_loopback() => Ok(Access::everyone(&grants.joined())),
            None => self.everybody(address, grants, service),
        }
    }

    /// The access of an address that others reach, where nobody is asked who they are.
    fn everybody(&self, address: SocketAddr, grants: &Grants, service: &Service) -> Result<Access, String> {
        if !grants.scopes.is_empty() {
            return Err(format!(
                "`--grant` would grant to whoever reaches {address}\nnote: it is for loopback addresses\nhelp: give each caller a key with `--tokens FILE`, or listen at 127.0.0.1"
            ));
        }
        if !self.public_without_auth {
            return Err(format!(
                "others can reach {address}, and nobody there is asked who they are\nhelp: add `--tokens FILE`, or `--oauth-issuer URL --oauth-audience URL`; or say `--public-without-auth`"
            ));
        }
        if let Some((tool, scopes)) = service.hidden().first() {
            return Err(format!(
                "nobody can ever call tool `{tool}`: it needs `{}`, and no caller holds a scope without a token\nhelp: add `--tokens FILE`, or `--oauth-issuer URL --oauth-audience URL`",
                scopes.join(" ")
            ));
        }
        Ok(Access::everyone(""))
    }

    fn those_who_show_something(&self) -> Result<Option<Access>, String> {
        let tokens =
            self.tokens.as_ref().map(Access::tokens).transpose().map_err(|error| error.to_string())?;
        #[cfg(feature = "oauth")]
        let oauth = match (&self.oauth_issuer, &self.oauth_audience) {
            (Some(issuer), Some(audience)) => {
                Some(Access::oauth(issuer, audience).map_err(|error| error.to_string())?)
            }
            _ => None,
        };
        #[cfg(not(feature = "oauth"))]
        let oauth: Option<Access> = None;
        Ok(match (tokens, oauth) {
            (Some(tokens), Some(oauth)) => Some(tokens.or(oauth)),
            (tokens, oauth) => tokens.or(oauth),
        })
    }
}

/// An IP address and a port; `localhost` is the first of this machine's.
pub(super) fn address(said: &str) -> Result<SocketAddr, String> {
    let said = said.strip_prefix("localhost:").map_or(said.to_owned(), |port| format!("127.0.0.1:{port}"));
    said.parse()
        .map_err(|_| "this is no address: write an IP address and a port, as in `127.0.0.1:8080`".to_owned())
}

/// Whether tokens are for an address, which is what metadata can name (RFC 9728 §2).
#[cfg(feature = "oauth")]
fn is_address(audience: &str) -> bool {
    audience.starts_with("https://") || audience.starts_with("http://")
}
