//! A handler learns of its request: the client, the session, the request's id, headers without credentials, and `_meta`.

use candor::{Call, Revision, Server, Service, access::Access, mcp_tool, testing::Client, tools};
use candor_tests::http::{HttpConnection, HttpRequest, initialize, legacy};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Return what is known of the request.
#[mcp_tool(read_only, closed_world, public)]
fn known(
    call: &Call,
    /// The headers to return.
    headers: Option<Vec<String>>,
) -> Value {
    let headers = headers.unwrap_or_default();
    json!({
        "client": [call.client_name(), call.client_version()],
        "request": call.request_id(),
        "session": call.session(),
        "headers": headers.iter().map(|name| call.header(name)).collect::<Vec<_>>(),
        "trace": call.meta("com.example/trace"),
        "key": call.meta("io.github.candor-mcp/idempotency-key"),
    })
}

fn service() -> Service {
    Server::new("s", "1").unaudited().tools(tools![known]).build().unwrap()
}

#[tokio::test]
async fn handler_knows_the_client_and_the_connection() {
    for revision in Revision::ALL {
        let (one, other) = (Client::to(service(), revision).await, Client::to(service(), revision).await);
        let known = async |client: &Client| {
            let client = client.with_meta("com.example/trace", "4711");
            client.call("known", json!({})).await.unwrap().raw["structuredContent"].clone()
        };
        let unwrap =
            |answer: Value| if revision == Revision::V2026_07_28 { answer } else { answer["result"].clone() };
        let (first, second) = (unwrap(known(&one).await), unwrap(known(&one).await));
        assert_eq!(first["client"][0], "candor", "{revision} {first}");
        assert_eq!(first["trace"], "4711", "{first}");
        assert!(first["request"].is_string(), "{first}");
        assert_ne!(first["request"], second["request"]);
        assert_eq!(first["session"], second["session"], "one connection");
        assert_ne!(first["session"], unwrap(known(&other).await)["session"], "another connection");
    }
}

/// Sends a call over HTTP to a server of its own, and returns what the handler knew.
struct Http {
    address: std::net::SocketAddr,
}

impl Http {
    async fn start() -> Self {
        let app = service().router(Access::everyone(""));
        let app = axum::Router::new().nest("/mcp", app);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let served = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), TowerToHyperService::new(app.clone()));
                tokio::spawn(served);
            }
        });
        Self { address }
    }

    async fn send(&self, request: HttpRequest) -> candor_tests::http::HttpResponse {
        let request = request
            .with("x-request-id", "abc")
            .with("Accept-Language", "de")
            .with("authorization", "Bearer secret")
            .with("cookie", "id=secret")
            .with("x-api-key", "secret");
        let mut connection = HttpConnection::open(self.address).await;
        connection.send(&request.bytes(self.address)).await;
        connection.response().await.expect("a response")
    }
}

const HEADERS: [&str; 6] =
    ["X-Request-Id", "accept-language", "authorization", "cookie", "x-api-key", "mcp-session-id"];

#[tokio::test]
async fn handler_reads_headers_without_credentials() {
    let http = Http::start().await;
    let call = candor_tests::http::call("known", json!({"headers": HEADERS}));
    let answer = http.send(call).await.message();
    let known = &answer["result"]["structuredContent"];
    assert_eq!(known["headers"], json!(["abc", "de", null, null, null, null]), "{answer}");
    assert_eq!((&known["request"], &known["session"]), (&json!("7"), &Value::Null), "{answer}");

    let opened = http.send(initialize()).await;
    let session = opened.header("mcp-session-id").expect("a session").to_owned();
    let params = json!({"name": "known", "arguments": {"headers": HEADERS}});
    let answer = http.send(legacy(&session, "tools/call", params.clone())).await.message();
    let known = answer["result"]["structuredContent"]["result"].clone();
    assert_eq!(known["headers"], json!(["abc", "de", null, null, null, null]), "{answer}");
    let name = known["session"].as_str().expect("a session").to_owned();
    assert!(!session.contains(&name), "the name does not give access to the session");
    let again = http.send(legacy(&session, "tools/call", params)).await.message();
    assert_eq!(again["result"]["structuredContent"]["result"]["session"], name.as_str(), "{again}");
}
