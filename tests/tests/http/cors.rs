//! CORS: which pages in a browser may send a request and read its response.

use std::process::Command;

use candor_tests::http::{HttpRequest, HttpResponse, HttpServer, call, initialize, legacy, modern};
use serde_json::json;

const ALLOWED_ORIGIN: &str = "https://app.example";
const REQUESTED_HEADERS: &str = "authorization,content-type,idempotency-key,mcp-method,mcp-name,mcp-param-region,mcp-protocol-version,mcp-session-id,last-event-id";

async fn start(flags: &[&str]) -> HttpServer {
    let program = Command::new(env!("CARGO_BIN_EXE_web"));
    HttpServer::start(program, &[&["--allow-origin", ALLOWED_ORIGIN], flags].concat()).await
}

/// Starts a server that requires a token. No test needs its authorization server.
async fn start_with_oauth() -> HttpServer {
    start(&["--oauth-issuer", "http://127.0.0.1:9", "--oauth-audience", "https://prices.example/mcp"]).await
}

/// The request that a browser sends before the request of a page.
fn preflight(path: &str, origin: &str) -> HttpRequest {
    HttpRequest { line: format!("OPTIONS {path}"), ..HttpRequest::get("") }
        .with("origin", origin)
        .with("access-control-request-method", "POST")
        .with("access-control-request-headers", REQUESTED_HEADERS)
}

/// The items of a list in a header.
fn items<'a>(response: &'a HttpResponse, name: &str) -> Vec<&'a str> {
    response
        .header(name)
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .collect()
}

/// Whether a browser lets the page read the response (Fetch, CORS check). If so, also checks which headers it may read.
fn is_readable(response: &HttpResponse, origin: &str) -> bool {
    let is_readable = response.header("access-control-allow-origin") == Some(origin);
    if is_readable {
        assert_eq!(
            items(response, "access-control-expose-headers"),
            ["mcp-session-id", "retry-after", "www-authenticate"]
        );
        assert_eq!(response.header("vary"), Some("origin"), "{response:?}");
    }
    is_readable
}

/// Whether the response has no CORS header.
fn has_no_cors(response: &HttpResponse) -> bool {
    !response.head.to_ascii_lowercase().contains("access-control-")
}

#[tokio::test]
async fn cors_preflight_of_an_allowed_origin_needs_no_token() {
    let server = start_with_oauth().await;
    for path in ["/mcp", "/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"]
    {
        for origin in [ALLOWED_ORIGIN, "http://localhost:6274", "http://127.0.0.1:3000", "http://[::1]:3000"]
        {
            let response = server.send(&preflight(path, origin)).await;
            assert_eq!((response.status, response.body.as_str()), (204, ""), "{path} {origin} {response:?}");
            assert!(is_readable(&response, origin), "{path} {origin} {response:?}");
            let headers = items(&response, "access-control-allow-headers");
            assert!(REQUESTED_HEADERS.split(',').all(|name| headers.contains(&name)), "{headers:?}");
            assert_eq!(items(&response, "access-control-allow-methods"), ["GET", "POST", "DELETE"]);
            assert_eq!(response.header("access-control-max-age"), Some("7200"));
            assert_eq!(response.header("access-control-allow-credentials"), None);
        }
    }
}

#[tokio::test]
async fn cors_preflight_allows_only_headers_of_the_protocol() {
    let server = start(&[]).await;
    let names = "Mcp-Param-Region, x-forwarded-for, cookie, mcp-param-a b, *, ,mcp-param-x";
    let request = preflight("/mcp", ALLOWED_ORIGIN).with("access-control-request-headers", names);
    let response = server.send(&request).await;
    let headers = items(&response, "access-control-allow-headers");
    let arguments: Vec<_> = headers.iter().filter(|name| name.starts_with("mcp-param-")).collect();
    assert_eq!(arguments, [&"mcp-param-region", &"mcp-param-x"]);
    assert!(!headers.iter().any(|name| ["*", "cookie", "x-forwarded-for"].contains(name)), "{headers:?}");
}

#[tokio::test]
async fn cors_of_another_origin_is_refused_without_cors_headers() {
    let server = start_with_oauth().await;
    for origin in
        ["https://evil.example", "null", "http://app.example", "https://app.example.evil.example", "*"]
    {
        for path in ["/mcp", "/.well-known/oauth-protected-resource"] {
            let response = server.send(&preflight(path, origin)).await;
            assert!(response.status == 403 && has_no_cors(&response), "{origin} {response:?}");
            let response = server.send(&HttpRequest::get(path).with("origin", origin)).await;
            assert!(response.status == 403 && has_no_cors(&response), "{origin} {response:?}");
        }
        let response = server.send(&call("hello", json!({})).with("origin", origin)).await;
        assert!(response.status == 403 && has_no_cors(&response), "{origin} {response:?}");
    }
    // An allowed page, but a host name that is not the server's (DNS rebinding).
    let rebound = preflight("/mcp", ALLOWED_ORIGIN).with("host", "evil.example");
    let response = server.send(&rebound).await;
    assert!(response.status == 403 && has_no_cors(&response), "{response:?}");
    // Two `Origin` headers.
    let mut repeated = preflight("/mcp", ALLOWED_ORIGIN);
    repeated.headers.push(("origin".to_owned(), ALLOWED_ORIGIN.to_owned()));
    let response = server.send(&repeated).await;
    assert!(response.status == 403 && has_no_cors(&response), "{response:?}");
}

#[tokio::test]
async fn cors_lets_an_allowed_origin_read_results_and_errors() {
    let server = start(&[]).await;
    let read = async |request: HttpRequest, status: u16| {
        let response = server.send(&request.with("origin", ALLOWED_ORIGIN)).await;
        assert!(response.status == status && is_readable(&response, ALLOWED_ORIGIN), "{response:?}");
        response
    };
    read(call("hello", json!({})), 200).await;
    read(modern("tools/list", json!({})), 200).await;
    read(modern("no/such", json!({})), 404).await;
    read(HttpRequest::post("not even JSON"), 400).await;
    read(call("test_simple_text", json!({})), 403).await;
    for status in [200, 200, 429] {
        let response = read(call("twice", json!({})), status).await;
        assert_eq!(response.header("retry-after").is_some(), status == 429);
    }
    let handshake = read(initialize(), 200).await;
    let session = handshake.header("mcp-session-id").expect("a session");
    read(legacy(session, "tools/list", json!({})), 200).await;
    read(HttpRequest { line: "DELETE /mcp".to_owned(), ..legacy(session, "", json!({})) }, 204).await;
}

#[tokio::test]
async fn cors_lets_an_allowed_origin_read_the_oauth_challenge_and_metadata() {
    let server = start_with_oauth().await;
    let refused = server.send(&call("hello", json!({})).with("origin", ALLOWED_ORIGIN)).await;
    assert!(refused.status == 401 && is_readable(&refused, ALLOWED_ORIGIN), "{refused:?}");
    assert!(
        refused.header("www-authenticate").is_some_and(|challenge| challenge.contains("resource_metadata="))
    );
    for path in ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"] {
        let document = server.send(&HttpRequest::get(path).with("origin", ALLOWED_ORIGIN)).await;
        assert!(document.status == 200 && is_readable(&document, ALLOWED_ORIGIN), "{document:?}");
        assert_eq!(document.message()["resource"], "https://prices.example/mcp");
    }
}

#[tokio::test]
async fn cors_headers_are_not_sent_to_other_clients() {
    let server = start_with_oauth().await;
    for (request, status) in [
        (call("hello", json!({})), 401),
        (HttpRequest::get("/.well-known/oauth-protected-resource"), 200),
        (
            HttpRequest {
                line: "OPTIONS /.well-known/oauth-protected-resource".to_owned(),
                ..HttpRequest::get("")
            },
            405,
        ),
        (HttpRequest { line: "OPTIONS /mcp".to_owned(), ..HttpRequest::get("") }, 401),
        (HttpRequest::get("/.well-known/oauth-protected-resource").with("host", "evil.example"), 403),
    ] {
        let response = server.send(&request).await;
        assert!(response.status == status && has_no_cors(&response), "{request:?} {response:?}");
    }
    // A preflight without an origin is treated as any other request.
    let mut without_origin = preflight("/mcp", ALLOWED_ORIGIN);
    without_origin.headers.retain(|(name, _)| name != "origin");
    assert_eq!(server.send(&without_origin).await.status, 401);
}
