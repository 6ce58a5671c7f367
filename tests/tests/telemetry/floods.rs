//! Floods of distinct callers, tool names and client names: neither the memory of the server nor its series grow with them.
//!
//! `CANDOR_FLOOD=1000000 cargo test --release -p candor-tests --test telemetry -- floods --nocapture` tries as many and prints the memory.

use std::{process::Command, time::SystemTime};

use candor_tests::{
    http::{HttpConnection, HttpRequest, HttpServer},
    issuer::{AUDIENCE, Issuer, Signer},
    messages::{metadata, request},
};
use serde_json::json;

/// The callers of the flood, unless the environment says otherwise.
const CALLERS: usize = 2_000;
/// The growth of the memory in the second half of the flood, in kB, from which on the test fails. An entry for each caller
/// would need as much after some ten thousand callers.
const MAX_GROWTH_KB: usize = 16_384;

/// A call of 2026-07-28 by a client of this name.
fn call(tool: &str, client: usize) -> HttpRequest {
    let mut meta = metadata("2026-07-28", &json!({}));
    meta["io.modelcontextprotocol/clientInfo"] = json!({"name": format!("client-{client}"), "version": "1"});
    meta["baggage"] = json!(format!("flood-key-{client}=1"));
    let arguments = if tool == "measure" { json!({"text": "abc"}) } else { json!({}) };
    let params = json!({"name": tool, "arguments": arguments, "_meta": meta});
    let request = HttpRequest::post(request(&json!(client), "tools/call", params)).with("mcp-name", tool);
    request.with("mcp-protocol-version", "2026-07-28").with("mcp-method", "tools/call")
}

async fn send(server: &HttpServer, connection: &mut HttpConnection, request: &HttpRequest) -> u16 {
    connection.send(&request.bytes(server.address)).await;
    connection.response().await.expect("a response").status
}

#[tokio::test]
async fn flood_of_callers_and_names_grows_neither_memory_nor_series() {
    let callers = std::env::var("CANDOR_FLOOD").map_or(CALLERS, |count| count.parse().expect("a number"));
    let folder = tempfile::tempdir().unwrap();
    let signer = Signer::named("ed");
    let issuer = Issuer::with(&[&signer]).await;
    let log = folder.path().join("audit");
    let flags = ["--oauth-issuer", &issuer.address, "--oauth-audience", AUDIENCE];
    let flags = [&flags[..], &["--quiet", "--audit", log.to_str().unwrap()]].concat();
    let server = HttpServer::start(Command::new(env!("CARGO_BIN_EXE_web")), &flags).await;
    let token = |caller: usize| {
        let now = SystemTime::UNIX_EPOCH.elapsed().expect("the clock is past 1970").as_secs();
        let subject = format!("caller-{caller}");
        let claims = json!({"iss": issuer.address, "sub": subject, "aud": AUDIENCE, "iat": now, "exp": now + 3600, "scope": "x"});
        signer.sign(&claims)
    };
    let mut connection = server.connect().await;
    let mut looks = Vec::new();
    for caller in 0..callers {
        let token = token(caller);
        let mut as_caller =
            async |tool: &str| send(&server, &mut connection, &call(tool, caller).bearer(&token)).await;
        let answers = [
            as_caller("measure").await,
            as_caller(&format!("tool-{caller}")).await,
            // Its rate is counted for each caller.
            as_caller("twice").await,
        ];
        assert_eq!(answers, [200; 3]);
        // Not a token, but a subject that its sender made up.
        assert_eq!(
            send(&server, &mut connection, &call("measure", caller).bearer(&format!("x.{caller}"))).await,
            401
        );
        if (caller + 1) % callers.div_ceil(8) == 0 || caller == 100 || caller + 1 == callers {
            let metrics = server.send(&HttpRequest::get("/metrics").bearer(&token)).await;
            assert_eq!(metrics.status, 200);
            for name in ["caller-", "tool-", "client-", "flood-key"] {
                assert!(!metrics.body.contains(name), "{}", metrics.body);
            }
            looks.push((caller + 1, metrics.body.lines().count(), server.memory_kb()));
        }
    }
    for (callers, series, memory) in &looks {
        println!("after {callers:8} callers: {series} lines of metrics, {memory} kB");
    }
    let series: Vec<usize> = looks.iter().map(|(_, series, _)| *series).collect();
    assert!(series.iter().all(|lines| *lines == series[0]), "{looks:?}");
    let (half, last) = (looks[looks.len() / 2].2, looks[looks.len() - 1].2);
    assert!(last < half + MAX_GROWTH_KB, "{looks:?}");
}
