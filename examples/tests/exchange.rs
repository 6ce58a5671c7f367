//! Tests `fetch_quote` with a fake exchange, which is busy at first. The clock is paused, so the retries do not wait; the
//! sandbox is off, because sandboxed runtimes have their own clock.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    time::Duration,
};

use candor::{Revision, Sandbox, Server, testing::Client, tools};
use candor_examples::prices::{App, exchange::Exchange, tools};
use serde_json::json;
use tokio::time::Instant;

/// Starts an exchange that gives one response to each connection and then closes, and returns its address.
fn start_exchange(responses: &'static [&'static str]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for response in responses {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut line = String::new();
            while reader.read_line(&mut line).unwrap() > 2 {
                line.clear();
            }
            write!(stream, "HTTP/1.1 {response}").unwrap();
        }
    });
    format!("http://{address}/quotes")
}

const BUSY: &str = "503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const BUSY_FOR_A_SECOND: &str =
    "503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const QUOTE: &str = "200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\n223.02";
const UNKNOWN: &str = "404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const NO_PRICE: &str = "200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nsoon";

async fn connect(responses: &'static [&'static str]) -> (Client, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let app =
        App::in_folder(folder.path()).unwrap().with_exchange(Exchange::at(Some(start_exchange(responses))));
    let server =
        Server::new("prices", "1").sandbox(Sandbox::Off).state(app).tools(tools![tools::fetch_quote]);
    (Client::to(server.build().unwrap().grant("read:prices"), Revision::V2026_07_28).await, folder)
}

#[tokio::test(start_paused = true)]
async fn fetch_quote_retries_a_busy_exchange_after_the_time_it_asks_for() {
    let (client, _folder) = connect(&[BUSY_FOR_A_SECOND, BUSY, QUOTE]).await;
    let start = Instant::now();
    let answer = client.call("fetch_quote", json!({"symbol": "AAPL"})).await.unwrap();
    assert_eq!(answer.structured, Some(json!({"symbol": "AAPL", "price": 223.02})), "{}", answer.text());
    assert!(start.elapsed() >= Duration::from_secs(1), "the exchange asked for a second");
}

#[tokio::test(start_paused = true)]
async fn fetch_quote_of_an_exchange_that_stays_busy_is_a_transient_error() {
    let (client, _folder) = connect(&[BUSY, BUSY, BUSY, BUSY_FOR_A_SECOND]).await;
    let answer = client.call("fetch_quote", json!({"symbol": "AAPL"})).await.unwrap();
    assert_eq!(answer.reason(), Some("exchange_busy"));
    assert_eq!(answer.meta["io.github.candor-mcp/retry-after-seconds"], 1);
    assert_eq!(answer.meta["io.github.candor-mcp/transient"], true);
}

#[tokio::test(start_paused = true)]
async fn fetch_quote_does_not_retry_a_permanent_error() {
    for (responses, reason) in [(&[UNKNOWN], "unknown_symbol"), (&[NO_PRICE], "bad_quote")] {
        let (client, _folder) = connect(responses).await;
        let answer = client.call("fetch_quote", json!({"symbol": "AAPL"})).await.unwrap();
        assert_eq!(answer.reason(), Some(reason));
    }
}

#[tokio::test(start_paused = true)]
async fn fetch_quote_of_an_unreachable_exchange_is_an_error() {
    let (client, _folder) = connect(&[]).await;
    let answer = client.call("fetch_quote", json!({"symbol": "AAPL"})).await.unwrap();
    assert_eq!(answer.reason(), Some("exchange_unreachable"));
}
