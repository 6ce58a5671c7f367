//! The protocol inside another HTTP application, beside its routes and under its layers, over TCP and a Unix socket.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::Request,
    http::HeaderValue,
    middleware::{self, Next},
    response::Response,
    routing::get,
};
use candor::{AuditLog, HttpOptions, HttpService, Server, Service, State, access::Access, mcp_tool, tools};
use candor_tests::{
    http::{HttpConnection, HttpRequest, HttpResponse, call, initialize, legacy, write_token_file},
    log,
};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, UnixListener, UnixStream},
    sync::Notify,
};

#[derive(State)]
struct App {
    started: Arc<Notify>,
    release: Arc<tokio::sync::Semaphore>,
}

/// Return the length of a text.
#[mcp_tool(read_only, closed_world, public)]
fn measure(
    /// Any text.
    text: &str,
) -> usize {
    text.len()
}

/// Read a shelf of the vault.
#[mcp_tool(read_only, closed_world, scope = "read:vault")]
fn vault() -> &'static str {
    "gold"
}

/// Do nothing, twice an hour.
#[mcp_tool(read_only, closed_world, public, rate = "2/h")]
fn twice() {}

/// Wait until the test lets go.
#[mcp_tool(read_only, closed_world, public)]
async fn hold(started: &Arc<Notify>, release: &Arc<tokio::sync::Semaphore>) {
    started.notify_one();
    let _ = release.acquire().await;
}

/// A server with the means to hold its calls.
struct Held {
    service: Service,
    started: Arc<Notify>,
    release: Arc<tokio::sync::Semaphore>,
}

impl Held {
    /// Waits until a call is in flight.
    async fn begun(&self) {
        let begun = tokio::time::timeout(Duration::from_secs(40), self.started.notified()).await;
        begun.expect("the call begins");
    }
}

fn held(server: impl FnOnce(Server<App>) -> Server<App>) -> Held {
    let (started, release) = (Arc::new(Notify::new()), Arc::new(tokio::sync::Semaphore::new(0)));
    let state = App { started: Arc::clone(&started), release: Arc::clone(&release) };
    let server =
        server(Server::new("embedded", "1.0.0").state(state).tools(tools![measure, vault, twice, hold]));
    Held { service: server.build().unwrap(), started, release }
}

fn service() -> Service {
    held(Server::unaudited).service
}

/// A layer of the application: it marks every answer.
async fn mark(request: Request, next: Next) -> Response {
    let mut answer = next.run(request).await;
    answer.headers_mut().insert("x-application", HeaderValue::from_static("mine"));
    answer
}

/// An application with a route and a layer of its own, and the protocol at `/mcp`.
fn application(mcp: &HttpService) -> Router {
    Router::new()
        .route("/", get(|| async { "home" }))
        .merge(mcp.health_router())
        .merge(mcp.metadata_router())
        .nest("/mcp", mcp.router())
        .layer(middleware::from_fn(mark))
}

async fn answer<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(stream: S, app: Router) {
    let served = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(app));
    let _ = served.await;
}

/// Serves an application on a port of its own.
async fn over_tcp(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(answer(stream, app.clone()));
        }
    });
    address
}

async fn send(address: SocketAddr, request: &HttpRequest) -> HttpResponse {
    let mut connection = HttpConnection::open(address).await;
    connection.send(&request.bytes(address)).await;
    connection.response().await.expect("a response")
}

fn measure_call() -> HttpRequest {
    call("measure", json!({"text": "abc"}))
}

fn assert_measured(response: &HttpResponse) {
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(response.message()["result"]["structuredContent"], 3, "{response:?}");
}

#[tokio::test]
async fn protocol_is_mounted_beside_an_application() {
    let mcp = service().http(Access::everyone(""));
    let address = over_tcp(application(&mcp)).await;
    let home = send(address, &HttpRequest::get("/")).await;
    assert_eq!((home.status, &*home.body, home.header("x-application")), (200, "home", Some("mine")));
    let answer = send(address, &measure_call()).await;
    assert_measured(&answer);
    assert_eq!(answer.header("x-application"), Some("mine"));
    let missing = send(address, &HttpRequest::get("/mcp/else")).await;
    assert_eq!(missing.status, 404);

    // A session of an older revision.
    let opened = send(address, &initialize()).await;
    assert_eq!(opened.status, 200, "{opened:?}");
    let session = opened.header("mcp-session-id").expect("a session").to_owned();
    let params = json!({"name": "measure", "arguments": {"text": "abc"}});
    let answer = send(address, &legacy(&session, "tools/call", params)).await;
    assert_eq!(answer.message()["result"]["structuredContent"]["result"], 3, "{answer:?}");
}

#[tokio::test]
async fn protocol_is_a_service_at_any_path() {
    let mcp = service().http(Access::everyone(""));
    let address = over_tcp(Router::new().route_service("/tools/mcp", mcp)).await;
    let mut request = measure_call();
    request.line = "POST /tools/mcp".to_owned();
    assert_measured(&send(address, &request).await);
    let address = over_tcp(Router::new().nest("/mcp", service().router(Access::everyone("")))).await;
    assert_measured(&send(address, &measure_call()).await);
}

#[tokio::test]
async fn protocol_is_served_over_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("http");
    let listener = UnixListener::bind(&path).unwrap();
    let app = application(&service().http(Access::everyone("")));
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        answer(stream, app).await;
    });
    let mut stream = UnixStream::connect(&path).await.unwrap();
    let request = measure_call().with("host", "localhost").with("connection", "close");
    stream.write_all(&request.bytes(([127, 0, 0, 1], 0).into())).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 200 OK"), "{response}");
    assert!(response.contains(r#""structuredContent":3"#), "{response}");
}

/// Options with a public name, a page, and a key of Ada's with the scope of the vault.
fn guarded(folder: &Path) -> HttpOptions {
    let keys = write_token_file(folder, &[("ada-key", "ada", "read:vault")]);
    let options = HttpOptions::new(Access::tokens(keys).unwrap()).max_body(1_000);
    options.allow_host("mcp.example").unwrap().allow_origin("https://app.example").unwrap()
}

#[tokio::test]
async fn mounted_protocol_keeps_every_guarantee() {
    let folder = tempfile::tempdir().unwrap();
    let records = folder.path().join("log");
    let held = held(|server| server.audit(AuditLog::at(&records)));
    let address = over_tcp(application(&held.service.http(guarded(folder.path())))).await;
    let ada = || measure_call().bearer("ada-key");
    assert_measured(&send(address, &ada()).await);
    assert_measured(&send(address, &ada().with("host", "mcp.example")).await);
    let page = send(address, &ada().with("origin", "https://app.example")).await;
    assert_eq!(page.header("access-control-allow-origin"), Some("https://app.example"), "{page:?}");
    for (request, status) in [
        (measure_call(), 401),
        (measure_call().bearer("eve-key"), 401),
        (ada().with("host", "evil.example"), 403),
        (ada().with("origin", "https://evil.example"), 403),
        (call("measure", json!({"text": "x".repeat(2_000)})).bearer("ada-key"), 413),
    ] {
        let response = send(address, &request).await;
        assert_eq!(response.status, status, "{request:?}: {response:?}");
    }
    assert_eq!(send(address, &call("vault", json!({})).bearer("ada-key")).await.status, 200);
    let twice = call("twice", json!({})).bearer("ada-key");
    for status in [200, 200, 429] {
        assert_eq!(send(address, &twice).await.status, status);
    }
    held.service.stop_audit();
    let recorded: Vec<String> = log::records(&records).iter().map(ToString::to_string).collect();
    assert!(recorded.iter().any(|line| line.contains(r#""ada""#) && line.contains("vault")), "{recorded:?}");
    assert!(recorded.iter().any(|line| line.contains("twice") && line.contains("rate")), "{recorded:?}");
}

#[test]
fn options_refuse_invalid_names() {
    let options = || HttpOptions::new(Access::everyone(""));
    assert!(options().allow_host("http://a.example").is_err());
    assert!(options().allow_origin("a.example").is_err());
    assert!(options().public_url("a.example/mcp").is_err());
    assert!(options().public_url("https://a.example/mcp").is_ok());
}

#[tokio::test]
async fn mounted_protocol_says_where_to_get_a_token() {
    let access = Access::oauth("http://127.0.0.1:1", "https://mcp.example/mcp").unwrap();
    let options = HttpOptions::new(access).public_url("https://mcp.example/mcp").unwrap();
    let address = over_tcp(application(&service().http(options))).await;
    let refused = send(address, &measure_call().with("host", "mcp.example")).await;
    assert_eq!(refused.status, 401, "{refused:?}");
    let challenge = refused.header("www-authenticate").expect("a challenge");
    let metadata = "/.well-known/oauth-protected-resource/mcp";
    assert!(challenge.contains(&format!("https://mcp.example{metadata}")), "{challenge}");
    let document = send(address, &HttpRequest::get(metadata)).await;
    assert_eq!(document.message()["resource"], "https://mcp.example/mcp", "{document:?}");
}

#[tokio::test]
async fn embedder_drains_and_ends_the_server() {
    let ended = Arc::new(Notify::new());
    let at_end = Arc::clone(&ended);
    let held = held(|server| server.unaudited().on_stop(move |_| async move { at_end.notify_one() }));
    let mcp = held.service.http(Access::everyone(""));
    let address = over_tcp(application(&mcp)).await;
    assert_eq!(send(address, &HttpRequest::get("/livez")).await.status, 200);
    assert_eq!(send(address, &HttpRequest::get("/readyz")).await.status, 200);
    let in_flight = tokio::spawn(async move { send(address, &call("hold", json!({}))).await });
    held.begun().await;
    let draining = tokio::spawn({
        let mcp = mcp.clone();
        async move { mcp.drain(Duration::ZERO, Duration::from_secs(60)).await }
    });
    while send(address, &HttpRequest::get("/readyz")).await.status == 200 {}
    loop {
        let refused = send(address, &measure_call()).await;
        if refused.status == 503 {
            break;
        }
    }
    assert!(!draining.is_finished(), "a call is in flight");
    held.release.add_permits(1);
    assert_eq!(in_flight.await.unwrap().status, 200);
    assert_eq!(draining.await.unwrap(), Ok(()));
    assert_eq!(held.service.stop().await, []);
    ended.notified().await;
}

#[tokio::test]
async fn drain_that_times_out_says_so() {
    let held = held(Server::unaudited);
    let mcp = held.service.http(Access::everyone(""));
    let address = over_tcp(application(&mcp)).await;
    let in_flight = tokio::spawn(async move { send(address, &call("hold", json!({}))).await });
    held.begun().await;
    assert!(mcp.drain(Duration::ZERO, Duration::ZERO).await.is_err());
    assert_eq!(in_flight.await.unwrap().status, 503);
}
