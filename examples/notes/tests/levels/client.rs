//! Level two: a server in this process, called by a client over the real protocol.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use candor::{
    Revision, Server, Service, State,
    testing::{Client, ClientBuilder, ElicitAction, assert_idempotent},
    tools,
};
use notes::{
    server,
    store::{Reader, Writer},
    tools,
};
use serde_json::{Value, json};

/// Builds the server with a database in `folder`.
pub(crate) fn service(folder: &Path, scopes: &str) -> Service {
    let db = folder.join("notes.db");
    let server = server().unaudited().idempotency(candor::KeyStore::memory().accept_loss());
    server.build_with(["--db".as_ref(), db.as_os_str()]).unwrap().grant(scopes)
}

/// Connects a client whose user accepts, and returns the questions that the user was asked.
async fn connect(folder: &Path) -> (Client, Arc<Mutex<Vec<String>>>) {
    let questions = Arc::<Mutex<Vec<String>>>::default();
    let asked = Arc::clone(&questions);
    let builder = ClientBuilder::new().on_confirm(move |question| {
        asked.lock().unwrap().push(question.to_owned());
        ElicitAction::Accept
    });
    (builder.to(service(folder, "notes:write"), Revision::V2026_07_28).await, questions)
}

async fn add(client: &Client, title: &str) -> Value {
    let answer = client.call("add_note", json!({"title": title, "text": "Milk"})).await.unwrap();
    answer.structured.unwrap_or_else(|| panic!("no note"))
}

async fn ids(client: &Client) -> Vec<Value> {
    let listed = client.call("list_notes", json!({})).await.unwrap().structured.unwrap();
    listed["notes"].as_array().unwrap().iter().map(|note| note["id"].clone()).collect()
}

#[tokio::test]
async fn tools_list_has_the_declared_hints_and_scopes() {
    let folder = tempfile::tempdir().unwrap();
    for (scopes, listed) in [
        ("", &[][..]),
        ("notes:read", &["list_notes", "search_notes"]),
        ("notes:write", &["add_note", "delete_notes", "list_notes", "search_notes"]),
    ] {
        let client = Client::to(service(folder.path(), scopes), Revision::V2026_07_28).await;
        let tools = client.tools().await.unwrap();
        let names: Vec<_> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
        assert_eq!(names, listed, "{scopes}");
        for tool in &tools {
            let hints = ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"]
                .map(|hint| tool["annotations"][hint].as_bool().unwrap());
            let expected = match tool["name"].as_str().unwrap() {
                "add_note" => [false, false, false, false],
                "delete_notes" => [false, true, true, false],
                _ => [true, false, true, false],
            };
            assert_eq!(hints, expected, "{}", tool["name"]);
        }
    }
}

#[tokio::test]
async fn added_notes_are_read_by_sandboxed_tools() {
    let folder = tempfile::tempdir().unwrap();
    let (client, _) = connect(folder.path()).await;
    let answer = client.call("add_note", json!({"title": "Shopping", "text": "Milk"})).await.unwrap();
    assert_eq!(answer.text(), "added note 1");
    assert_eq!(answer.raw["content"][1]["type"], "resource_link");
    assert_eq!(answer.raw["content"][1]["uri"], "memo://1");
    // More calls at once than connections.
    let search = || async { client.call("search_notes", json!({"text": "milk"})).await.unwrap() };
    let found = futures_of(16, search).await;
    assert!(
        found.iter().all(|answer| answer.structured.as_ref().unwrap()["notes"][0]["title"] == "Shopping")
    );
}

/// Runs `count` futures at once.
async fn futures_of<T, F: Future<Output = T>>(count: usize, make: impl Fn() -> F) -> Vec<T> {
    let mut running: Vec<_> = (0..count).map(|_| Box::pin(make())).collect();
    let mut done: Vec<Option<T>> = running.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, done) in running.iter_mut().zip(&mut done).filter(|(_, done)| done.is_none()) {
            if let std::task::Poll::Ready(value) = future.as_mut().poll(context) {
                *done = Some(value);
            }
        }
        if done.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

/// A state without a writer.
#[derive(State)]
struct ReadingApp {
    #[state(read)]
    reader: Reader,
}

#[tokio::test]
async fn sandboxed_reader_needs_no_writer_in_its_process() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes.db");
    Writer::open(&file).unwrap().add("Shopping", "Milk").unwrap();
    let app = ReadingApp { reader: Reader::open(&file, 2).unwrap() };
    let service = Server::new("notes", "1").state(app).tools(tools![tools::list_notes]).build().unwrap();
    let client = Client::to(service.grant("notes:read"), Revision::V2026_07_28).await;
    let answer = client.call("list_notes", json!({})).await.unwrap();
    assert!(!answer.is_error, "{}", answer.text());
}

#[tokio::test]
async fn note_that_is_sent_again_with_its_key_is_one_note() {
    let folder = tempfile::tempdir().unwrap();
    let (client, _) = connect(folder.path()).await;
    let send = async |key| {
        let note = json!({"title": "Shopping", "text": "Milk"});
        client.with_idempotency_key(key).call("add_note", note).await.unwrap()
    };
    let (first, again) = (send("0198c1c6-6b54-7a3e").await, send("0198c1c6-6b54-7a3e").await);
    assert!(again.is_replayed() && first.structured == again.structured);
    assert!(!send("0198c1c6-6b54-7a3f").await.is_replayed());
    assert_eq!(ids(&client).await, [2, 1]);
}

#[tokio::test]
async fn delete_notes_asks_with_the_plan_and_is_idempotent() {
    let folder = tempfile::tempdir().unwrap();
    let (client, questions) = connect(folder.path()).await;
    for title in ["Shopping", "Bread", "shopping again"] {
        add(&client, title).await;
    }
    let dry = client.call("delete_notes", json!({"matching": "shopping"})).await.unwrap();
    assert_eq!(dry.structured.unwrap(), json!({"ids": [3, 1], "dry_run": true}));
    assert_eq!(questions.lock().unwrap().len(), 0, "a dry run needs no consent");
    let arguments = json!({"matching": "shopping", "dry_run": false});
    assert_idempotent!(client, "delete_notes", arguments, async || ids(&client).await);
    assert_eq!(ids(&client).await, [2]);
    let questions = questions.lock().unwrap();
    assert!(questions[0].contains("2 notes would be deleted"), "{}", questions[0]);
    assert!(
        questions[0].contains("3: shopping again") && questions[0].contains("1: Shopping"),
        "{}",
        questions[0]
    );
}

#[tokio::test]
async fn declined_deletion_deletes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let builder = ClientBuilder::new().on_confirm(|_| ElicitAction::Decline);
    let client = builder.to(service(folder.path(), "notes:write"), Revision::V2026_07_28).await;
    add(&client, "Shopping").await;
    let arguments = json!({"matching": "shopping", "dry_run": false});
    let answer = client.call("delete_notes", arguments).await.unwrap();
    assert_eq!(answer.reason(), Some("confirmation_declined"));
    assert_eq!(ids(&client).await, [1]);
}

#[test]
fn database_that_cannot_be_opened_is_named_at_the_start() {
    let error = server().unaudited().without_idempotency().build_with(["--db", "/no/such/folder/notes.db"]);
    let error = error.err().unwrap().to_string();
    assert!(error.contains("the notes cannot be read or written: unable to open database file"), "{error}");
}
