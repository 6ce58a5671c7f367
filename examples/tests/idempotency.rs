//! Sends writes of the examples twice: `set_alert` from two commands, and `buy_shares` to a broker that counts.

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
};

use candor::{
    KeyStore, Revision, Server, State, mcp_tool,
    testing::{Client, ClientBuilder, ElicitAction, assert_idempotent},
    tools,
};
use candor_examples::{
    broker::{App, Broker, buy_shares},
    prices,
};
use serde_json::{Value, json};

const KEY: &str = "3f2a9c1e-alert-0001";

fn set_alert(folder: &Path, price: &str, key: &str) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_prices"))
        .args(["call", "set_alert", "symbol=AAPL", "when=above", price, "--grant", "write:alerts"])
        .args(["--idempotency-key", key])
        .env("PRICES_DATA", folder)
        .env("XDG_STATE_HOME", folder)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn set_alert_of_two_commands_with_one_key_makes_one_alert() {
    let folder = tempfile::tempdir().unwrap();
    let first = set_alert(folder.path(), "price=250", KEY);
    assert_eq!((first.0, first.2.as_str()), (Some(0), ""), "{first:?}");
    // Byte for byte the first answer, with the id of the first alert.
    assert_eq!(set_alert(folder.path(), "price=250.0", KEY), first);
    let (code, stdout, stderr) = set_alert(folder.path(), "price=300", KEY);
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert!(stderr.contains("this idempotency key was sent with another call before"), "{stderr}");
    let (code, _, stderr) = set_alert(folder.path(), "price=250", "short");
    assert_eq!(code, Some(1));
    assert!(stderr.contains("is not a valid idempotency key") && stderr.contains("a UUID"), "{stderr}");
    let other = set_alert(folder.path(), "price=250", "3f2a9c1e-alert-0002");
    assert!(other.0 == Some(0) && other.1 != first.1, "another key is another alert: {other:?}");
}

/// A broker that counts its orders, and takes each key once. The first answer to each key is lost.
#[derive(Clone, Default)]
struct CountingBroker {
    /// The number of each key's order.
    orders: Arc<Mutex<HashMap<String, usize>>>,
    requests: Arc<Mutex<usize>>,
}

impl CountingBroker {
    fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let broker = self.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                broker.answer(stream.unwrap());
            }
        });
        format!("http://{address}/orders")
    }

    fn answer(&self, mut stream: std::net::TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let (mut key, mut length) = (String::new(), 0);
        // The request line.
        reader.read_line(&mut String::new()).unwrap();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "idempotency-key" => value.clone_into(&mut key),
                "content-length" => length = value.parse().unwrap(),
                _ => {}
            }
        }
        reader.read_exact(&mut vec![0; length]).unwrap();
        *self.requests.lock().unwrap() += 1;
        let mut orders = self.orders.lock().unwrap();
        let next = orders.len() + 1;
        let is_new = !orders.contains_key(&key);
        let number = *orders.entry(key).or_insert(next);
        let (status, body) =
            if is_new { ("503 Lost", String::new()) } else { ("200 OK", format!("order {number}")) };
        let _ = write!(
            stream,
            "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
    }
}

#[tokio::test]
async fn order_whose_answer_was_lost_is_one_order_at_the_broker() {
    let counting = CountingBroker::default();
    let app = App { broker: Broker::at(counting.start()) };
    let server = Server::new("broker", "1").unaudited().idempotency(KeyStore::memory().accept_loss());
    let service = server.state(app).tools(tools![buy_shares]).build().unwrap().grant("write:orders");
    let client = Client::to(service, Revision::V2026_07_28).await;
    let order = json!({"symbol": "AAPL", "shares": 10});
    let send =
        async |key: &str| client.with_idempotency_key(key).call("buy_shares", order.clone()).await.unwrap();
    let none = client.call("buy_shares", order.clone()).await.unwrap();
    assert_eq!(none.reason(), Some("idempotency_key_required"));
    // The broker took the order, and its answer was lost: the key is free, and the broker knows its own.
    let lost = send("0123456789abcdef").await;
    assert_eq!(lost.reason(), Some("broker_busy"));
    let again = send("0123456789abcdef").await;
    assert_eq!(again.structured, Some(json!({"order": "order 1"})));
    assert_eq!(*counting.requests.lock().unwrap(), 2);
    assert!(send("0123456789abcdef").await.is_replayed());
    assert_eq!(*counting.requests.lock().unwrap(), 2, "a replay sends nothing");
    let other = send("another-key-of-theirs").await;
    assert_eq!(other.reason(), Some("broker_busy"), "{}", other.text());
    let orders = counting.orders.lock().unwrap();
    assert_eq!(orders.len(), 2);
    assert!(orders.keys().all(|key| key.len() == 43 && !key.contains("0123456789abcdef")), "{orders:?}");
}

/// Connects to `prices`, with a client that confirms.
async fn connect(folder: &Path) -> Client {
    let folder = folder.to_owned();
    let server = prices::server_of(move || prices::App::in_folder(folder)).unaudited().without_idempotency();
    let service = server.build().unwrap().grant("read:alerts write:alerts");
    ClientBuilder::new().on_confirm(|_| ElicitAction::Accept).to(service, Revision::V2026_07_28).await
}

#[tokio::test]
async fn clear_alerts_is_idempotent() {
    let folder = tempfile::tempdir().unwrap();
    let client = connect(folder.path()).await;
    for symbol in ["AAPL", "AAPL", "IBM"] {
        let alert = json!({"symbol": symbol, "when": "above", "price": 1});
        assert!(!client.call("set_alert", alert).await.unwrap().is_error);
    }
    let alerts =
        async || -> Value { client.call("list_alerts", json!({})).await.unwrap().structured.unwrap() };
    assert_idempotent!(client, "clear_alerts", json!({"symbol": "AAPL"}), async || alerts().await);
    assert_eq!(alerts().await["alerts"].as_array().unwrap().len(), 1);
}

type Count = Arc<Mutex<u32>>;

#[derive(State)]
struct Liar {
    #[state(write)]
    count: Count,
}

/// Count up, and claim that a second call changes nothing.
#[mcp_tool(additive, idempotent, closed_world, public)]
fn count_up(count: &Count) -> u32 {
    let mut count = count.lock().unwrap();
    *count += 1;
    *count
}

/// Count up, and claim nothing.
#[mcp_tool(additive, closed_world, public)]
fn count_honestly(count: &Count) -> u32 {
    count_up(count)
}

/// Returns the message with which `assert_idempotent!` fails.
async fn failure(tool: &'static str) -> String {
    let failed = tokio::spawn(async move {
        let count = Count::default();
        let app = Liar { count: Arc::clone(&count) };
        let client =
            Client::of(Server::new("liar", "1").state(app).tools(tools![count_up, count_honestly])).await;
        assert_idempotent!(client, tool, json!({}), || *count.lock().unwrap());
    });
    let panic = failed.await.unwrap_err().into_panic();
    *panic.downcast::<String>().expect("the panic has a message")
}

#[tokio::test]
async fn tool_that_lies_about_idempotence_is_caught() {
    let message = failure("count_up").await;
    assert!(message.contains("a second call changed the state"), "{message}");
    assert!(message.contains("after the first: 1") && message.contains("after the second: 2"), "{message}");
    let message = failure("count_honestly").await;
    assert!(message.contains("`count_honestly` is not declared `idempotent`"), "{message}");
    let message = failure("no_such_tool").await;
    assert!(message.contains("no tool `no_such_tool`"), "{message}");
}
