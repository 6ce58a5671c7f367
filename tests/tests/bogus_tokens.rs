//! Forged tokens: a hundred thousand of them use no memory afterwards. Alone in its process, so that it can be measured.

use candor::{
    access::{Access, Denied},
    testing::Clock,
};
use candor_tests::{
    child_process::resident_kb,
    issuer::{Issuer, Signer, encode},
};
use serde_json::json;

#[tokio::test]
#[cfg(target_os = "linux")]
async fn forged_tokens_use_no_memory_afterwards() {
    let signer = Signer::named("ed");
    let issuer = Issuer::with(&[&signer]).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let oauth = Access::oauth(&issuer.address, "https://prices.example/mcp").unwrap();
    let access = Access::tokens(&file).unwrap().or(oauth).clock(Clock::manual());
    let claims = encode(&json!({"sub": "x".repeat(500)}));
    let bogus = |n: usize| {
        let kid = if n.is_multiple_of(100) { "ed".to_owned() } else { format!("bogus-{n}") };
        let header = encode(&json!({"alg": "EdDSA", "kid": kid}));
        match n % 4 {
            0 => format!("{header}.{claims}.{}", encode(&json!(n))),
            1 => format!("{header}.{claims}."),
            2 => format!("candor_{n}{claims}"),
            _ => format!("{n}.{claims}.{n}"),
        }
    };
    let mut before = 0;
    for n in 0..110_000 {
        // The first ones allocate what is allocated once.
        if n == 10_000 {
            before = resident_kb("self");
        }
        let denied = access.caller(Some(&bogus(n))).await;
        assert!(matches!(denied, Err(Denied::Bad(_))), "{denied:?}");
    }
    let grown = resident_kb("self").saturating_sub(before);
    assert!(grown < 4096, "{grown} kB more than before");
}
