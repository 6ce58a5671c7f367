//! Aliases and deprecations: the earlier name of a tool, and a tool that will be gone.

use std::{
    fs,
    sync::{Arc, Mutex},
};

use candor::{
    AuditLog, KeyStore, Revision, Server, State, mcp_tool,
    testing::{Client, ClientBuilder, ElicitAction},
    tools,
};
use candor_tests::http::{HttpServer, call};
use serde_json::{Value, json};

const SCOPE: &str = "write:notes";

type Notes = Arc<Mutex<Vec<String>>>;

#[derive(State)]
struct App {
    #[state(write)]
    notes: Notes,
}

/// Keep a note.
#[mcp_tool(destructive, scope = "write:notes", aliases = ["add_note", "note"], rate = "12/h", idempotency_key = "optional")]
fn keep_note(
    notes: &Notes,
    /// The text.
    #[param(max_len = 10)]
    text: String,
) -> usize {
    let mut notes = notes.lock().unwrap();
    notes.push(text);
    notes.len()
}

/// Count to ten.
#[mcp_tool(
    read_only,
    closed_world,
    public,
    aliases = ["old_count"],
    deprecated(since = "1.5.0", remove_in = "2.0.0", use_instead = count_up)
)]
fn count() -> Vec<u8> {
    (1..=10).collect()
}

/// Count to a number.
#[mcp_tool(read_only, closed_world, public)]
fn count_up(
    /// The number.
    to: u8,
) -> Vec<u8> {
    (1..=to).collect()
}

fn server(version: &str) -> Server<App> {
    let notes = Notes::default();
    Server::new("notes", version).state(App { notes }).tools(tools![keep_note, count, count_up])
}

fn names(tools: &[Value]) -> Vec<&str> {
    tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn alias_is_callable_and_not_listed_under_every_revision() {
    for revision in [Revision::V2025_06_18, Revision::V2025_11_25, Revision::V2026_07_28] {
        let keys = KeyStore::memory().accept_loss();
        let service = server("1.6.0").unaudited().idempotency(keys).build().unwrap().grant(SCOPE);
        let client =
            ClientBuilder::new().on_confirm(|_| ElicitAction::Accept).to(service.clone(), revision).await;
        let tools = client.tools().await.unwrap();
        assert_eq!(names(&tools), ["count", "count_up", "keep_note"]);
        assert_eq!(tools[2]["_meta"]["io.github.candor-mcp/aliases"], json!(["add_note", "note"]));
        for name in ["keep_note", "add_note", "note"] {
            let answer = client.call(name, json!({"text": "a"})).await.unwrap();
            assert!(!answer.is_error, "{revision:?} {name}: {}", answer.text());
        }
        let calls: Vec<_> =
            service.outdated_calls().iter().map(|calls| (calls.tool, calls.alias, calls.calls)).collect();
        let counted = |alias, calls| ("keep_note", Some(alias), calls);
        assert_eq!(calls[2..], [counted("add_note", 1), counted("note", 1)]);
    }
}

#[tokio::test]
async fn call_by_an_alias_passes_the_same_checks() {
    let connect = |scopes: &str, action| {
        let keys = KeyStore::memory().accept_loss();
        let service = server("1.6.0").unaudited().idempotency(keys).build().unwrap().grant(scopes);
        ClientBuilder::new().on_confirm(move |_| action).to(service, Revision::V2026_07_28)
    };
    let client = connect("", ElicitAction::Accept).await;
    let refused = client.call("add_note", json!({"text": "a"})).await.unwrap_err();
    assert_eq!(refused.data.unwrap()["missingScopes"], json!([SCOPE]));

    let client = connect(SCOPE, ElicitAction::Decline).await;
    let answer = client.call("add_note", json!({"text": "a"})).await.unwrap();
    assert_eq!(answer.reason(), Some("confirmation_declined"));
    let answer = client.call("add_note", json!({"text": "longer than ten"})).await.unwrap();
    assert!(answer.is_error, "{}", answer.text());

    // One key for one call, whatever its name.
    let client = connect(SCOPE, ElicitAction::Accept).await;
    let key = "0123456789abcdef0123456789abcdef";
    let first = client.with_idempotency_key(key).call("keep_note", json!({"text": "a"})).await.unwrap();
    let again = client.with_idempotency_key(key).call("add_note", json!({"text": "a"})).await.unwrap();
    assert_eq!((first.structured, again.structured), (Some(json!(1)), Some(json!(1))));
    assert_eq!(again.raw["_meta"]["io.github.candor-mcp/replayed"], true);

    // Each confirmed call is two requests in this revision.
    let client = connect(SCOPE, ElicitAction::Accept).await;
    for name in ["keep_note", "add_note", "note", "keep_note", "add_note", "note"] {
        client.call(name, json!({"text": "b"})).await.unwrap();
    }
    let refused = client.call("add_note", json!({"text": "c"})).await.unwrap_err();
    assert!(refused.message.contains("tool `keep_note` is called too often"), "{refused:?}");

    let read_only = server("1.6.0").unaudited().read_only().build().unwrap().grant(SCOPE);
    let client = Client::to(read_only, Revision::V2026_07_28).await;
    assert!(client.call("add_note", json!({"text": "a"})).await.is_err());
}

#[tokio::test]
async fn record_of_a_call_by_an_alias_has_the_name_and_the_alias() {
    let folder = tempfile::tempdir().unwrap();
    let keys = KeyStore::memory().accept_loss();
    let service = server("1.6.0")
        .audit(AuditLog::at(folder.path()))
        .idempotency(keys)
        .yes_destructive()
        .build()
        .unwrap()
        .grant(SCOPE);
    let client = Client::to(service.clone(), Revision::V2026_07_28).await;
    client.call("add_note", json!({"text": "a"})).await.unwrap();
    client.call("keep_note", json!({"text": "a"})).await.unwrap();
    client.call("old_count", json!({})).await.unwrap();
    client.close().await;
    drop(service);
    let mut records = Vec::new();
    for file in fs::read_dir(folder.path()).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap_or_default();
        records.extend(text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()));
    }
    let named = |kind: &str| -> Vec<(Value, Value)> {
        let of_kind = records.iter().filter(|record| record["kind"] == kind);
        of_kind.map(|record| (record["tool"].clone(), record["alias"].clone())).collect()
    };
    assert_eq!(
        named("intent"),
        [(json!("keep_note"), json!("add_note")), (json!("keep_note"), Value::Null)],
        "{records:#?}"
    );
    assert_eq!(named("read"), [(json!("count"), json!("old_count"))]);
}

#[tokio::test]
async fn alias_over_http_is_counted_once_against_the_rate() {
    let command = std::process::Command::new(env!("CARGO_BIN_EXE_contract"));
    let server = HttpServer::start(command, &[]).await;
    for _ in 0..2 {
        let response = server.send(&call("look_up", json!({"symbol": "A"}))).await;
        assert_eq!(response.status, 200, "{response:?}");
    }
    let response = server.send(&call("get_quote", json!({"symbol": "A"}))).await;
    assert_eq!(response.status, 429, "{response:?}");
}

#[tokio::test]
async fn deprecated_tool_has_a_banner_a_note_in_its_result_and_a_counter() {
    let service = server("1.6.0").unaudited().without_idempotency().build().unwrap();
    let client = Client::to(service.clone(), Revision::V2026_07_28).await;
    let tools = client.tools().await.unwrap();
    assert_eq!(tools[0]["description"], "[deprecated, gone in 2.0.0: use `count_up`] Count to ten.");
    let deprecated = json!({"since": "1.5.0", "removeIn": "2.0.0", "useInstead": "count_up"});
    assert_eq!(tools[0]["_meta"]["io.github.candor-mcp/deprecated"], deprecated);
    for name in ["count", "count", "old_count"] {
        let answer = client.call(name, json!({})).await.unwrap();
        assert_eq!(answer.structured, Some(json!([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])));
        assert_eq!(answer.raw["_meta"]["io.github.candor-mcp/deprecated"], deprecated);
        let note = &answer.raw["content"][1];
        assert_eq!(
            note["text"],
            "note: tool `count` is deprecated and will be gone in 2.0.0: use `count_up`"
        );
        assert_eq!(note["annotations"]["audience"], json!(["assistant"]));
    }
    let answer = client.call("count_up", json!({"to": 3})).await.unwrap();
    assert_eq!(answer.raw["content"].as_array().unwrap().len(), 1);
    let calls: Vec<_> =
        service.outdated_calls().iter().map(|calls| (calls.tool, calls.alias, calls.calls)).collect();
    assert_eq!(calls[..2], [("count", None, 2), ("count", Some("old_count"), 1)]);
}

#[test]
fn server_of_the_version_that_promised_the_removal_does_not_build() {
    for version in ["1.5.0", "1.99.0", "2.0.0-rc.1", "a date"] {
        assert!(server(version).unaudited().without_idempotency().build().is_ok(), "{version}");
        assert!(server(version).lock().is_ok(), "{version}");
    }
    for version in ["2.0.0", "2.0.1", "3.0.0"] {
        let error = server(version).unaudited().without_idempotency().build().err().unwrap().to_string();
        let expected = format!(
            "tool `count` was announced to be removed in 2.0.0, and this server has version {version}\n\
             help: delete tool `count`, or choose a later `remove_in` and explain it in the changelog"
        );
        assert_eq!(error, expected);
        assert!(server(version).lock().is_err(), "{version}");
    }
}

#[test]
fn alias_that_is_another_tool_does_not_build() {
    /// Something else.
    #[mcp_tool(read_only, closed_world, public)]
    fn old_count() {}

    // In one `tools!`, it does not compile.
    let error = server("1.6.0").tools(tools![old_count]).manifest().unwrap_err().to_string();
    assert_eq!(
        error,
        "alias `old_count` of tool `count` is the name or an alias of another tool\n\
         help: delete it from the `aliases` of `count`: a name leads to one tool"
    );
}
