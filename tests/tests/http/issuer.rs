//! An authorization server that is down or answers wrongly: the status that callers over HTTP get until it recovers.

use std::{
    process::Command,
    time::{Duration, SystemTime},
};

use candor_tests::{
    http::{HttpConnection, HttpRequest, HttpResponse, HttpServer, call},
    issuer::{AUDIENCE, Issuer, KEYS, METADATA, Page, Signer, encode},
};
use serde_json::{Value, json};

async fn server(issuer: &Issuer) -> HttpServer {
    site_for(issuer, AUDIENCE, &[]).await
}

async fn site_for(issuer: &Issuer, audience: &str, flags: &[&str]) -> HttpServer {
    let program = Command::new(env!("CARGO_BIN_EXE_web"));
    let oauth = ["--oauth-issuer", &issuer.address, "--oauth-audience", audience];
    HttpServer::start(program, &[&oauth, flags].concat()).await
}

/// A token of the issuer that is valid for an hour.
fn token(issuer: &Issuer, signer: &Signer) -> String {
    token_for(issuer, signer, AUDIENCE)
}

fn token_for(issuer: &Issuer, signer: &Signer, audience: &str) -> String {
    let now = now();
    signer.sign(&claims(issuer, audience, now))
}

fn claims(issuer: &Issuer, audience: &str, issued: u64) -> Value {
    let (iss, exp) = (&issuer.address, issued + 3600);
    json!({"iss": iss, "sub": "ada", "aud": audience, "iat": issued, "exp": exp, "scope": "x"})
}

fn now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().expect("the clock is past 1970").as_secs()
}

/// Repeats a call with this token until the server has the issuer's keys.
async fn answer_after_recovery(server: &HttpServer, token: &str) -> HttpResponse {
    let recovery = async {
        loop {
            let answer = server.send(&call("hello", json!({})).bearer(token)).await;
            if answer.status != 503 {
                break answer;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), recovery).await.expect("the issuer is asked again")
}

fn assert_retry_later(answer: &HttpResponse) {
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("10")), "{answer:?}");
    assert_eq!(answer.message()["error"]["code"], -31503);
    // Another token would not help.
    assert_eq!(answer.header("www-authenticate"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_get_503_while_the_issuer_fails_and_are_served_afterwards() {
    let (good, other) = (Signer::named("ed"), Signer::named("other"));
    let failures: [fn(&Issuer); 6] = [
        |issuer| issuer.set_down(true),
        |issuer| issuer.set(KEYS, Page::of(200, vec![b' '; 10_000_000])),
        |issuer| issuer.set(KEYS, Page::of(200, "<!doctype html><title>Sign in</title>")),
        |issuer| issuer.set(KEYS, Page::redirect("http://127.0.0.1:9/keys")),
        |issuer| {
            issuer.set(KEYS, Page::json(&json!({"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "ed"}]})));
        },
        |issuer| issuer.set(METADATA, Page::json(&json!({"issuer": "https://id.example", "jwks_uri": "x"}))),
    ];
    let mut sites = Vec::new();
    for fail in failures {
        let issuer = Issuer::with(&[&good]).await;
        fail(&issuer);
        sites.push((server(&issuer).await, issuer));
    }
    for (server, issuer) in &sites {
        assert_retry_later(&server.send(&call("hello", json!({})).bearer(&token(issuer, &good))).await);
        assert_eq!(server.send(&HttpRequest::get("/livez")).await.status, 200);
        // A forged token is not accepted meanwhile.
        let forged = good.sign_as(&json!({"alg": "HS256", "kid": "ed"}), &json!({"sub": "eve"}));
        assert_ne!(server.send(&call("hello", json!({})).bearer(&forged)).await.status, 200);
    }
    for (_, issuer) in &sites {
        issuer.set_down(false);
        issuer.set(METADATA, Page::json(&issuer.metadata()));
        issuer.rotate(&[&good]);
    }
    for (server, issuer) in &sites {
        let answer = answer_after_recovery(server, &token(issuer, &good)).await;
        assert_eq!(answer.message()["result"]["content"][0]["text"], "hello ada", "{answer:?}");
        let earlier = other.sign(&claims(issuer, AUDIENCE, now() - 600));
        let unknown = server.send(&call("hello", json!({})).bearer(&earlier)).await;
        assert_eq!(unknown.status, 401, "{unknown:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_key_ids_use_no_memory_and_do_not_flood_the_issuer() {
    let good = Signer::named("ed");
    let issuer = Issuer::with(&[&good]).await;
    let server = server(&issuer).await;
    let good = token(&issuer, &good);
    assert_eq!(answer_after_recovery(&server, &good).await.status, 200);
    let start = SystemTime::now();
    let claims = encode(&claims(&issuer, AUDIENCE, now() + 60));
    let bogus = |n: usize| {
        let header = encode(&json!({"alg": "EdDSA", "kid": format!("bogus-{n}")}));
        format!("{header}.{claims}.AAAA")
    };
    let mut connections: Vec<HttpConnection> = Vec::new();
    for _ in 0..16 {
        connections.push(server.connect().await);
    }
    let mut before = 0;
    for round in 0..600 {
        if round == 60 {
            before = server.memory_kb();
        }
        for (n, connection) in connections.iter_mut().enumerate() {
            let ask = call("hello", json!({})).bearer(&bogus(round * 16 + n));
            connection.send(&ask.bytes(server.address)).await;
        }
        for connection in &mut connections {
            let answer = connection.response().await.expect("an answer");
            // A 401 is for the token whose key the server looked for.
            match answer.status {
                401 => {}
                503 => assert!(answer.header("retry-after").is_some(), "{answer:?}"),
                _ => panic!("{answer:?}"),
            }
        }
        if round % 100 == 0 {
            assert_eq!(server.send(&call("hello", json!({})).bearer(&good)).await.status, 200);
        }
    }
    let grown = server.memory_kb().saturating_sub(before);
    assert!(grown < 4096, "{grown} kB more than before");
    let seconds = start.elapsed().expect("the clock does not go back").as_secs();
    let fetches = u64::try_from(issuer.request_count(KEYS)).expect("a small number");
    assert!(fetches <= 3 + seconds / 10, "{fetches} fetches in {seconds} s");
    assert_eq!(server.send(&call("hello", json!({})).bearer(&good)).await.status, 200);
}

const METADATA_PATH: &str = "/.well-known/oauth-protected-resource/mcp";

#[tokio::test(flavor = "multi_thread")]
async fn audience_that_is_not_an_address_needs_the_public_url_for_metadata() {
    let signer = Signer::named("ed");
    let issuer = Issuer::with(&[&signer]).await;
    let flag = "--public-url";
    for audience in ["6a7b1c5e-94c3-4a3a-9a0e-0b7f2f1f4b11", "api://prices"] {
        let token = token_for(&issuer, &signer, audience);
        let without = site_for(&issuer, audience, &[]).await;
        assert_eq!(answer_after_recovery(&without, &token).await.status, 200);
        assert_eq!(without.stderr().lines().filter(|line| line.contains(flag)).count(), 1);
        let refused = without.send(&call("hello", json!({}))).await;
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"));

        let server = site_for(&issuer, audience, &[flag, "https://prices.example/mcp"]).await;
        assert_eq!(answer_after_recovery(&server, &token).await.status, 200);
        assert!(!server.stderr().contains(flag), "{}", server.stderr());
        let refused = server.send(&call("hello", json!({})).with("host", "prices.example")).await;
        let metadata = format!("https://prices.example{METADATA_PATH}");
        let challenge = format!("Bearer resource_metadata=\"{metadata}\"");
        assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some(&*challenge)));
        let document = server.send(&HttpRequest::get(METADATA_PATH).with("host", "prices.example")).await;
        assert_eq!(document.message()["resource"], "https://prices.example/mcp");
        assert_eq!(document.message()["authorization_servers"], json!([issuer.address]));
        // The audience stays the audience: a token for the public address is not accepted.
        let other = token_for(&issuer, &signer, "https://prices.example/mcp");
        assert_eq!(server.send(&call("hello", json!({})).bearer(&other)).await.status, 401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn public_url_takes_the_place_of_the_audience_in_metadata() {
    let issuer = Issuer::with(&[&Signer::named("ed")]).await;
    let by_audience = site_for(&issuer, AUDIENCE, &[]).await;
    let document = by_audience.send(&HttpRequest::get(METADATA_PATH)).await.message();
    assert_eq!(document["resource"], AUDIENCE);
    assert!(!by_audience.stderr().contains("--public-url"));
    let by_flag = site_for(&issuer, AUDIENCE, &["--public-url", "https://other.example/mcp"]).await;
    let document = by_flag.send(&HttpRequest::get(METADATA_PATH)).await.message();
    assert_eq!(document["resource"], "https://other.example/mcp");
}

#[tokio::test(flavor = "multi_thread")]
async fn token_with_a_key_rotated_in_a_moment_ago_gets_503_and_retry_after() {
    let (old, new) = (Signer::named("old"), Signer::named("new"));
    let issuer = Issuer::with(&[&old]).await;
    let server = server(&issuer).await;
    assert_eq!(answer_after_recovery(&server, &token(&issuer, &old)).await.status, 200);
    issuer.rotate(&[&old, &new]);
    let token = token(&issuer, &new);
    let refused = server.send(&call("hello", json!({})).bearer(&token)).await;
    assert_eq!((refused.status, &refused.message()["error"]["code"]), (503, &json!(-31503)), "{refused:?}");
    assert_eq!(refused.header("www-authenticate"), None);
    let wait: u64 = refused.header("retry-after").expect("a time").parse().expect("seconds");
    assert!((1..=10).contains(&wait), "{wait}");
}
