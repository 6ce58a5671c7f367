//! `fetch_quote` against an exchange of our own: busy at first, and then not.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    time::{Duration, Instant},
};

use candor::{Revision, Server, testing::Client, tools};
use candor_examples::prices::{App, exchange::Exchange, tools};
use serde_json::json;

/// An exchange that gives these answers, one a connection, and then is gone.
fn exchange(answers: &'static [&'static str]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut line = String::new();
            while reader.read_line(&mut line).unwrap() > 2 {
                line.clear();
            }
            write!(stream, "HTTP/1.1 {answer}").unwrap();
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

async fn asking(answers: &'static [&'static str]) -> (Client, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let app = App::in_folder(folder.path()).unwrap().with_exchange(Exchange::at(Some(exchange(answers))));
    let server = Server::new("prices", "1").state(app).tools(tools![tools::fetch_quote]);
    (Client::to(server.build().unwrap().grant("read:prices"), Revision::V2026_07_28).await, folder)
}

#[tokio::test]
async fn a_busy_exchange_is_asked_again_when_it_says() {
    let (client, _folder) = asking(&[BUSY_FOR_A_SECOND, BUSY, QUOTE]).await;
    let start = Instant::now();
    let answer = client.call("fetch_quote", json!({"symbol": "AAPL"})).await.unwrap();
    assert_eq!(answer.structured, Some(json!({"symbol": "AAPL", "price": 223.02})), "{}", answer.text());
    assert!(start.elapsed() >= Duration::from_secs(1), "it was asked to wait a second");
}

#[tokio::test]
async fn an_exchange_that_stays_busy_is_the_callers_to_ask_again() {
    let (client, _folder) = asking(&[BUSY, BUSY, BUSY, BUSY_FOR_A_SECOND]).await;
    let answer = client.call("fetch_quote", json!({"symbol": "AAPL"})).await.unwrap();
    assert_eq!(answer.reason(), Some("exchange_busy"));
    assert_eq!(answer.meta["io.github.candor-mcp/retry-after-seconds"], 1);
    assert_eq!(answer.meta["io.github.candor-mcp/transient"], true);
}

#[tokio::test]
async fn an_answer_that_will_not_change_is_asked_for_once() {
    for (answers, reason) in [(&[UNKNOWN], "unknown_symbol"), (&[NO_PRICE], "bad_quote")] {
        let (client, _folder) = asking(answers).await;
        let answer = client.call("fetch_quote", json!({"symbol": "AAPL"})).await.unwrap();
        assert_eq!(answer.reason(), Some(reason));
    }
}

#[tokio::test]
async fn an_exchange_that_is_gone_is_a_failure_that_may_pass() {
    let (client, _folder) = asking(&[]).await;
    let answer = client.call("fetch_quote", json!({"symbol": "AAPL"})).await.unwrap();
    assert_eq!(answer.reason(), Some("exchange_unreachable"));
}
