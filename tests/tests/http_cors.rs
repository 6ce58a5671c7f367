//! Pages in a browser: what the server tells it → which of them may send a request and read the answer (CORS).

use std::process::Command;

use candor_tests::http::{Answer, Ask, Site, call, initialize, legacy, modern};
use serde_json::json;

const ALLOWED: &str = "https://app.example";
const ASKED: &str = "authorization,content-type,mcp-method,mcp-name,mcp-param-region,mcp-protocol-version,mcp-session-id,last-event-id";

async fn site(flags: &[&str]) -> Site {
    let program = Command::new(env!("CARGO_BIN_EXE_web"));
    Site::start(program, &[&["--allow-origin", ALLOWED], flags].concat()).await
}

/// With an authorization server that nobody has to reach.
async fn guarded() -> Site {
    site(&["--oauth-issuer", "http://127.0.0.1:9", "--oauth-audience", "https://prices.example/mcp"]).await
}

/// What a browser asks before it sends what a page wants to send.
fn preflight(path: &str, origin: &str) -> Ask {
    Ask { line: format!("OPTIONS {path}"), ..Ask::get("") }
        .with("origin", origin)
        .with("access-control-request-method", "POST")
        .with("access-control-request-headers", ASKED)
}

/// The words of a list in a header.
fn list<'a>(answer: &'a Answer, name: &str) -> Vec<&'a str> {
    answer
        .header(name)
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .collect()
}

/// Whether a browser hands the answer to the page (Fetch, CORS check), and what of its headers.
fn is_shown(answer: &Answer, origin: &str) -> bool {
    let shown = answer.header("access-control-allow-origin") == Some(origin);
    if shown {
        assert_eq!(
            list(answer, "access-control-expose-headers"),
            ["mcp-session-id", "retry-after", "www-authenticate"]
        );
        assert_eq!(answer.header("vary"), Some("origin"), "{answer:?}");
    }
    shown
}

/// Nothing at all is said to the browser.
fn is_silent(answer: &Answer) -> bool {
    !answer.head.to_ascii_lowercase().contains("access-control-")
}

#[tokio::test]
async fn a_page_that_may_ask_is_let_through_before_it_shows_a_token() {
    let site = guarded().await;
    for path in ["/mcp", "/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"]
    {
        for origin in [ALLOWED, "http://localhost:6274", "http://127.0.0.1:3000", "http://[::1]:3000"] {
            let answer = site.ask(&preflight(path, origin)).await;
            assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{path} {origin} {answer:?}");
            assert!(is_shown(&answer, origin), "{path} {origin} {answer:?}");
            let headers = list(&answer, "access-control-allow-headers");
            assert!(ASKED.split(',').all(|asked| headers.contains(&asked)), "{headers:?}");
            assert_eq!(list(&answer, "access-control-allow-methods"), ["GET", "POST", "DELETE"]);
            assert_eq!(answer.header("access-control-max-age"), Some("7200"));
            assert_eq!(answer.header("access-control-allow-credentials"), None);
        }
    }
}

#[tokio::test]
async fn only_headers_of_the_protocol_are_allowed_whatever_is_asked_for() {
    let site = site(&[]).await;
    let asked = "Mcp-Param-Region, x-forwarded-for, cookie, mcp-param-a b, *, ,mcp-param-x";
    let asked = preflight("/mcp", ALLOWED).with("access-control-request-headers", asked);
    let answer = site.ask(&asked).await;
    let headers = list(&answer, "access-control-allow-headers");
    let arguments: Vec<_> = headers.iter().filter(|name| name.starts_with("mcp-param-")).collect();
    assert_eq!(arguments, [&"mcp-param-region", &"mcp-param-x"]);
    assert!(!headers.iter().any(|name| ["*", "cookie", "x-forwarded-for"].contains(name)), "{headers:?}");
}

#[tokio::test]
async fn a_page_from_elsewhere_is_told_nothing() {
    let site = guarded().await;
    for origin in
        ["https://evil.example", "null", "http://app.example", "https://app.example.evil.example", "*"]
    {
        for path in ["/mcp", "/.well-known/oauth-protected-resource"] {
            let answer = site.ask(&preflight(path, origin)).await;
            assert!(answer.status == 403 && is_silent(&answer), "{origin} {answer:?}");
            let answer = site.ask(&Ask::get(path).with("origin", origin)).await;
            assert!(answer.status == 403 && is_silent(&answer), "{origin} {answer:?}");
        }
        let answer = site.ask(&call("hello", json!({})).with("origin", origin)).await;
        assert!(answer.status == 403 && is_silent(&answer), "{origin} {answer:?}");
    }
    // A page that may, at a name that is not the server's: its browser was led there.
    let rebound = preflight("/mcp", ALLOWED).with("host", "evil.example");
    let answer = site.ask(&rebound).await;
    assert!(answer.status == 403 && is_silent(&answer), "{answer:?}");
    // Two origins are none.
    let mut twice = preflight("/mcp", ALLOWED);
    twice.headers.push(("origin".to_owned(), ALLOWED.to_owned()));
    let answer = site.ask(&twice).await;
    assert!(answer.status == 403 && is_silent(&answer), "{answer:?}");
}

#[tokio::test]
async fn a_page_reads_answers_and_refusals_alike() {
    let site = site(&[]).await;
    let from = |ask: Ask| ask.with("origin", ALLOWED);
    let shown = async |ask: Ask, status: u16| {
        let answer = site.ask(&from(ask)).await;
        assert!(answer.status == status && is_shown(&answer, ALLOWED), "{answer:?}");
        answer
    };
    shown(call("hello", json!({})), 200).await;
    shown(modern("tools/list", json!({})), 200).await;
    shown(modern("no/such", json!({})), 404).await;
    shown(Ask::post("not even JSON"), 400).await;
    shown(call("test_simple_text", json!({})), 403).await;
    for status in [200, 200, 429] {
        let answer = shown(call("twice", json!({})), status).await;
        assert_eq!(answer.header("retry-after").is_some(), status == 429);
    }
    let begun = shown(initialize(), 200).await;
    let held = begun.header("mcp-session-id").expect("a session");
    shown(legacy(held, "tools/list", json!({})), 200).await;
    shown(Ask { line: "DELETE /mcp".to_owned(), ..legacy(held, "", json!({})) }, 204).await;
}

#[tokio::test]
async fn a_page_without_a_token_finds_its_way_to_one() {
    let site = guarded().await;
    let refused = site.ask(&call("hello", json!({})).with("origin", ALLOWED)).await;
    assert!(refused.status == 401 && is_shown(&refused, ALLOWED), "{refused:?}");
    assert!(refused.header("www-authenticate").is_some_and(|said| said.contains("resource_metadata=")));
    for path in ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"] {
        let document = site.ask(&Ask::get(path).with("origin", ALLOWED)).await;
        assert!(document.status == 200 && is_shown(&document, ALLOWED), "{document:?}");
        assert_eq!(document.message()["resource"], "https://prices.example/mcp");
    }
}

#[tokio::test]
async fn who_is_no_page_is_told_nothing_of_pages() {
    let site = guarded().await;
    for (ask, status) in [
        (call("hello", json!({})), 401),
        (Ask::get("/.well-known/oauth-protected-resource"), 200),
        (Ask { line: "OPTIONS /.well-known/oauth-protected-resource".to_owned(), ..Ask::get("") }, 405),
        (Ask { line: "OPTIONS /mcp".to_owned(), ..Ask::get("") }, 401),
        (Ask::get("/.well-known/oauth-protected-resource").with("host", "evil.example"), 403),
    ] {
        let answer = site.ask(&ask).await;
        assert!(answer.status == status && is_silent(&answer), "{ask:?} {answer:?}");
    }
    // What asks as a browser does, and is none, is a request like any other.
    let mut nameless = preflight("/mcp", ALLOWED);
    nameless.headers.retain(|(name, _)| name != "origin");
    assert_eq!(site.ask(&nameless).await.status, 401);
}
