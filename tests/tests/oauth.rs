//! Tokens of an authorization server → who calls, and why nobody does.

use std::time::Duration;

use candor::{
    Caller,
    access::{Access, Denied},
};
use candor_tests::issuer::{AUDIENCE, Desk, KEYS, Signer, part};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

fn scopes(caller: &Caller) -> Vec<&str> {
    caller.scopes().collect()
}

const STRANGE_KEY: &str = "the token is signed with a key that is not the issuer's";
const NO_JWT: &str = "the token is no JWT that is signed as it should be";
const FORGED: &str = "the token's signature is not the issuer's";
const LACKS: &str = "the token has no `iss`, `sub`, `aud` or `exp`, or not as it should be";

#[tokio::test]
async fn a_token_of_the_issuer_says_who_calls() {
    let signers = [
        Signer::named("ed"),
        Signer::ec("ec"),
        Signer::rsa("rs", Algorithm::RS256),
        Signer::rsa("ps", Algorithm::PS512),
    ];
    let desk = Desk::with(&signers.each_ref()).await;
    for signer in &signers {
        let caller = desk.caller(&signer.sign(&desk.claims())).await.unwrap();
        assert_eq!((caller.issuer(), caller.subject()), (Some(&*desk.issuer.address), "ada"));
        assert_eq!(scopes(&caller), ["read:prices", "write:alerts"]);
    }
    let signer = &signers[0];
    for (claims, held) in [
        (
            desk.with_claim("aud", json!(["https://other.example", AUDIENCE])),
            vec!["read:prices", "write:alerts"],
        ),
        (desk.with_claim("scope", json!("")), vec![]),
        (desk.without_claim("scope"), vec![]),
        (desk.with_claim("scp", json!(["admin"])), vec!["read:prices", "write:alerts"]),
    ] {
        assert_eq!(scopes(&desk.caller(&signer.sign(&claims)).await.unwrap()), held, "{claims}");
    }
    for scp in [json!(["a", "b"]), json!("a b")] {
        let mut claims = desk.without_claim("scope");
        claims["scp"] = scp;
        assert_eq!(scopes(&desk.caller(&signer.sign(&claims)).await.unwrap()), ["a", "b"]);
    }
    for typ in [json!("JWT"), json!("application/at+jwt"), Value::Null] {
        let header = json!({"alg": "EdDSA", "kid": "ed", "typ": typ});
        desk.caller(&signer.sign_as(&header, &desk.claims())).await.unwrap();
    }
    assert_eq!(desk.issuer.asked(KEYS), 1, "the keys are fetched once");
    assert_eq!(desk.access.caller(None).await, Err(Denied::Missing));
    assert_eq!(desk.access.issuers(), [&*desk.issuer.address]);
}

#[tokio::test]
async fn a_token_that_says_anything_else_is_not_believed() {
    let signer = Signer::named("ed");
    let desk = Desk::with(&[&signer]).await;
    let address = desk.issuer.address.clone();
    for (claims, why) in [
        (desk.with_claim("iss", json!("https://id.example")), "the token is from another issuer"),
        (desk.with_claim("iss", json!(format!("{address}/"))), "the token is from another issuer"),
        (desk.with_claim("iss", json!([address])), LACKS),
        (desk.with_claim("aud", json!("https://prices.example/")), "the token is for another audience"),
        (desk.with_claim("aud", json!([])), "the token is for another audience"),
        (
            desk.with_claim("aud", json!("https://prices.example/mcp/more")),
            "the token is for another audience",
        ),
        (desk.with_claim("sub", json!("")), "the token names no subject"),
        (desk.with_claim("sub", json!(7)), LACKS),
        (desk.with_claim("exp", json!("2099")), LACKS),
        (desk.with_claim("exp", json!(-1)), "the token has expired"),
        (desk.with_claim("nbf", json!(1e15)), "the token is not in force yet"),
        (desk.without_claim("iss"), LACKS),
        (desk.without_claim("sub"), LACKS),
        (desk.without_claim("aud"), LACKS),
        (desk.without_claim("exp"), LACKS),
        (json!([]), LACKS),
    ] {
        assert_eq!(desk.bad(&signer.sign(&claims)).await, why, "{claims}");
    }
}

#[tokio::test]
async fn a_token_is_in_force_for_its_time_and_a_minute_around_it() {
    let signer = Signer::named("ed");
    let desk = Desk::with(&[&signer]).await;
    let now = desk.clock.since_1970().as_secs();
    let mut claims = desk.with_claim("exp", json!(now + 600));
    claims["nbf"] = json!(now + 100);
    let token = signer.sign(&claims);
    desk.clock.advance(Duration::from_secs(39));
    assert_eq!(desk.bad(&token).await, "the token is not in force yet");
    desk.clock.advance(Duration::from_secs(1));
    desk.caller(&token).await.unwrap();
    desk.clock.advance(Duration::from_secs(619));
    desk.caller(&token).await.unwrap();
    desk.clock.advance(Duration::from_secs(1));
    assert_eq!(desk.bad(&token).await, "the token has expired", "though it was good a second ago");
}

#[tokio::test]
async fn a_header_that_lies_is_not_believed() {
    let (signer, rsa) = (Signer::named("ed"), Signer::rsa("rs", Algorithm::RS256));
    let desk = Desk::with(&[&signer, &rsa]).await;
    let claims = desk.claims();
    let header = |more: Value| {
        let mut header = json!({"alg": "EdDSA", "kid": "ed"});
        header.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        header
    };
    let unsigned = |alg: &str| format!("{}.{}.", part(&json!({"alg": alg, "kid": "ed"})), part(&claims));
    // The oldest trick: the public key as the secret of an HMAC.
    let secret = jsonwebtoken::EncodingKey::from_secret(rsa.jwk()["n"].as_str().unwrap().as_bytes());
    let mut hmac = jsonwebtoken::Header::new(Algorithm::HS256);
    hmac.kid = Some("rs".to_owned());
    let hmac = jsonwebtoken::encode(&hmac, &claims, &secret).unwrap();
    let good = signer.sign(&claims);
    let (head, signature) = (good.split('.').next().unwrap(), good.rsplit('.').next().unwrap());
    let raised = part(&desk.with_claim("scope", json!("admin")));
    let another = Signer::rsa("rs", Algorithm::PS256);
    for (token, why) in [
        (unsigned("none"), NO_JWT),
        (unsigned("None"), NO_JWT),
        (unsigned("EdDSA"), FORGED),
        (hmac, "the token is signed with a shared secret"),
        (format!("{head}.{raised}.{signature}"), FORGED),
        (another.sign(&claims), "the token is signed with an algorithm that its key is not for"),
        (
            signer.sign_as(&header(json!({"kid": "rs"})), &claims),
            "the token is signed with an algorithm that its key is not for",
        ),
        (
            signer.sign_as(&header(json!({"crit": ["b64"], "b64": true})), &claims),
            "the token has a critical header that is not understood",
        ),
        (
            signer.sign_as(&header(json!({"crit": []})), &claims),
            "the token has a critical header that is not understood",
        ),
        (
            signer.sign_as(&header(json!({"typ": "logout+jwt"})), &claims),
            "the token is of another type than an access token",
        ),
        (signer.sign_as(&header(json!({"kid": "../ed"})), &claims), STRANGE_KEY),
        (
            Signer::named("mallory")
                .sign_as(&header(json!({"jwk": Signer::named("mallory").jwk()})), &claims),
            FORGED,
        ),
        (Signer::named("mallory").sign(&claims), STRANGE_KEY),
        ("..".to_owned(), NO_JWT),
        ("a.b.c".to_owned(), NO_JWT),
        (format!("{good}."), "the token is not known here"),
        (good.replace('.', " "), "the token is not known here"),
    ] {
        assert_eq!(desk.bad(&token).await, why, "{token}");
    }
    desk.caller(&good).await.unwrap();
}

#[tokio::test]
async fn a_key_without_a_name_verifies_a_token_without_one() {
    let signer = Signer::named("ed").unnamed();
    let desk = Desk::with(&[&signer, &Signer::ec("ec").unnamed()]).await;
    desk.caller(&signer.sign(&desk.claims())).await.unwrap();
    assert_eq!(desk.bad(&Signer::named("other").unnamed().sign(&desk.claims())).await, STRANGE_KEY);
    // Among many, a token has to say which.
    let keys: Vec<Signer> = (0..5).map(|n| Signer::named(&format!("k{n}"))).collect();
    let desk = Desk::with(&keys.iter().collect::<Vec<_>>()).await;
    desk.caller(&keys[4].sign(&desk.claims())).await.unwrap();
    let why = desk.bad(&Signer::named("k4").unnamed().sign(&desk.claims())).await;
    assert_eq!(why, "the token does not name its key (`kid`)");
}

#[tokio::test]
async fn a_token_is_verified_once() {
    let signer = Signer::named("ed");
    let desk = Desk::with(&[&signer]).await;
    let tokens: Vec<String> = (0..200).map(|n| signer.sign(&desk.with_claim("jti", json!(n)))).collect();
    let started = std::time::Instant::now();
    for token in &tokens {
        desk.caller(token).await.unwrap();
    }
    let first = started.elapsed();
    let started = std::time::Instant::now();
    for token in &tokens {
        desk.caller(token).await.unwrap();
    }
    let again = started.elapsed();
    assert!(again * 3 < first, "{again:?} after {first:?}");
}

#[tokio::test]
async fn either_a_key_or_a_token_will_do() {
    let signer = Signer::named("ed");
    let desk = Desk::with(&[&signer]).await;
    let token = signer.sign(&desk.claims());
    let file = tempfile::NamedTempFile::new().unwrap();
    let hash = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
    let entry = format!("[[token]]\nsubject = \"ci\"\nscopes = []\nsha256 = \"{hash}\"\n");
    std::fs::write(&file, entry).unwrap();
    let both = Access::tokens(&file).unwrap().or(desk.access);
    assert_eq!(both.caller(Some("foo")).await.unwrap().subject(), "ci");
    assert_eq!(both.clock(desk.clock).caller(Some(&token)).await.unwrap().subject(), "ada");
}
