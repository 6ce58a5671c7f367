//! What an authorization server says of its keys, and when it is asked → which of them are believed.

use std::{sync::Arc, time::Duration};

use candor::access::{Access, Denied};
use candor_tests::issuer::{AUDIENCE, Desk, Issuer, KEYS, METADATA, Page, Signer, part};
use serde_json::{Value, json};

const STRANGE_KEY: &str = "the token is signed with a key that is not the issuer's";

#[tokio::test]
async fn a_rotated_key_is_found_and_the_old_one_is_forgotten() {
    let (old, new) = (Signer::named("old"), Signer::named("new"));
    let desk = Desk::with(&[&old]).await;
    let (by_old, by_new) = (old.sign(&desk.claims()), new.sign(&desk.claims()));
    desk.caller(&by_old).await.unwrap();
    desk.issuer.rotate(&[&new]);
    desk.caller(&by_old).await.expect("nobody has said otherwise yet");
    assert_eq!(desk.bad(&by_new).await, STRANGE_KEY, "asked a moment ago");
    desk.clock.advance(Duration::from_secs(10));
    desk.caller(&by_new).await.unwrap();
    assert_eq!(desk.bad(&by_old).await, STRANGE_KEY, "though it was verified before");
    assert_eq!(desk.issuer.asked(KEYS), 2);
    // A key that is withdrawn goes without a token that asks for another: after ten minutes, in the background.
    desk.issuer.rotate(&[&old]);
    desk.clock.advance(Duration::from_secs(600));
    let withdrawn = async {
        while desk.caller(&by_new).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), withdrawn).await.unwrap();
    assert_eq!((desk.bad(&by_new).await, desk.issuer.asked(KEYS)), (STRANGE_KEY, 3));
    desk.caller(&by_old).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn made_up_keys_do_not_hammer_the_issuer() {
    let signer = Signer::named("ed");
    let desk = Arc::new(Desk::with(&[&signer]).await);
    let bogus = |n: usize| {
        let header = json!({"alg": "EdDSA", "kid": format!("bogus-{n}")});
        format!("{}.{}.AAAA", part(&header), part(&json!({})))
    };
    let all = (0..50).map(|n| {
        let (desk, token) = (Arc::clone(&desk), bogus(n));
        tokio::spawn(async move { desk.bad(&token).await })
    });
    for one in all.collect::<Vec<_>>() {
        assert_eq!(one.await.unwrap(), STRANGE_KEY);
    }
    assert_eq!((desk.issuer.asked(KEYS), desk.issuer.asked(METADATA)), (1, 1), "fifty at once ask once");
    for round in 2..=4 {
        desk.clock.advance(Duration::from_secs(10));
        for n in 0..50 {
            desk.bad(&bogus(n)).await;
        }
        assert_eq!(desk.issuer.asked(KEYS), round, "once in ten seconds");
    }
    desk.caller(&signer.sign(&desk.claims())).await.unwrap();
}

#[tokio::test]
async fn keys_outlive_an_outage_for_an_hour() {
    let signer = Signer::named("ed");
    let desk = Desk::with(&[&signer]).await;
    let token = |desk: &Desk| signer.sign(&desk.claims());
    desk.caller(&token(&desk)).await.unwrap();
    desk.issuer.down(true);
    for _ in 0..59 {
        desk.clock.advance(Duration::from_secs(60));
        desk.caller(&token(&desk)).await.unwrap();
    }
    let last = token(&desk);
    desk.caller(&last).await.unwrap();
    desk.clock.advance(Duration::from_secs(60));
    assert_eq!(desk.caller(&last).await, Err(Denied::Unavailable));
    assert_eq!(desk.caller(&last).await, Err(Denied::Unavailable));
    desk.issuer.down(false);
    desk.clock.advance(Duration::from_secs(10));
    desk.caller(&last).await.unwrap();
}

#[tokio::test]
async fn an_issuer_that_is_down_at_the_start_is_asked_again() {
    let signer = Signer::named("ed");
    let desk = Desk::with(&[&signer]).await;
    desk.issuer.down(true);
    let error = desk.access.prepare().await.unwrap_err().to_string();
    assert!(error.contains("cannot be had\nnote: nobody answers as they should"), "{error}");
    let token = signer.sign(&desk.claims());
    assert_eq!(desk.caller(&token).await, Err(Denied::Unavailable));
    desk.issuer.down(false);
    assert_eq!(desk.caller(&token).await, Err(Denied::Unavailable), "not yet");
    desk.clock.advance(Duration::from_secs(10));
    desk.caller(&token).await.unwrap();
    desk.access.prepare().await.unwrap();
}

#[tokio::test]
async fn an_issuer_that_does_not_answer_is_given_five_seconds() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap());
    let access = Access::oauth(&address, AUDIENCE).unwrap();
    let error = tokio::time::timeout(Duration::from_secs(15), access.prepare()).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("timeout"), "{error}");
    drop(silent);
}

/// What the issuer's keys are when they stand like this.
async fn keys_of(page: Page) -> Result<(), String> {
    let issuer = Issuer::with(&[]).await;
    issuer.set(KEYS, page);
    Desk::of(issuer).access.prepare().await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn keys_that_lie_are_not_taken() {
    let good = Signer::named("ed").jwk();
    let with = |name: &str, value: Value| {
        let mut jwk = good.clone();
        jwk[name] = value;
        Page::json(&json!({"keys": [jwk]}))
    };
    let many: Vec<Value> = (0..101).map(|_| good.clone()).collect();
    let weak = json!({"kty": "RSA", "n": "r".repeat(170) + "s", "e": "AQAB"});
    let none = "it holds no key that could verify a token";
    for (page, why) in [
        (Page::of(200, "<!doctype html><title>Sign in</title>"), "it is not the JSON it should be"),
        (Page::of(200, vec![b' '; 10_000_000]), "it is longer than 262144 bytes"),
        (Page::of(500, json!({"keys": [good]}).to_string()), "it answers 500"),
        (Page::json(&json!([good])), "it is not the JSON it should be"),
        (Page::json(&json!({"keys": {"ed": good}})), "it is not the JSON it should be"),
        (Page::json(&json!({"keys": many})), "it holds more than 100 keys"),
        (Page::json(&json!({"keys": []})), none),
        (Page::json(&json!({"keys": [7, {}, {"kty": "EC"}]})), none),
        (Page::json(&json!({"keys": [{"kty": "oct", "k": "c2VjcmV0", "alg": "HS256", "kid": "ed"}]})), none),
        (Page::json(&json!({"keys": [weak]})), none),
        (with("use", json!("enc")), none),
        (with("key_ops", json!(["sign"])), none),
        (with("alg", json!("RS256")), none),
        (with("alg", json!("HS256")), none),
        (with("x", json!("AAAA")), none),
    ] {
        let error = keys_of(page).await.unwrap_err();
        assert!(error.contains(why), "{why}: {error}");
    }
    keys_of(with("key_ops", json!(["verify"]))).await.unwrap();
    // One that cannot be used does no harm to the others.
    keys_of(Page::json(&json!({"keys": [{"kty": "new"}, good]}))).await.unwrap();
}

#[tokio::test]
async fn an_issuer_does_not_lead_elsewhere() {
    let elsewhere = Issuer::with(&[&Signer::named("ed")]).await;
    let error = keys_of(Page::redirect(&format!("{}{KEYS}", elsewhere.address))).await.unwrap_err();
    assert!(error.contains("it answers 302"), "{error}");
    assert_eq!(elsewhere.asked(KEYS), 0);

    let metadata = async |change: fn(&mut Value)| {
        let issuer = Issuer::with(&[&Signer::named("ed")]).await;
        let mut metadata = issuer.metadata();
        change(&mut metadata);
        issuer.set(METADATA, Page::json(&metadata));
        Desk::of(issuer).access.prepare().await.unwrap_err().to_string()
    };
    let error = metadata(|metadata| metadata["issuer"] = json!("https://id.example")).await;
    assert!(error.contains("it is the metadata of `https://id.example`"), "{error}");
    let error = metadata(|metadata| metadata["jwks_uri"] = json!("http://id.example/keys")).await;
    assert!(error.contains("no `https` address"), "{error}");
    let error = metadata(|metadata| metadata["jwks_uri"] = json!("file:///etc/passwd")).await;
    assert!(error.contains("is no address"), "{error}");
    let error = metadata(|metadata| metadata["jwks_uri"] = json!(null)).await;
    assert!(error.contains("it is not the JSON it should be"), "{error}");
}

#[tokio::test]
async fn metadata_is_found_where_either_standard_puts_it() {
    let signer = Signer::named("ed");
    for place in [
        "/.well-known/oauth-authorization-server/tenant",
        "/.well-known/openid-configuration/tenant",
        "/tenant/.well-known/openid-configuration",
    ] {
        let mut issuer = Issuer::bare().await;
        issuer.rotate(&[&signer]);
        let root = std::mem::take(&mut issuer.address);
        issuer.address = format!("{root}/tenant");
        // Some sites answer everything with a page.
        issuer.set("/.well-known/oauth-authorization-server/tenant", Page::of(200, "<html>"));
        issuer
            .set(place, Page::json(&json!({"issuer": issuer.address, "jwks_uri": format!("{root}{KEYS}")})));
        let desk = Desk::of(issuer);
        desk.caller(&signer.sign(&desk.claims())).await.unwrap();
    }
}

#[test]
fn an_issuer_that_cannot_be_trusted_is_refused() {
    for (issuer, why) in [
        ("http://id.example", "no `https` address, and not on this machine"),
        ("http://localhost.example", "no `https` address"),
        ("http://127.0.0.1.example", "no `https` address"),
        ("id.example", "no `https` address"),
        ("", "is no address"),
        ("ftp://127.0.0.1", "no `https` address"),
        ("https://", "is no address"),
        ("https://ada:secret@id.example", "a user's name"),
        ("https://id.example?tenant=1", "neither query nor fragment"),
        ("https://id.example#x", "neither query nor fragment"),
    ] {
        let error = Access::oauth(issuer, AUDIENCE).unwrap_err().to_string();
        assert!(error.contains(why), "{issuer}: {error}");
        assert!(error.contains("\nhelp: ") && !error.contains("secret"), "{error}");
    }
    for issuer in ["https://id.example/", "http://localhost:1", "http://[::1]:1", "http://127.0.0.2/x"] {
        Access::oauth(issuer, AUDIENCE).unwrap();
    }
    let error = Access::oauth("https://id.example", " ").unwrap_err().to_string();
    assert!(error.starts_with("there is no OAuth audience\nnote: "), "{error}");
}
