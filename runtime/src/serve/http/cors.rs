//! A page that may ask → the headers without which its browser keeps the answer from it (Fetch standard, CORS).

use ::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::{body::Body, extract::Request, response::Response};

use super::host::Hosts;

/// The methods of all revisions.
const METHODS: &str = "GET, POST, DELETE";
/// Headers of requests that no browser sends for a page unless it is told so.
const HEADERS: &str =
    "authorization, content-type, last-event-id, mcp-method, mcp-name, mcp-protocol-version, mcp-session-id";
/// How headers begin that repeat arguments (SEP-2243): each tool has its own.
const ARGUMENT: &str = "mcp-param-";
/// Headers of answers that a page may read beside the few that it always may.
const EXPOSED: &str = "mcp-session-id, retry-after, www-authenticate";
/// How long a browser may go by what it was told, in seconds: none does for longer.
const REMEMBERED: &str = "7200";

/// Answers a request; where a page sent it that may, its browser is told so.
pub(super) async fn answer<F: Future<Output = Response>>(
    hosts: &Hosts,
    request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response {
    let page = Page::of(&request, hosts);
    if let Some(permission) = page.as_ref().and_then(|page| page.permission(&request)) {
        return permission;
    }
    let answer = next(request).await;
    match page {
        Some(page) => page.show(answer),
        None => answer,
    }
}

/// A page's origin, which is one of those that may ask this server.
struct Page(HeaderValue);

impl Page {
    /// Most requests are no page's, and pay for no more than a look at their headers.
    fn of(request: &Request, hosts: &Hosts) -> Option<Self> {
        let origin = request.headers().get(header::ORIGIN)?;
        hosts.check(request).is_ok().then(|| Self(origin.clone()))
    }

    /// The answer to a browser that asks before it sends a page's request (preflight). No token comes with that.
    fn permission(&self, request: &Request) -> Option<Response> {
        let asked = request.headers();
        if request.method() != Method::OPTIONS || !asked.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
            return None;
        }
        let mut answer = Response::new(Body::empty());
        *answer.status_mut() = StatusCode::NO_CONTENT;
        let headers = answer.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed(asked));
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(REMEMBERED));
        Some(self.show(answer))
    }

    /// Lets the page read an answer.
    fn show(&self, mut answer: Response) -> Response {
        let headers = answer.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, self.0.clone());
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        headers.append(header::VARY, HeaderValue::from_static("origin"));
        answer
    }
}

/// The headers that a page may send, those among them that repeat arguments and that it asked for.
fn allowed(asked: &HeaderMap) -> HeaderValue {
    let said = asked.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS).iter();
    let names = said.filter_map(|said| said.to_str().ok()).flat_map(|said| said.split(','));
    let names = names.filter_map(|name| name.trim().parse::<HeaderName>().ok());
    // A parsed name is in lower case.
    let names = names.filter(|name| name.as_str().starts_with(ARGUMENT));
    let all = names.fold(HEADERS.to_owned(), |all, name| all + ", " + name.as_str());
    all.try_into().expect("names of headers are printable ASCII")
}
