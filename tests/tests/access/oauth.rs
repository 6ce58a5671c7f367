//! Tokens of an authorization server: the caller behind a valid one, and the reason for refusing any other.

use std::time::Duration;

use candor::{
    Caller,
    access::{Access, Denied},
};
use candor_tests::issuer::{AUDIENCE, KEYS, ResourceServer, Signer, encode};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

fn scopes(caller: &Caller) -> Vec<&str> {
    caller.scopes().collect()
}

const UNKNOWN_KEY: &str = "the token is signed with a key that is not the issuer's";
const NOT_A_JWT: &str = "the token is not a signed JWT";
const WRONG_SIGNATURE: &str = "the token's signature does not match the issuer's key";
const MALFORMED_CLAIMS: &str =
    "a claim of the token is missing or malformed: expected `iss`, `sub`, `aud` and `exp`";

#[tokio::test]
async fn valid_tokens_identify_their_caller() {
    let signers = [
        Signer::named("ed"),
        Signer::ec("ec"),
        Signer::rsa("rs", Algorithm::RS256),
        Signer::rsa("ps", Algorithm::PS512),
    ];
    let server = ResourceServer::with(&signers.each_ref()).await;
    for signer in &signers {
        let caller = server.caller(&signer.sign(&server.claims())).await.unwrap();
        assert_eq!((caller.issuer(), caller.subject()), (Some(&*server.issuer.address), "ada"));
        assert_eq!(scopes(&caller), ["read:prices", "write:alerts"]);
    }
    let signer = &signers[0];
    for (claims, held) in [
        (
            server.with_claim("aud", json!(["https://other.example", AUDIENCE])),
            vec!["read:prices", "write:alerts"],
        ),
        (server.with_claim("scope", json!("")), vec![]),
        (server.without_claim("scope"), vec![]),
        (server.with_claim("scp", json!(["admin"])), vec!["read:prices", "write:alerts"]),
    ] {
        assert_eq!(scopes(&server.caller(&signer.sign(&claims)).await.unwrap()), held, "{claims}");
    }
    for scp in [json!(["a", "b"]), json!("a b")] {
        let mut claims = server.without_claim("scope");
        claims["scp"] = scp;
        assert_eq!(scopes(&server.caller(&signer.sign(&claims)).await.unwrap()), ["a", "b"]);
    }
    for typ in [json!("JWT"), json!("application/at+jwt"), Value::Null] {
        let header = json!({"alg": "EdDSA", "kid": "ed", "typ": typ});
        server.caller(&signer.sign_as(&header, &server.claims())).await.unwrap();
    }
    assert_eq!(server.issuer.request_count(KEYS), 1, "the keys are fetched once");
    assert_eq!(server.access.caller(None).await, Err(Denied::Missing));
    assert_eq!(server.access.issuers(), [&*server.issuer.address]);
}

#[tokio::test]
async fn tokens_with_wrong_claims_are_refused() {
    let signer = Signer::named("ed");
    let server = ResourceServer::with(&[&signer]).await;
    let address = server.issuer.address.clone();
    for (claims, why) in [
        (server.with_claim("iss", json!("https://id.example")), "the token is from another issuer"),
        (server.with_claim("iss", json!(format!("{address}/"))), "the token is from another issuer"),
        (server.with_claim("iss", json!([address])), MALFORMED_CLAIMS),
        (server.with_claim("aud", json!("https://prices.example/")), "the token is for another audience"),
        (server.with_claim("aud", json!([])), "the token is for another audience"),
        (
            server.with_claim("aud", json!("https://prices.example/mcp/more")),
            "the token is for another audience",
        ),
        (server.with_claim("sub", json!("")), "the token's subject (`sub`) is empty"),
        (server.with_claim("sub", json!(7)), MALFORMED_CLAIMS),
        (server.with_claim("exp", json!("2099")), MALFORMED_CLAIMS),
        (server.with_claim("exp", json!(-1)), "the token has expired"),
        (server.with_claim("nbf", json!(1e15)), "the token is not valid yet (`nbf`)"),
        (server.without_claim("iss"), MALFORMED_CLAIMS),
        (server.without_claim("sub"), MALFORMED_CLAIMS),
        (server.without_claim("aud"), MALFORMED_CLAIMS),
        (server.without_claim("exp"), MALFORMED_CLAIMS),
        (json!([]), MALFORMED_CLAIMS),
    ] {
        assert_eq!(server.refusal(&signer.sign(&claims)).await, why, "{claims}");
    }
}

#[tokio::test]
async fn tokens_are_valid_a_minute_before_and_after_their_time() {
    let signer = Signer::named("ed");
    let server = ResourceServer::with(&[&signer]).await;
    let now = server.clock.since_1970().as_secs();
    let mut claims = server.with_claim("exp", json!(now + 600));
    claims["nbf"] = json!(now + 100);
    let token = signer.sign(&claims);
    server.clock.advance(Duration::from_secs(39));
    assert_eq!(server.refusal(&token).await, "the token is not valid yet (`nbf`)");
    server.clock.advance(Duration::from_secs(1));
    server.caller(&token).await.unwrap();
    server.clock.advance(Duration::from_secs(619));
    server.caller(&token).await.unwrap();
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(server.refusal(&token).await, "the token has expired", "although it was valid a second ago");
}

#[tokio::test]
async fn tokens_with_a_forged_header_are_refused() {
    let (signer, rsa) = (Signer::named("ed"), Signer::rsa("rs", Algorithm::RS256));
    let server = ResourceServer::with(&[&signer, &rsa]).await;
    let claims = server.claims();
    let header = |more: Value| {
        let mut header = json!({"alg": "EdDSA", "kid": "ed"});
        header.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        header
    };
    let unsigned = |alg: &str| format!("{}.{}.", encode(&json!({"alg": alg, "kid": "ed"})), encode(&claims));
    // The oldest attack: the public key as the secret of an HMAC.
    let secret = jsonwebtoken::EncodingKey::from_secret(rsa.jwk()["n"].as_str().unwrap().as_bytes());
    let mut hmac = jsonwebtoken::Header::new(Algorithm::HS256);
    hmac.kid = Some("rs".to_owned());
    let hmac = jsonwebtoken::encode(&hmac, &claims, &secret).unwrap();
    let good = signer.sign(&claims);
    let (head, signature) = (good.split('.').next().unwrap(), good.rsplit('.').next().unwrap());
    let raised = encode(&server.with_claim("scope", json!("admin")));
    let another = Signer::rsa("rs", Algorithm::PS256);
    for (token, why) in [
        (unsigned("none"), NOT_A_JWT),
        (unsigned("None"), NOT_A_JWT),
        (unsigned("EdDSA"), WRONG_SIGNATURE),
        (hmac, "the token is signed with a shared secret"),
        (format!("{head}.{raised}.{signature}"), WRONG_SIGNATURE),
        (another.sign(&claims), "the token's key is not for the algorithm that signed the token"),
        (
            signer.sign_as(&header(json!({"kid": "rs"})), &claims),
            "the token's key is not for the algorithm that signed the token",
        ),
        (
            signer.sign_as(&header(json!({"crit": ["b64"], "b64": true})), &claims),
            "the token has a critical header (`crit`), which this server does not support",
        ),
        (
            signer.sign_as(&header(json!({"crit": []})), &claims),
            "the token has a critical header (`crit`), which this server does not support",
        ),
        (
            signer.sign_as(&header(json!({"typ": "logout+jwt"})), &claims),
            "the token's type (`typ`) is not that of an access token",
        ),
        (
            Signer::named("mallory")
                .sign_as(&header(json!({"jwk": Signer::named("mallory").jwk()})), &claims),
            WRONG_SIGNATURE,
        ),
        ("..".to_owned(), NOT_A_JWT),
        ("a.b.c".to_owned(), NOT_A_JWT),
        (format!("{good}."), "this server does not recognize the token"),
        (good.replace('.', " "), "this server does not recognize the token"),
    ] {
        assert_eq!(server.refusal(&token).await, why, "{token}");
    }
    for unknown in
        [signer.sign_as(&header(json!({"kid": "../ed"})), &claims), Signer::named("mallory").sign(&claims)]
    {
        // The issuer may have such a key by now; it is asked again after ten seconds.
        server.retry_after(&unknown).await;
        server.clock.advance(Duration::from_secs(10));
        assert_eq!(server.refusal(&unknown).await, UNKNOWN_KEY, "{unknown}");
    }
    server.caller(&good).await.unwrap();
}

#[tokio::test]
async fn keys_without_an_id_verify_tokens_without_one() {
    let signer = Signer::named("ed").unnamed();
    let server = ResourceServer::with(&[&signer, &Signer::ec("ec").unnamed()]).await;
    server.caller(&signer.sign(&server.claims())).await.unwrap();
    let other = Signer::named("other").unnamed().sign(&server.claims());
    server.retry_after(&other).await;
    server.clock.advance(Duration::from_secs(10));
    assert_eq!(server.refusal(&other).await, UNKNOWN_KEY);
    // If there are many keys, a token must name its own.
    let keys: Vec<Signer> = (0..5).map(|n| Signer::named(&format!("k{n}"))).collect();
    let server = ResourceServer::with(&keys.iter().collect::<Vec<_>>()).await;
    server.caller(&keys[4].sign(&server.claims())).await.unwrap();
    let why = server.refusal(&Signer::named("k4").unnamed().sign(&server.claims())).await;
    assert_eq!(why, "the token does not name its key (`kid`)");
}

#[tokio::test]
async fn repeated_tokens_are_not_verified_again() {
    let signer = Signer::named("ed");
    let server = ResourceServer::with(&[&signer]).await;
    let tokens: Vec<String> = (0..200).map(|n| signer.sign(&server.with_claim("jti", json!(n)))).collect();
    let started = std::time::Instant::now();
    for token in &tokens {
        server.caller(token).await.unwrap();
    }
    let first = started.elapsed();
    let started = std::time::Instant::now();
    for token in &tokens {
        server.caller(token).await.unwrap();
    }
    let again = started.elapsed();
    assert!(again * 3 < first, "{again:?} after {first:?}");
}

#[tokio::test]
async fn combined_access_accepts_keys_and_tokens() {
    let signer = Signer::named("ed");
    let server = ResourceServer::with(&[&signer]).await;
    let token = signer.sign(&server.claims());
    let file = tempfile::NamedTempFile::new().unwrap();
    let hash = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
    let entry = format!("[[token]]\nsubject = \"ci\"\nscopes = []\nsha256 = \"{hash}\"\n");
    std::fs::write(&file, entry).unwrap();
    let both = Access::tokens(&file).unwrap().or(server.access);
    assert_eq!(both.caller(Some("foo")).await.unwrap().subject(), "ci");
    assert_eq!(both.clock(server.clock).caller(Some(&token)).await.unwrap().subject(), "ada");
}
