//! Sends one HTTP request and receives its answer: in plain text by the HTTP library of the server, and over TLS by the
//! client of the feature `oauth`.

use std::{env, time::Duration};

use bytes::Bytes;
use futures::FutureExt as _;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, runtime::Builder};

use crate::{message::Message, start_runtime::start_runtime, text};

/// The time for one request.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(20);
/// The longest answer.
const MAX_EXCHANGE_BYTES: usize = 32 * 1024 * 1024;

/// The answer to a request.
pub(super) struct HttpAnswer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

/// An address that can be asked.
pub(super) struct Endpoint {
    uri: Uri,
    host: String,
    is_tls: bool,
}

impl Endpoint {
    /// Reads an address. `help` says what to type instead of one that is not.
    pub(super) fn new(url: &str, help: &'static str) -> Result<Self, Message> {
        let expected =
            || Message::new(format!("`{}` is not the address of a server", text::shown(url))).help(help);
        let uri: Uri = url.parse().map_err(|_| expected())?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(expected)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let is_tls = uri.scheme_str() == Some("https");
        Ok(Self { uri, host, is_tls })
    }

    /// Reads the token for this server from an environment variable. A token is sent over TLS, or to this machine.
    pub(super) fn token(&self, variable: &str) -> Result<Option<String>, Message> {
        let token = env::var(variable).ok().filter(|token| !token.is_empty());
        if token.is_some() && !self.is_private() {
            return Err(Message::new("a token is sent over `https` or to this machine only")
                .help(format!("use `https`, or unset `{variable}`")));
        }
        Ok(token)
    }

    fn is_private(&self) -> bool {
        let is_loopback = self.host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        self.is_tls || self.host == "localhost" || is_loopback
    }

    /// Sends a `GET` request.
    pub(super) fn get(&self, headers: &HeaderMap) -> Result<HttpAnswer, Message> {
        self.send(Method::GET, headers, None)
    }

    /// Sends a `POST` request.
    pub(super) fn post(&self, headers: &HeaderMap, body: String) -> Result<HttpAnswer, Message> {
        self.send(Method::POST, headers, Some(body))
    }

    fn send(&self, method: Method, headers: &HeaderMap, body: Option<String>) -> Result<HttpAnswer, Message> {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        request.headers_mut().extend(headers.clone());
        if self.is_tls {
            return self.send_over_tls(request);
        }
        let runtime = start_runtime(&mut Builder::new_current_thread());
        let runtime = runtime.map_err(|error| Message::failure("no runtime can be started", &error))?;
        let exchange = async { tokio::time::timeout(EXCHANGE_TIMEOUT, self.send_plain(request)).await };
        runtime.block_on(exchange).unwrap_or_else(|_| {
            Err(Message::new(format!("it did not answer within {} s", EXCHANGE_TIMEOUT.as_secs())))
        })
    }

    async fn send_plain(&self, request: Request<Option<String>>) -> Result<HttpAnswer, Message> {
        let failed = |error: &dyn std::fmt::Display| Message::new(format!("the request failed: {error}"));
        let address = (self.host.as_str(), self.uri.port_u16().unwrap_or(80));
        let stream = TcpStream::connect(address).await.map_err(|error| failed(&error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| failed(&error))?;
        // The connection ends with the answer; its own errors are errors of the request.
        tokio::spawn(connection.map(drop).boxed());
        let mut request = request.map(|body| Full::new(Bytes::from(body.unwrap_or_default())));
        let target = self.uri.path_and_query().map_or("/", |target| target.as_str());
        *request.uri_mut() = target.parse().map_err(|error| failed(&error))?;
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        let host = HeaderValue::from_str(authority).map_err(|error| failed(&error))?;
        request.headers_mut().insert(header::HOST, host);
        let response = sender.send_request(request).await.map_err(|error| failed(&error))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_EXCHANGE_BYTES).collect().await.map_err(|error| failed(&error))?;
        let body =
            String::from_utf8(body.to_bytes().into()).map_err(|_| failed(&"the answer is not text"))?;
        Ok(HttpAnswer { status: head.status.as_u16(), headers: head.headers, body })
    }

    #[cfg(feature = "oauth")]
    fn send_over_tls(&self, mut request: Request<Option<String>>) -> Result<HttpAnswer, Message> {
        use ureq::tls::{RootCerts, TlsConfig};

        let failed = |error: ureq::Error| Message::new(format!("the request failed: {error}"));
        // The certificates of this machine: a company's server may have one of the company's own.
        let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
        let config = ureq::Agent::config_builder()
            .tls_config(tls)
            .timeout_global(Some(EXCHANGE_TIMEOUT))
            // A token must not follow to another address.
            .max_redirects(0)
            .http_status_as_error(false);
        let agent = ureq::Agent::from(config.build());
        *request.uri_mut() = self.uri.clone();
        let (head, body) = request.into_parts();
        let response = match body {
            Some(body) => agent.run(Request::from_parts(head, body)),
            None => agent.run(Request::from_parts(head, ())),
        };
        let mut response = response.map_err(failed)?;
        let limit = MAX_EXCHANGE_BYTES as u64;
        let body = response.body_mut().with_config().limit(limit).read_to_string().map_err(failed)?;
        Ok(HttpAnswer { status: response.status().as_u16(), headers: response.headers().clone(), body })
    }

    #[cfg(not(feature = "oauth"))]
    #[expect(clippy::unused_self, reason = "as with the feature `oauth`")]
    fn send_over_tls(&self, _: Request<Option<String>>) -> Result<HttpAnswer, Message> {
        Err(Message::new("this program was built without a client for `https`").help(
            "turn on the feature `oauth` of `candor`, or ask the server over `http` on its own machine",
        ))
    }
}
