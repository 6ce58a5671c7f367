//! Tokens of an authorization server → who calls, and why nobody does.

use std::{sync::Arc, time::Duration};

use candor::{
    Caller,
    access::{Access, Denied},
    testing::Clock,
};
use candor_tests::issuer::{Issuer, KEYS, METADATA, Page, Signer, part};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

const AUDIENCE: &str = "https://prices.example/mcp";

/// A server that takes the tokens of one issuer, on a clock that is turned by hand.
struct Desk {
    issuer: Issuer,
    clock: Clock,
    access: Access,
}

impl Desk {
    async fn with(keys: &[&Signer]) -> Self {
        Self::of(Issuer::with(keys).await)
    }

    fn of(issuer: Issuer) -> Self {
        let clock = Clock::by_hand();
        let access = Access::oauth(&issuer.address, AUDIENCE).unwrap().clock(clock.clone());
        Self { issuer, clock, access }
    }

    /// What a good token says, for an hour.
    fn claims(&self) -> Value {
        let now = self.clock.since_1970().as_secs();
        let (iss, exp) = (&self.issuer.address, now + 3600);
        json!({"iss": iss, "sub": "ada", "aud": AUDIENCE, "exp": exp, "scope": "read:prices write:alerts"})
    }

    fn with_claim(&self, name: &str, value: Value) -> Value {
        let mut claims = self.claims();
        claims[name] = value;
        claims
    }

    fn without_claim(&self, name: &str) -> Value {
        let mut claims = self.claims();
        claims.as_object_mut().unwrap().remove(name);
        claims
    }

    async fn caller(&self, token: &str) -> Result<Arc<Caller>, Denied> {
        self.access.caller(Some(token)).await
    }

    async fn bad(&self, token: &str) -> &'static str {
        match self.caller(token).await {
            Err(Denied::Bad(why)) => why,
            other => panic!("{other:?} for {token}"),
        }
    }
}

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
        assert_eq!(scopes(&*desk.caller(&signer.sign(&claims)).await.unwrap()), held, "{claims}");
    }
    for scp in [json!(["a", "b"]), json!("a b")] {
        let mut claims = desk.without_claim("scope");
        claims["scp"] = scp;
        assert_eq!(scopes(&*desk.caller(&signer.sign(&claims)).await.unwrap()), ["a", "b"]);
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
    desk.clock.turn(Duration::from_secs(39));
    assert_eq!(desk.bad(&token).await, "the token is not in force yet");
    desk.clock.turn(Duration::from_secs(1));
    desk.caller(&token).await.unwrap();
    desk.clock.turn(Duration::from_secs(619));
    desk.caller(&token).await.unwrap();
    desk.clock.turn(Duration::from_secs(1));
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
async fn a_rotated_key_is_found_and_the_old_one_is_forgotten() {
    let (old, new) = (Signer::named("old"), Signer::named("new"));
    let desk = Desk::with(&[&old]).await;
    let (by_old, by_new) = (old.sign(&desk.claims()), new.sign(&desk.claims()));
    desk.caller(&by_old).await.unwrap();
    desk.issuer.rotate(&[&new]);
    desk.caller(&by_old).await.expect("nobody has said otherwise yet");
    assert_eq!(desk.bad(&by_new).await, STRANGE_KEY, "asked a moment ago");
    desk.clock.turn(Duration::from_secs(10));
    desk.caller(&by_new).await.unwrap();
    assert_eq!(desk.bad(&by_old).await, STRANGE_KEY, "though it was verified before");
    assert_eq!(desk.issuer.asked(KEYS), 2);
    // A key that is withdrawn goes without a token that asks for another: after ten minutes, in the background.
    desk.issuer.rotate(&[&old]);
    desk.clock.turn(Duration::from_secs(600));
    desk.caller(&by_new).await.unwrap();
    for _ in 0..1000 {
        if desk.caller(&by_old).await.is_ok() {
            break;
        }
        tokio::task::yield_now().await;
    }
    desk.caller(&by_old).await.unwrap();
    assert_eq!(desk.bad(&by_new).await, STRANGE_KEY);
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
        desk.clock.turn(Duration::from_secs(10));
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
        desk.clock.turn(Duration::from_secs(60));
        desk.caller(&token(&desk)).await.unwrap();
    }
    let last = token(&desk);
    desk.caller(&last).await.unwrap();
    desk.clock.turn(Duration::from_secs(60));
    assert_eq!(desk.caller(&last).await, Err(Denied::Unavailable));
    assert_eq!(desk.caller(&last).await, Err(Denied::Unavailable));
    desk.issuer.down(false);
    desk.clock.turn(Duration::from_secs(10));
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
    desk.clock.turn(Duration::from_secs(10));
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
    let weak = json!({"kty": "RSA", "n": "r".repeat(171), "e": "AQAB"});
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
