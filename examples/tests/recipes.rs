//! The recipe of "Pools, drivers and threads" (`candor::_guide::pools`) for reqwest: its clients are shared by sandboxed
//! tools and one that writes, in both orders. A `testing::Client` fails a test in which a sandboxed tool starts a thread
//! that outlives the call. The example server `notes` is the recipe of rusqlite with r2d2, and `tests/sqlx` has that of sqlx.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
};

use candor::{Revision, Server, State, mcp_tool, testing::Client, tools};
use serde_json::json;
use tokio::task::spawn_blocking;

/// The clients of an HTTP service.
#[derive(State)]
struct Web {
    #[state(network)]
    asynchronous: reqwest::Client,
    #[state(network)]
    blocking: reqwest::blocking::Client,
}

/// Fetch a page.
#[mcp_tool(read_only, public)]
async fn fetch(
    client: &reqwest::Client,
    /// The address.
    url: &str,
) -> Result<String, reqwest::Error> {
    client.get(url).send().await?.text().await
}

/// Fetch a page, on a thread that waits.
#[mcp_tool(read_only, public)]
fn fetch_blocking(
    client: &reqwest::blocking::Client,
    /// The address.
    url: &str,
) -> Result<String, reqwest::Error> {
    client.get(url).send()?.text()
}

/// Fetch a page, and write it into a file.
#[mcp_tool(additive, public)]
async fn save(
    client: &reqwest::Client,
    /// The address.
    url: &str,
    /// The file.
    file: &str,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let page = client.get(url).send().await?.text().await?;
    Ok(tokio::fs::write(file, page).await?)
}

/// Starts a service that answers every request of a connection, and returns its address.
fn start_web() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut stream = stream;
                let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
                for _end_of_request in lines.filter(String::is_empty) {
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nahoy").unwrap();
                }
            });
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn reqwest_clients_are_shared_by_sandboxed_and_other_tools_in_any_order() {
    let (url, folder) = (start_web(), tempfile::tempdir().unwrap());
    let file = folder.path().join("page");
    for order in [["fetch", "fetch_blocking", "save"], ["save", "fetch_blocking", "fetch"]] {
        let server = Server::new("web", "1").unaudited().without_idempotency().state_with(|| {
            // `reqwest::blocking` starts a thread.
            let blocking = reqwest::blocking::Client::builder().build()?;
            Ok::<_, reqwest::Error>(Web { asynchronous: reqwest::Client::new(), blocking })
        });
        let server = server.tools(tools![fetch, fetch_blocking, save]);
        // `reqwest::blocking` refuses to start on a thread of a runtime, such as that of a test.
        let service = spawn_blocking(|| server.build().unwrap()).await.unwrap();
        let client = Client::to(service, Revision::V2026_07_28).await;
        for tool in order.iter().cycle().take(6) {
            let mut arguments = json!({"url": url});
            if *tool == "save" {
                arguments["file"] = json!(file);
            }
            let answer = client.call(tool, arguments).await.unwrap();
            assert!(!answer.is_error, "{tool}: {}", answer.text());
        }
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "ahoy");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn error_of_reqwest_is_answered_with_its_causes() {
    let server = Server::new("web", "1").unaudited().without_idempotency();
    let blocking = spawn_blocking(reqwest::blocking::Client::new).await.unwrap();
    let web = Web { asynchronous: reqwest::Client::new(), blocking };
    let service = server.state(web).tools(tools![fetch]).build().unwrap();
    let client = Client::to(service, Revision::V2026_07_28).await;
    let answer = client.call("fetch", json!({"url": "http://127.0.0.1:1/"})).await.unwrap();
    assert!(answer.text().contains("Connection refused"), "{}", answer.text());
}
