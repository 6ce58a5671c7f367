//! An authorization server for tests: its metadata, its keys, its tokens, and every way to answer wrongly.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use candor::{
    Caller,
    access::{Access, Denied},
    testing::Clock,
};
use jsonwebtoken::{Algorithm, EncodingKey, jwk::Jwk};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// An issuer on a port of this machine, for as long as the test's runtime lives.
pub struct Issuer {
    /// Its address, as its tokens name it.
    pub address: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    pages: HashMap<String, Page>,
    request_counts: HashMap<String, usize>,
    is_down: bool,
}

/// The answer at a path.
#[derive(Clone)]
pub struct Page {
    /// The status.
    pub status: u16,
    /// Header lines, each with its `\r\n`.
    pub headers: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Page {
    /// A document.
    pub fn json(document: &Value) -> Self {
        Self::of(200, document.to_string())
    }

    /// A status and a body.
    pub fn of(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: String::new(), body: body.into() }
    }

    /// A redirect.
    pub fn redirect(to: &str) -> Self {
        Self { status: 302, headers: format!("Location: {to}\r\n"), body: Vec::new() }
    }
}

/// The path of the metadata (RFC 8414).
pub const METADATA: &str = "/.well-known/oauth-authorization-server";
/// The path of the keys.
pub const KEYS: &str = "/keys";

impl Issuer {
    /// An issuer with these keys.
    pub async fn with(keys: &[&Signer]) -> Self {
        let issuer = Self::empty().await;
        issuer.set(METADATA, Page::json(&issuer.metadata()));
        issuer.rotate(keys);
        issuer
    }

    /// An issuer without any page.
    pub async fn empty() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = format!("http://{}", listener.local_addr().expect("the port is bound"));
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&shared)));
            }
        });
        Self { address, state }
    }

    /// The correct metadata.
    pub fn metadata(&self) -> Value {
        json!({"issuer": self.address, "jwks_uri": format!("{}{KEYS}", self.address)})
    }

    /// Sets the answer at a path.
    pub fn set(&self, path: &str, page: Page) {
        self.state().pages.insert(path.to_owned(), page);
    }

    /// Publishes other keys.
    pub fn rotate(&self, keys: &[&Signer]) {
        let keys: Vec<Value> = keys.iter().map(|key| key.jwk()).collect();
        self.set(KEYS, Page::json(&json!({ "keys": keys })));
    }

    /// Closes every connection without an answer, or answers again.
    pub fn set_down(&self, is_down: bool) {
        self.state().is_down = is_down;
    }

    /// The number of requests for this path.
    pub fn request_count(&self, path: &str) -> usize {
        self.state().request_counts.get(path).copied().unwrap_or(0)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no test panics here")
    }
}

async fn answer(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut more = [0; 1024];
        match stream.read(&mut more).await {
            Ok(n) if n > 0 => request.extend_from_slice(&more[..n]),
            _ => return,
        }
    }
    let request = String::from_utf8_lossy(&request);
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    let page = {
        let mut state = state.lock().expect("no test panics here");
        *state.request_counts.entry(path.clone()).or_default() += 1;
        if state.is_down {
            return;
        }
        state.pages.get(&path).cloned().unwrap_or_else(|| Page::of(404, "nothing here"))
    };
    let head = format!(
        "HTTP/1.1 {} X\r\n{}Content-Length: {}\r\nConnection: close\r\n\r\n",
        page.status,
        page.headers,
        page.body.len()
    );
    // The client may have closed the connection.
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(&page.body).await;
}

/// A key that signs tokens.
pub struct Signer {
    /// The key id in tokens, if they have one.
    pub id: Option<String>,
    /// The algorithm that it signs with.
    pub algorithm: Algorithm,
    key: EncodingKey,
}

impl Signer {
    /// An Ed25519 key with this id, from which the key itself is derived.
    pub fn named(id: &str) -> Self {
        let mut seed = [b'.'; 32];
        seed[..id.len()].copy_from_slice(id.as_bytes());
        // PKCS#8 of RFC 8410 §7.
        let head = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
        let der = [&head[..], &seed].concat();
        Self { id: Some(id.to_owned()), algorithm: Algorithm::EdDSA, key: EncodingKey::from_ed_der(&der) }
    }

    /// The RSA key of these tests.
    pub fn rsa(id: &str, algorithm: Algorithm) -> Self {
        let key = EncodingKey::from_rsa_der(include_bytes!("issuer/keys/rsa.der"));
        Self { id: Some(id.to_owned()), algorithm, key }
    }

    /// The P-256 key of these tests.
    pub fn ec(id: &str) -> Self {
        let key = EncodingKey::from_ec_der(include_bytes!("issuer/keys/ec.der"));
        Self { id: Some(id.to_owned()), algorithm: Algorithm::ES256, key }
    }

    /// The same key without an id.
    pub fn unnamed(self) -> Self {
        Self { id: None, ..self }
    }

    /// The public key.
    pub fn jwk(&self) -> Value {
        let jwk = Jwk::from_encoding_key(&self.key, self.algorithm).expect("the key is valid");
        let mut jwk = json!(jwk);
        if let Some(id) = &self.id {
            jwk["kid"] = json!(id);
        }
        jwk
    }

    /// A token.
    pub fn sign(&self, claims: &Value) -> String {
        let mut header = json!({"alg": self.algorithm, "typ": "at+jwt"});
        if let Some(id) = &self.id {
            header["kid"] = json!(id);
        }
        self.sign_as(&header, claims)
    }

    /// A token with this header.
    pub fn sign_as(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", encode(header), encode(claims));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.key, self.algorithm);
        format!("{message}.{}", signature.expect("the key signs"))
    }
}

/// Encodes a part of a token.
pub fn encode(value: &Value) -> String {
    BASE64.encode(value.to_string())
}

/// The audience of the tokens of these tests.
pub const AUDIENCE: &str = "https://prices.example/mcp";

/// A resource server that accepts the tokens of one issuer, with a manual clock.
pub struct ResourceServer {
    /// The issuer.
    pub issuer: Issuer,
    /// Its clock.
    pub clock: Clock,
    /// The access under test.
    pub access: Access,
}

impl ResourceServer {
    /// A server whose issuer has these keys.
    pub async fn with(keys: &[&Signer]) -> Self {
        Self::of(Issuer::with(keys).await)
    }

    /// A server with this issuer.
    pub fn of(issuer: Issuer) -> Self {
        let clock = Clock::manual();
        let access = Access::oauth(&issuer.address, AUDIENCE).unwrap().clock(clock.clone());
        Self { issuer, clock, access }
    }

    /// The claims of a token that is valid for an hour.
    pub fn claims(&self) -> Value {
        let now = self.clock.since_1970().as_secs();
        let (iss, exp) = (&self.issuer.address, now + 3600);
        let scope = "read:prices write:alerts";
        json!({"iss": iss, "sub": "ada", "aud": AUDIENCE, "iat": now, "exp": exp, "scope": scope})
    }

    /// The same claims with one changed.
    pub fn with_claim(&self, name: &str, value: Value) -> Value {
        let mut claims = self.claims();
        claims[name] = value;
        claims
    }

    /// The same claims without one.
    pub fn without_claim(&self, name: &str) -> Value {
        let mut claims = self.claims();
        claims.as_object_mut().unwrap().remove(name);
        claims
    }

    /// The caller behind this token.
    pub async fn caller(&self, token: &str) -> Result<Arc<Caller>, Denied> {
        self.access.caller(Some(token)).await
    }

    /// The seconds after which this token may be sent again.
    pub async fn retry_after(&self, token: &str) -> u64 {
        match self.caller(token).await {
            Err(Denied::KeyPending { retry_after }) => retry_after,
            other => panic!("{other:?} for {token}"),
        }
    }

    /// The reason for refusing this token.
    pub async fn refusal(&self, token: &str) -> &'static str {
        match self.caller(token).await {
            Err(Denied::Bad(reason)) => reason,
            other => panic!("{other:?} for {token}"),
        }
    }
}
