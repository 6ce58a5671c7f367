//! An authorization server that is down, or lies, or is lied about → what callers over HTTP are told, until it is back.

use std::{
    process::Command,
    time::{Duration, SystemTime},
};

use candor_tests::{
    http::{HttpConnection, HttpRequest, HttpResponse, HttpServer, call},
    issuer::{AUDIENCE, Issuer, KEYS, METADATA, Page, Signer, part},
};
use serde_json::json;

async fn site(issuer: &Issuer) -> HttpServer {
    let program = Command::new(env!("CARGO_BIN_EXE_web"));
    HttpServer::start(program, &["--oauth-issuer", &issuer.address, "--oauth-audience", AUDIENCE]).await
}

/// A good token of the issuer's, for an hour.
fn token(issuer: &Issuer, signer: &Signer) -> String {
    let now = SystemTime::UNIX_EPOCH.elapsed().expect("it is later than 1970").as_secs();
    let (iss, exp) = (&issuer.address, now + 3600);
    signer.sign(&json!({"iss": iss, "sub": "ada", "aud": AUDIENCE, "exp": exp, "scope": "x"}))
}

/// Asks with this token until the answer is no more that nobody can tell who calls.
async fn once_it_is_back(site: &HttpServer, token: &str) -> HttpResponse {
    let back = async {
        loop {
            let answer = site.send(&call("hello", json!({})).bearer(token)).await;
            if answer.status != 503 {
                break answer;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), back).await.expect("the issuer is asked again")
}

fn is_told_to_come_back(answer: &HttpResponse) {
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("10")), "{answer:?}");
    assert_eq!(answer.message()["error"]["code"], -31503);
    // Another token would not help.
    assert_eq!(answer.header("www-authenticate"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_issuer_is_down_or_lies_callers_come_back_and_then_are_served() {
    let (good, other) = (Signer::named("ed"), Signer::named("other"));
    let lies: [fn(&Issuer); 6] = [
        |issuer| issuer.down(true),
        |issuer| issuer.set(KEYS, Page::of(200, vec![b' '; 10_000_000])),
        |issuer| issuer.set(KEYS, Page::of(200, "<!doctype html><title>Sign in</title>")),
        |issuer| issuer.set(KEYS, Page::redirect("http://127.0.0.1:9/keys")),
        |issuer| {
            issuer.set(KEYS, Page::json(&json!({"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "ed"}]})));
        },
        |issuer| issuer.set(METADATA, Page::json(&json!({"issuer": "https://id.example", "jwks_uri": "x"}))),
    ];
    let mut sites = Vec::new();
    for lie in lies {
        let issuer = Issuer::with(&[&good]).await;
        lie(&issuer);
        sites.push((site(&issuer).await, issuer));
    }
    for (site, issuer) in &sites {
        is_told_to_come_back(&site.send(&call("hello", json!({})).bearer(&token(issuer, &good))).await);
        assert_eq!(site.send(&HttpRequest::get("/livez")).await.status, 200);
        // Nobody's token is a good one meanwhile.
        let forged = good.sign_as(&json!({"alg": "HS256", "kid": "ed"}), &json!({"sub": "eve"}));
        assert_ne!(site.send(&call("hello", json!({})).bearer(&forged)).await.status, 200);
    }
    for (_, issuer) in &sites {
        issuer.down(false);
        issuer.set(METADATA, Page::json(&issuer.metadata()));
        issuer.rotate(&[&good]);
    }
    for (site, issuer) in &sites {
        let answer = once_it_is_back(site, &token(issuer, &good)).await;
        assert_eq!(answer.message()["result"]["content"][0]["text"], "hello ada", "{answer:?}");
        let strange = site.send(&call("hello", json!({})).bearer(&token(issuer, &other))).await;
        assert_eq!(strange.status, 401, "{strange:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_made_up_keys_leave_nothing_behind_and_do_not_hammer_the_issuer() {
    let good = Signer::named("ed");
    let issuer = Issuer::with(&[&good]).await;
    let site = site(&issuer).await;
    let good = token(&issuer, &good);
    assert_eq!(once_it_is_back(&site, &good).await.status, 200);
    let start = SystemTime::now();
    let bogus = |n: usize| {
        let header = part(&json!({"alg": "EdDSA", "kid": format!("bogus-{n}")}));
        format!("{header}.{}.AAAA", part(&json!({"sub": "x".repeat(200), "n": n})))
    };
    let mut connections: Vec<HttpConnection> = Vec::new();
    for _ in 0..16 {
        connections.push(site.connect().await);
    }
    let mut before = 0;
    for round in 0..600 {
        if round == 60 {
            before = site.memory_kb();
        }
        for (n, connection) in connections.iter_mut().enumerate() {
            let ask = call("hello", json!({})).bearer(&bogus(round * 16 + n));
            connection.send(&ask.bytes(site.address)).await;
        }
        for connection in &mut connections {
            assert_eq!(connection.response().await.expect("an answer").status, 401);
        }
    }
    let grown = site.memory_kb().saturating_sub(before);
    assert!(grown < 4096, "{grown} kB more than before");
    let seconds = start.elapsed().expect("time goes on").as_secs();
    let asked = u64::try_from(issuer.asked(KEYS)).expect("a small number");
    assert!(asked <= 3 + seconds / 10, "{asked} times in {seconds} s");
    assert_eq!(site.send(&call("hello", json!({})).bearer(&good)).await.status, 200);
}
