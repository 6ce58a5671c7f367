//! Reads the flags of `serve --http`: where the server listens and which callers it accepts. Refuses unsafe combinations.

#[cfg(not(feature = "oauth"))]
use std::convert::Infallible;
use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::Args;

#[cfg(not(feature = "oauth"))]
use super::missing_feature;
use super::{Grants, duration, size};
use crate::{
    access::{Access, AccessError},
    message::Message,
    serve::{
        Service,
        http::{self, HttpConfig, HttpLimits, PublicUrl, public_url},
    },
    stderr,
};

/// The flags that make callers identify themselves.
const TOKEN_FLAGS: &str = if cfg!(feature = "oauth") {
    "`--tokens FILE`, or `--oauth-issuer URL --oauth-audience URL`"
} else {
    "`--tokens FILE`"
};

#[derive(Args, Debug, Default)]
#[command(next_help_heading = "HTTP")]
#[group(skip)]
pub(super) struct Http {
    /// Serve streamable HTTP at this address, for example `127.0.0.1:8080`; port 0 takes a free port
    #[arg(long = "http", value_name = "ADDRESS", value_parser = address)]
    address: Option<SocketAddr>,
    /// Accept the API keys of this file (`token new` creates them)
    #[arg(long, value_name = "FILE", requires = "address")]
    tokens: Option<PathBuf>,
    /// Accept tokens of this OAuth 2.1 authorization server
    #[cfg(feature = "oauth")]
    #[arg(long, value_name = "URL", requires_all = ["address", "oauth_audience"])]
    oauth_issuer: Option<String>,
    /// The audience that those tokens must name: the public address of this server, or another identifier
    ///
    /// Some authorization servers (Entra ID, for one) name an identifier such as `api://prices`. Add `--public-url` then.
    #[cfg(feature = "oauth")]
    #[arg(long, value_name = "AUDIENCE", requires_all = ["address", "oauth_issuer"])]
    oauth_audience: Option<String>,
    /// Refused: the program was built without feature `oauth`
    #[cfg(not(feature = "oauth"))]
    #[arg(long, value_name = "URL", alias = "oauth-audience", hide = true, value_parser = without_oauth)]
    oauth_issuer: Option<Infallible>,
    /// The address of this server as clients write it, for example `https://prices.example.com/mcp`
    ///
    /// Its metadata tells clients where to get a token (RFC 9728). Its host is accepted as with `--allow-host`. Default:
    /// the audience, if that is an `http` or `https` address.
    #[arg(long, value_name = "URL", requires = "address", value_parser = public_url)]
    public_url: Option<PublicUrl>,
    /// Serve every caller without a token, on an address that other machines can reach
    #[arg(long, requires = "address", conflicts_with = "tokens")]
    #[cfg_attr(feature = "oauth", arg(conflicts_with = "oauth_issuer"))]
    public_without_auth: bool,
    /// A public name of this server, optionally with a port (header `Host`); repeatable
    #[arg(long, value_name = "HOST", requires = "address", value_delimiter = ',', value_parser = http::host)]
    allow_host: Vec<String>,
    /// Web pages that may call this server (header `Origin`), for example `https://app.example.com`; repeatable
    #[arg(long, value_name = "ORIGIN", requires = "address", value_delimiter = ',', value_parser = http::origin)]
    allow_origin: Vec<String>,
    /// Answer `/livez`, `/readyz` and `/metrics` at this address instead of the address for calls
    ///
    /// Nothing at this address asks for a token. At the address for calls, `/metrics` takes the token of any caller; if calls
    /// need none, it is answered at a loopback address only.
    #[arg(long, value_name = "ADDRESS", requires = "address", value_parser = address)]
    health: Option<SocketAddr>,
    /// How long to accept calls after `/readyz` reports a stop, for example `5s`
    #[arg(long, value_name = "TIME", requires = "address", default_value = "0s", value_parser = duration::timeout)]
    drain_delay: Duration,
    /// The maximum number of sessions (revisions before 2026-07-28)
    #[arg(long, value_name = "N", requires = "address", default_value_t = 1_000)]
    max_sessions: usize,
    /// The maximum number of requests in flight in one session; a call that its client has left counts until it ends
    #[arg(long, value_name = "N", requires = "address", default_value_t = 256)]
    max_requests_per_session: usize,
    /// The maximum number of connections
    #[arg(long, value_name = "N", requires = "address", default_value_t = 1_000)]
    max_connections: usize,
    /// How long a connection may wait for its next request; longer than the idle timeout of a proxy in front
    #[arg(long, value_name = "TIME", requires = "address", default_value = "120s", value_parser = duration::timeout)]
    idle_timeout: Duration,
    /// How long the body of a request may take
    #[arg(long, value_name = "TIME", requires = "address", default_value = "30s", value_parser = duration::timeout)]
    body_timeout: Duration,
    /// How long a call may run before its client gets signs of life
    #[arg(long, value_name = "TIME", requires = "address", default_value = "15s", value_parser = duration::timeout)]
    keep_alive: Duration,
    /// How long a client may read nothing of its answer
    #[arg(long, value_name = "TIME", requires = "address", default_value = "30s", value_parser = duration::timeout)]
    write_timeout: Duration,
    /// The maximum size of a request's body
    #[arg(long, value_name = "SIZE", requires = "address", default_value = "4MiB", value_parser = size::bytes)]
    max_body: usize,
}

impl Http {
    pub(super) fn is_wanted(&self) -> bool {
        self.address.is_some()
    }

    pub(super) fn delay(&self) -> Duration {
        self.drain_delay
    }

    /// The configuration to listen with, unless it is unsafe.
    pub(super) fn config(self, grants: &Grants, service: &Service) -> Result<HttpConfig, Message> {
        let address = self.address.ok_or_else(|| Message::new("`--http` is missing"))?;
        let access = self.access(address, grants, service)?;
        let public_url = self.public_url();
        // Only an authorization server gives a client something to look for in the metadata.
        let resource = public_url.as_ref().filter(|_| !access.issuers().is_empty());
        let resource = resource.map(|url| url.text.clone());
        let mut hosts = self.allow_host;
        hosts.extend(self.public_url.map(|url| url.host));
        Ok(HttpConfig {
            address,
            access,
            resource,
            health: self.health,
            hosts,
            origins: self.allow_origin,
            limits: HttpLimits {
                sessions: self.max_sessions.max(1),
                requests_per_session: self.max_requests_per_session.max(1),
                connections: self.max_connections.max(1),
                body_bytes: self.max_body,
                body_timeout: self.body_timeout,
                idle_timeout: self.idle_timeout,
                keep_alive: self.keep_alive,
                write_timeout: self.write_timeout,
            },
        })
    }

    /// The address of this server as clients write it, if a flag gives it.
    fn public_url(&self) -> Option<PublicUrl> {
        let public_url = self.public_url.clone();
        #[cfg(feature = "oauth")]
        let public_url = public_url.or_else(|| self.oauth_audience.as_deref().and_then(PublicUrl::parse));
        public_url
    }

    /// Problems of a configuration that is safe but that clients may not be able to use.
    pub(super) fn warnings(config: &HttpConfig) -> Vec<String> {
        [Self::host_warning(config), Self::metadata_warning(config)].into_iter().flatten().collect()
    }

    /// A warning for a server whose clients cannot find out where to get a token.
    fn metadata_warning(config: &HttpConfig) -> Option<String> {
        let is_missing = config.resource.is_none() && !config.access.issuers().is_empty();
        is_missing.then(|| {
            "clients get no metadata that says where to get a token: add `--public-url URL`, the address that they use"
                .to_owned()
        })
    }

    /// A warning for a server that other machines can reach but that accepts no public name.
    fn host_warning(config: &HttpConfig) -> Option<String> {
        let ip = config.address.ip();
        if ip.is_loopback() || !config.hosts.is_empty() {
            return None;
        }
        let own = if ip.is_unspecified() { "127.0.0.1".to_owned() } else { ip.to_string() };
        Some(format!(
            "requests for any host but `localhost` and `{own}` get 403: add `--allow-host NAME` for each name that clients use"
        ))
    }

    fn access(&self, address: SocketAddr, grants: &Grants, service: &Service) -> Result<Access, Message> {
        match self.token_access()? {
            Some(_) if !grants.scopes.is_empty() => {
                Err(Message::new("`--grant` has no effect together with tokens")
                    .note("each token has its own scopes")
                    .help("remove `--grant`"))
            }
            Some(access) => Ok(access),
            None if address.ip().is_loopback() => Ok(Access::everyone(&grants.joined())),
            None => self.open_access(address, grants, service),
        }
    }

    /// The access of an address that other machines can reach, without tokens.
    fn open_access(
        &self,
        address: SocketAddr,
        grants: &Grants,
        service: &Service,
    ) -> Result<Access, Message> {
        if !grants.scopes.is_empty() {
            let fact = format!("`--grant` would grant scopes to every machine that can reach {address}");
            return Err(Message::new(fact)
                .note("`--grant` is for loopback addresses")
                .help("give each caller a key with `--tokens FILE`, or listen at 127.0.0.1"));
        }
        if !self.public_without_auth {
            let fact = format!("other machines can reach {address}, and callers need no token");
            return Err(Message::new(fact).help(format!(
                "add {TOKEN_FLAGS}; or confirm that this is intended with `--public-without-auth`"
            )));
        }
        if let Some((tool, scopes)) = service.hidden().first() {
            let fact = format!("no caller can ever call tool `{tool}`");
            let note =
                format!("it requires `{}`, and callers without a token hold no scope", scopes.join(" "));
            return Err(Message::new(fact).note(note).help(format!("add {TOKEN_FLAGS}")));
        }
        Ok(Access::everyone(""))
    }

    /// The access of callers with a token, if a flag asks for tokens.
    fn token_access(&self) -> Result<Option<Access>, AccessError> {
        let tokens = self.tokens.as_ref().map(Access::tokens).transpose()?;
        #[cfg(feature = "oauth")]
        let oauth = match (&self.oauth_issuer, &self.oauth_audience) {
            (Some(issuer), Some(audience)) => Some(Access::oauth(issuer, audience)?),
            _ => None,
        };
        #[cfg(not(feature = "oauth"))]
        let oauth: Option<Access> = self.oauth_issuer.map(|never| match never {});
        Ok(match (tokens, oauth) {
            (Some(tokens), Some(oauth)) => Some(tokens.or(oauth)),
            (tokens, oauth) => tokens.or(oauth),
        })
    }
}

/// Refuses the flags of a feature that this program was built without.
#[cfg(not(feature = "oauth"))]
fn without_oauth(_: &str) -> Result<Infallible, Message> {
    Err(missing_feature("oauth"))
}

/// Reads an IP address and a port. `localhost` means 127.0.0.1.
pub(super) fn address(text: &str) -> Result<SocketAddr, Message> {
    let ip = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    let expected = "expected an IP address and a port, for example `127.0.0.1:8080`";
    ip.as_deref().unwrap_or(text).parse().map_err(|_| Message::new(expected))
}

#[cfg(all(test, not(feature = "oauth")))]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Flags {
        #[command(flatten)]
        http: Http,
    }

    #[test]
    fn flags_of_a_missing_feature_name_the_line_for_cargo_toml() {
        for flag in ["--oauth-issuer", "--oauth-audience"] {
            let error = Flags::try_parse_from(["prices", "--http", "127.0.0.1:0", flag, "https://a.example"]);
            let error = error.unwrap_err().to_string();
            assert!(error.contains("this program was built without feature `oauth`"), "{error}");
            assert!(error.contains(r#"candor = { version = "0.1", features = ["oauth"] }"#), "{error}");
        }
    }
}

/// Reads the files of API keys again.
pub(super) fn reload(access: &Access) {
    match access.reload() {
        Ok(()) => stderr::line("the token file was read again"),
        Err(error) => {
            let message = Message::from(error).note("the tokens that were read earlier remain valid");
            stderr::line(format_args!("error: {message}"));
        }
    }
}
