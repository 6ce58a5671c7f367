//! The keys of an authorization server: which of them are accepted, and how often they are fetched.

use std::{sync::Arc, time::Duration};

use candor::access::{Access, Denied};
use candor_tests::issuer::{AUDIENCE, Issuer, KEYS, METADATA, Page, ResourceServer, Signer, encode};
use serde_json::{Value, json};

const UNKNOWN_KEY: &str = "the token is signed with a key that is not the issuer's";

#[tokio::test]
async fn rotated_keys_are_fetched_and_withdrawn_keys_are_refused() {
    let (old, new) = (Signer::named("old"), Signer::named("new"));
    let server = ResourceServer::with(&[&old]).await;
    let (by_old, by_new) = (old.sign(&server.claims()), new.sign(&server.claims()));
    server.caller(&by_old).await.unwrap();
    server.issuer.rotate(&[&new]);
    server.caller(&by_old).await.expect("the new keys are not fetched yet");
    assert_eq!(server.retry_after(&by_new).await, 10, "the keys were fetched a moment ago");
    server.clock.advance(Duration::from_millis(9_001));
    assert_eq!(server.retry_after(&by_new).await, 1);
    server.clock.advance(Duration::from_millis(999));
    server.caller(&by_new).await.unwrap();
    assert_eq!(server.issuer.request_count(KEYS), 2);
    assert_eq!(server.retry_after(&by_old).await, 10, "although it was verified before");
    server.clock.advance(Duration::from_secs(10));
    assert_eq!(server.refusal(&by_old).await, UNKNOWN_KEY);
    assert_eq!(server.issuer.request_count(KEYS), 3);
    // Without a token that names a new key, a withdrawn key is refused after the refresh in the background.
    server.issuer.rotate(&[&old]);
    server.clock.advance(Duration::from_secs(600));
    let withdrawn = async {
        while server.caller(&by_new).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), withdrawn).await.unwrap();
    assert_eq!((server.refusal(&by_new).await, server.issuer.request_count(KEYS)), (UNKNOWN_KEY, 4));
    server.caller(&by_old).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_key_ids_do_not_flood_the_issuer() {
    let signer = Signer::named("ed");
    let server = Arc::new(ResourceServer::with(&[&signer]).await);
    let claims = encode(&server.claims());
    let bogus = |n: usize| {
        let header = json!({"alg": "EdDSA", "kid": format!("bogus-{n}")});
        format!("{}.{claims}.AAAA", encode(&header))
    };
    let all = (0..50).map(|n| {
        let (server, token) = (Arc::clone(&server), bogus(n));
        tokio::spawn(async move { server.retry_after(&token).await })
    });
    for one in all.collect::<Vec<_>>() {
        assert_eq!(one.await.unwrap(), 10);
    }
    assert_eq!(
        (server.issuer.request_count(KEYS), server.issuer.request_count(METADATA)),
        (1, 1),
        "fifty requests at once cause one fetch"
    );
    for round in 2..=4 {
        server.clock.advance(Duration::from_secs(10));
        assert_eq!(server.refusal(&bogus(0)).await, UNKNOWN_KEY, "the keys were fetched for this token");
        for n in 1..50 {
            assert_eq!(server.retry_after(&bogus(n)).await, 10);
            server.caller(&signer.sign(&server.claims())).await.expect("other callers are served");
        }
        assert_eq!(server.issuer.request_count(KEYS), round, "one fetch in ten seconds");
    }
    server.caller(&signer.sign(&server.claims())).await.unwrap();
}

#[tokio::test]
async fn tokens_with_wrong_claims_cause_no_fetch() {
    let signer = Signer::named("ed");
    let server = ResourceServer::with(&[&signer]).await;
    server.caller(&signer.sign(&server.claims())).await.unwrap();
    server.clock.advance(Duration::from_secs(10));
    let unknown = Signer::named("unknown");
    for (claim, value) in [("iss", "https://id.example"), ("aud", "https://other.example/mcp"), ("sub", "")] {
        server.refusal(&unknown.sign(&server.with_claim(claim, json!(value)))).await;
    }
    assert_eq!(server.issuer.request_count(KEYS), 1);
}

#[tokio::test]
async fn tokens_issued_before_the_last_fetch_are_refused_without_a_retry() {
    let (old, new) = (Signer::named("old"), Signer::named("new"));
    let server = ResourceServer::with(&[&new]).await;
    server.caller(&new.sign(&server.claims())).await.unwrap();
    let fetched = server.clock.since_1970().as_secs();
    for (issued, is_definite) in [(fetched - 61, true), (fetched - 59, false), (fetched + 5, false)] {
        let token = old.sign(&server.with_claim("iat", json!(issued)));
        if is_definite {
            assert_eq!(server.refusal(&token).await, UNKNOWN_KEY, "{issued}");
        } else {
            assert_eq!(server.retry_after(&token).await, 10, "{issued}");
        }
    }
    // A fetch that fails leaves the question open.
    server.issuer.set_down(true);
    server.clock.advance(Duration::from_secs(10));
    assert_eq!(server.retry_after(&old.sign(&server.claims())).await, 10);
}

#[tokio::test]
async fn keys_are_used_for_an_hour_while_the_issuer_is_down() {
    let signer = Signer::named("ed");
    let server = ResourceServer::with(&[&signer]).await;
    let token = |server: &ResourceServer| signer.sign(&server.claims());
    server.caller(&token(&server)).await.unwrap();
    server.issuer.set_down(true);
    for _ in 0..59 {
        server.clock.advance(Duration::from_secs(60));
        server.caller(&token(&server)).await.unwrap();
    }
    let last = token(&server);
    server.caller(&last).await.unwrap();
    server.clock.advance(Duration::from_secs(60));
    assert_eq!(server.caller(&last).await, Err(Denied::Unavailable));
    assert_eq!(server.caller(&last).await, Err(Denied::Unavailable));
    server.issuer.set_down(false);
    server.clock.advance(Duration::from_secs(10));
    server.caller(&last).await.unwrap();
}

#[tokio::test]
async fn issuers_that_are_down_at_the_start_are_asked_again() {
    let signer = Signer::named("ed");
    let server = ResourceServer::with(&[&signer]).await;
    server.issuer.set_down(true);
    let error = server.access.prepare().await.unwrap_err().to_string();
    assert!(error.contains("are not available\nnote: "), "{error}");
    let token = signer.sign(&server.claims());
    assert_eq!(server.caller(&token).await, Err(Denied::Unavailable));
    server.issuer.set_down(false);
    assert_eq!(server.caller(&token).await, Err(Denied::Unavailable), "too early to ask again");
    server.clock.advance(Duration::from_secs(10));
    server.caller(&token).await.unwrap();
    server.access.prepare().await.unwrap();
}

#[tokio::test]
async fn issuers_that_do_not_answer_time_out() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap());
    let access = Access::oauth(&address, AUDIENCE).unwrap();
    let error = tokio::time::timeout(Duration::from_secs(15), access.prepare()).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("timeout"), "{error}");
    drop(silent);
}

/// Fetches keys that an issuer publishes like this.
async fn keys_of(page: Page) -> Result<(), String> {
    let issuer = Issuer::with(&[]).await;
    issuer.set(KEYS, page);
    ResourceServer::of(issuer).access.prepare().await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn invalid_keys_are_refused() {
    let good = Signer::named("ed").jwk();
    let with = |name: &str, value: Value| {
        let mut jwk = good.clone();
        jwk[name] = value;
        Page::json(&json!({"keys": [jwk]}))
    };
    let many: Vec<Value> = (0..101).map(|_| good.clone()).collect();
    let weak = json!({"kty": "RSA", "n": "r".repeat(170) + "s", "e": "AQAB"});
    let no_key = "it does not hold a key that can verify a token";
    for (page, why) in [
        (Page::of(200, "<!doctype html><title>Sign in</title>"), "the document is not the expected JSON"),
        (Page::of(200, vec![b' '; 10_000_000]), "it is longer than 262144 bytes"),
        (Page::of(500, json!({"keys": [good]}).to_string()), "it answers 500"),
        (Page::json(&json!([good])), "the document is not the expected JSON"),
        (Page::json(&json!({"keys": {"ed": good}})), "the document is not the expected JSON"),
        (Page::json(&json!({"keys": many})), "it holds more than 100 keys"),
        (Page::json(&json!({"keys": []})), no_key),
        (Page::json(&json!({"keys": [7, {}, {"kty": "EC"}]})), no_key),
        (
            Page::json(&json!({"keys": [{"kty": "oct", "k": "c2VjcmV0", "alg": "HS256", "kid": "ed"}]})),
            no_key,
        ),
        (Page::json(&json!({"keys": [weak]})), no_key),
        (with("use", json!("enc")), no_key),
        (with("key_ops", json!(["sign"])), no_key),
        (with("alg", json!("RS256")), no_key),
        (with("alg", json!("HS256")), no_key),
        (with("x", json!("AAAA")), no_key),
    ] {
        let error = keys_of(page).await.unwrap_err();
        assert!(error.contains(why), "{why}: {error}");
    }
    keys_of(with("key_ops", json!(["verify"]))).await.unwrap();
    // A key of an unknown kind does not invalidate the others.
    keys_of(Page::json(&json!({"keys": [{"kty": "new"}, good]}))).await.unwrap();
}

#[tokio::test]
async fn issuers_cannot_redirect_to_other_addresses() {
    let elsewhere = Issuer::with(&[&Signer::named("ed")]).await;
    let error = keys_of(Page::redirect(&format!("{}{KEYS}", elsewhere.address))).await.unwrap_err();
    assert!(error.contains("it answers 302"), "{error}");
    assert_eq!(elsewhere.request_count(KEYS), 0);

    let metadata = async |change: fn(&mut Value)| {
        let issuer = Issuer::with(&[&Signer::named("ed")]).await;
        let mut metadata = issuer.metadata();
        change(&mut metadata);
        issuer.set(METADATA, Page::json(&metadata));
        ResourceServer::of(issuer).access.prepare().await.unwrap_err().to_string()
    };
    let error = metadata(|metadata| metadata["issuer"] = json!("https://id.example")).await;
    assert!(error.contains("it is the metadata of `https://id.example`"), "{error}");
    let error = metadata(|metadata| metadata["jwks_uri"] = json!("http://id.example/keys")).await;
    assert!(error.contains("neither an `https` address"), "{error}");
    let error = metadata(|metadata| metadata["jwks_uri"] = json!("file:///etc/passwd")).await;
    assert!(error.contains("is not an address"), "{error}");
    let error = metadata(|metadata| metadata["jwks_uri"] = json!(null)).await;
    assert!(error.contains("the document is not the expected JSON"), "{error}");
}

#[tokio::test]
async fn issuer_metadata_is_found_at_the_places_of_both_standards() {
    let signer = Signer::named("ed");
    for place in [
        "/.well-known/oauth-authorization-server/tenant",
        "/.well-known/openid-configuration/tenant",
        "/tenant/.well-known/openid-configuration",
    ] {
        let mut issuer = Issuer::empty().await;
        issuer.rotate(&[&signer]);
        let root = std::mem::take(&mut issuer.address);
        issuer.address = format!("{root}/tenant");
        // Some sites answer every request with a page.
        issuer.set("/.well-known/oauth-authorization-server/tenant", Page::of(200, "<html>"));
        issuer
            .set(place, Page::json(&json!({"issuer": issuer.address, "jwks_uri": format!("{root}{KEYS}")})));
        let server = ResourceServer::of(issuer);
        server.caller(&signer.sign(&server.claims())).await.unwrap();
    }
}

#[test]
fn issuers_with_an_unsafe_address_are_refused() {
    for (issuer, why) in [
        ("http://id.example", "neither an `https` address nor on this machine"),
        ("http://localhost.example", "neither an `https` address"),
        ("http://127.0.0.1.example", "neither an `https` address"),
        ("id.example", "neither an `https` address"),
        ("", "is not an address"),
        ("ftp://127.0.0.1", "neither an `https` address"),
        ("https://", "is not an address"),
        ("https://ada:secret@id.example", "a user name"),
        ("https://id.example?tenant=1", "neither a query nor a fragment"),
        ("https://id.example#x", "neither a query nor a fragment"),
    ] {
        let error = Access::oauth(issuer, AUDIENCE).unwrap_err().to_string();
        assert!(error.contains(why), "{issuer}: {error}");
        assert!(error.contains("\nhelp: ") && !error.contains("secret"), "{error}");
    }
    for issuer in ["https://id.example/", "http://localhost:1", "http://[::1]:1", "http://127.0.0.2/x"] {
        Access::oauth(issuer, AUDIENCE).unwrap();
    }
    let error = Access::oauth("https://id.example", " ").unwrap_err().to_string();
    assert!(error.starts_with("the OAuth audience is empty\nnote: "), "{error}");
}
