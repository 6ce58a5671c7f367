//! Thousands of generated messages, with a fixed seed: each request gets exactly one answer, and the server goes on.

use std::{collections::HashMap, process::Command};

use candor_tests::{
    conformance,
    http::{HttpRequest, HttpServer},
    messages::{INITIALIZED, initialize, modern, request},
    raw_client::RawClient,
    wire_generator::{Expected, WireGenerator, assert_answer_shape, expected},
};
use serde_json::{Value, json};

const REVISIONS: [&str; 3] = ["2025-06-18", "2025-11-25", "2026-07-28"];
/// The messages that are sent before their answers are read.
const BATCH: usize = 40;

/// The answers that are still missing, by id, with the messages that they answer.
#[derive(Default)]
struct Missing(HashMap<String, Vec<String>>);

impl Missing {
    fn add(&mut self, id: &Value, message: &[u8]) {
        let message = String::from_utf8_lossy(&message[..message.len().min(500)]).into_owned();
        self.0.entry(id.to_string()).or_default().push(message);
    }

    /// Takes an answer, which must be one of the missing ones.
    fn take(&mut self, answer: &Value) {
        assert_answer_shape(answer);
        let id = answer.get("id").unwrap_or(&Value::Null).to_string();
        let messages = self.0.get_mut(&id).unwrap_or_else(|| panic!("nothing asked for {answer}"));
        messages.pop();
        if messages.is_empty() {
            self.0.remove(&id);
        }
    }
}

/// Receives answers until none is missing.
async fn receive_all(client: &mut RawClient, missing: &mut Missing) {
    while !missing.0.is_empty() {
        let message = tokio::time::timeout(std::time::Duration::from_secs(15), client.receive()).await;
        let message = message.unwrap_or_else(|_| panic!("no answer to {:?}", missing.0));
        // The server may send notifications of its own.
        if message.get("method").is_none() {
            missing.take(&message);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn generated_lines_get_one_answer_each() {
    for (seed, revision) in (1..).zip(REVISIONS) {
        let mut client = RawClient::connect(conformance::server().unaudited().build().unwrap());
        let is_modern = revision == "2026-07-28";
        if !is_modern {
            client.exchange(initialize(revision)).await;
            client.send(INITIALIZED).await;
        }
        let mut generator = WireGenerator::new(seed, revision);
        for batch in 0..50 {
            let mut missing = Missing::default();
            for _ in 0..BATCH {
                let line = generator.message();
                if let Expected::Answer(id) = expected(&line) {
                    missing.add(&id, &line);
                }
                client.send(&line).await;
            }
            let id = json!(format!("batch {batch}"));
            let last = if is_modern {
                modern(&id, revision, "tools/list", json!({}))
            } else {
                request(&id, "tools/list", json!({}))
            };
            missing.add(&id, last.as_bytes());
            client.send(last).await;
            receive_all(&mut client, &mut missing).await;
        }
        for message in client.close().await {
            assert!(message.get("method").is_some(), "nothing asked for {message}");
        }
    }
}

/// The headers that a client of the revision sends with a message.
fn with_headers(message: &[u8], revision: &str, session: Option<&str>) -> HttpRequest {
    let value: Value = serde_json::from_slice(message).unwrap_or_default();
    let mut request = HttpRequest::post("").with("mcp-protocol-version", revision);
    match session {
        Some(session) => request.with("mcp-session-id", session),
        None => {
            for (header, name) in [("mcp-method", &value["method"]), ("mcp-name", name(&value))] {
                let name = name.as_str().filter(|name| name.bytes().all(|byte| (32..127).contains(&byte)));
                if let Some(name) = name {
                    request = request.with(header, name);
                }
            }
            request
        }
    }
}

/// The value that `Mcp-Name` repeats.
fn name(message: &Value) -> &Value {
    let params = &message["params"];
    ["name", "uri", "taskId"]
        .iter()
        .map(|name| &params[name])
        .find(|name| !name.is_null())
        .unwrap_or(&Value::Null)
}

/// Changes one header, so that the request may be refused for it.
fn mutate_headers(generator: &mut WireGenerator, request: HttpRequest) -> HttpRequest {
    let headers = [
        ("mcp-protocol-version", "nonsense"),
        ("mcp-protocol-version", "2099-01-01"),
        ("mcp-protocol-version", "2025-03-26"),
        ("mcp-method", "tools/marker"),
        ("mcp-name", "marker"),
        ("mcp-session-id", "marker"),
        ("mcp-param-marker", "marker"),
        ("accept", "text/html"),
        ("accept", "*/*"),
        ("content-type", "text/plain"),
        ("content-type", "application/json; charset=utf-8"),
        ("last-event-id", "marker"),
        ("host", "marker.example"),
        ("origin", "https://marker.example"),
    ];
    let (name, value) = *generator.random().pick(&headers);
    if generator.random().below(3) == 0 {
        let mut request = request;
        request.headers.retain(|(header, _)| header != name);
        return request;
    }
    request.with(name, value)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn generated_requests_over_http_get_one_answer_each() {
    let server = HttpServer::start(Command::new(env!("CARGO_BIN_EXE_conformance")), &[]).await;
    for (seed, revision) in (11..).zip(REVISIONS) {
        let is_modern = revision == "2026-07-28";
        let session = if is_modern { None } else { Some(server.open_session(None).await) };
        let mut generator = WireGenerator::new(seed, revision);
        for _ in 0..700 {
            let message = generator.message();
            let expected = expected(&message);
            let start = String::from_utf8_lossy(&message[..message.len().min(500)]).into_owned();
            let mut request = with_headers(&message, revision, session.as_deref());
            request = request.with("content-length", &message.len().to_string());
            let is_changed = generator.random().below(5) == 0;
            if is_changed {
                request = mutate_headers(&mut generator, request);
            }
            let context = format!("{start} {:?}", request.headers);
            let mut connection = server.connect().await;
            connection.send(&[request.bytes(server.address), message].concat()).await;
            let response = connection.response().await;
            let response = response.unwrap_or_else(|| panic!("no response to {context}"));
            assert!(!response.body.contains("marker"), "a value is repeated: {context} {response:?}");
            let has_answer = !response.body.is_empty();
            match (&expected, response.status) {
                (Expected::Answer(id), 200) => {
                    let answer = response.message();
                    assert_answer_shape(&answer);
                    assert_eq!(answer.get("id").unwrap_or(&Value::Null), id, "{context} {response:?}");
                }
                (_, 202) if expected == Expected::Nothing => assert!(!has_answer, "{context} {response:?}"),
                (_, 400..=499) => {
                    let answer = response.message();
                    assert_answer_shape(&answer);
                    let own = [Some(&Value::Null), None].contains(&answer.get("id"));
                    let of_request =
                        matches!(&expected, Expected::Answer(id) if Some(id) == answer.get("id"));
                    assert!(own || of_request, "{context} {response:?}");
                    assert!(answer.get("error").is_some(), "{context} {response:?}");
                }
                _ => panic!("{context} {response:?}"),
            }
        }
    }
    let answer = server.send(&candor_tests::http::modern("tools/list", json!({}))).await;
    assert_eq!(answer.status, 200);
}
