//! Lets pages of allowed origins call and read the answers (Fetch standard, CORS).
//!
//! `tower_http::cors` was tried. It answers every `OPTIONS` request itself, also without an `Origin`, answers a refused
//! origin with 200, and can mirror either all requested headers or none, where a page may send `mcp-param-…` only.

use axum::{body::Body, extract::Request, response::Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::host::Hosts;

/// The methods of all revisions.
const METHODS: &str = "GET, POST, DELETE";
/// Request headers that a browser sends for a page only if the server allows them.
const HEADERS: &str = "authorization, content-type, idempotency-key, last-event-id, mcp-method, mcp-name, mcp-protocol-version, mcp-session-id";
/// The prefix of headers that repeat arguments (SEP-2243): each tool has its own.
const ARGUMENT: &str = "mcp-param-";
/// Response headers that a page may read, besides those that it always may.
const EXPOSED: &str = "mcp-session-id, retry-after, www-authenticate";
/// The seconds for which a browser may reuse the answer to a preflight. No browser reuses it for longer.
const MAX_AGE: &str = "7200";

/// Answers a request, with the headers that let an allowed page read the answer.
pub(super) async fn answer<F: Future<Output = Response>>(
    hosts: &Hosts,
    request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response {
    let page = Page::of(&request, hosts);
    if let Some(answer) = page.as_ref().and_then(|page| page.preflight(&request)) {
        return answer;
    }
    let answer = next(request).await;
    match page {
        Some(page) => page.expose(answer),
        None => answer,
    }
}

/// The origin of a page that may call this server.
struct Page(HeaderValue);

impl Page {
    /// `None` for requests that do not come from a page, which are most, and for pages that may not call.
    fn of(request: &Request, hosts: &Hosts) -> Option<Self> {
        let origin = request.headers().get(header::ORIGIN)?;
        hosts.check(request.uri(), request.headers()).is_ok().then(|| Self(origin.clone()))
    }

    /// The answer to a preflight. A preflight carries no token, so it is answered before authentication.
    fn preflight(&self, request: &Request) -> Option<Response> {
        let requested = request.headers();
        if request.method() != Method::OPTIONS
            || !requested.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
        {
            return None;
        }
        let mut answer = Response::new(Body::empty());
        *answer.status_mut() = StatusCode::NO_CONTENT;
        let headers = answer.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed(requested));
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
        Some(self.expose(answer))
    }

    /// Lets the page read an answer.
    fn expose(&self, mut answer: Response) -> Response {
        let headers = answer.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, self.0.clone());
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        headers.append(header::VARY, HeaderValue::from_static("origin"));
        answer
    }
}

/// The headers that a page may send: the protocol's, and the requested ones that repeat arguments.
fn allowed(requested: &HeaderMap) -> HeaderValue {
    let values = requested.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS).iter();
    let names = values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let names = names.filter_map(|name| name.trim().parse::<HeaderName>().ok());
    // A parsed name is in lower case.
    let names = names.filter(|name| name.as_str().starts_with(ARGUMENT));
    let all = names.fold(HEADERS.to_owned(), |all, name| all + ", " + name.as_str());
    all.try_into().expect("names of headers are printable ASCII")
}
