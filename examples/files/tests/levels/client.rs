//! Level two: a server in this process, called by a client over the real protocol.

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

use candor::{
    Revision, Service,
    testing::{Client, ClientBuilder, ElicitAction, assert_idempotent},
};
use files::server;
use serde_json::json;

fn service(root: &Path, scopes: &str) -> Service {
    let server = server().unaudited().without_idempotency();
    server.build_with(["--root".as_ref(), root.as_os_str()]).unwrap().grant(scopes)
}

/// Connects a client whose user gives this answer, and returns the questions that the user was asked.
async fn connect(root: &Path, action: ElicitAction) -> (Client, Arc<Mutex<Vec<String>>>) {
    let questions = Arc::<Mutex<Vec<String>>>::default();
    let asked = Arc::clone(&questions);
    let builder = ClientBuilder::new().on_confirm(move |question| {
        asked.lock().unwrap().push(question.to_owned());
        action
    });
    (builder.to(service(root, "files:write"), Revision::V2026_07_28).await, questions)
}

#[tokio::test]
async fn tools_list_has_the_declared_hints() {
    let folder = tempfile::tempdir().unwrap();
    let (client, _) = connect(folder.path(), ElicitAction::Accept).await;
    let tools = client.tools().await.unwrap();
    assert_eq!(tools.len(), 11);
    for tool in tools {
        let hints = ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"]
            .map(|hint| tool["annotations"][hint].as_bool().unwrap());
        let expected = match tool["name"].as_str().unwrap() {
            "write_file" => [false, true, true, false],
            "edit_file" | "move_file" => [false, true, false, false],
            "create_directory" => [false, false, true, false],
            _ => [true, false, true, false],
        };
        assert_eq!(hints, expected, "{}", tool["name"]);
    }
    let reader = Client::to(service(folder.path(), "files:read"), Revision::V2026_07_28).await;
    assert_eq!(reader.tools().await.unwrap().len(), 7);
    assert_eq!(reader.call("write_file", json!({})).await.unwrap_err().code, -31403);
}

#[tokio::test]
async fn sandboxed_tools_read_inside_the_root_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("poem"), "one\ntwo\nthree\n").unwrap();
    let (client, _) = connect(folder.path(), ElicitAction::Accept).await;
    for (tool, arguments, text) in [
        ("read_text_file", json!({"path": "poem", "tail": 1}), "three"),
        ("read_files", json!({"paths": ["poem", "missing"]}), "No such file"),
        ("read_files", json!({"paths": "[\"poem\"]"}), "one"),
        ("list_directory", json!({}), "poem"),
        ("directory_tree", json!({"depth": 1}), "poem"),
        ("search_files", json!({"pattern": "p*"}), "poem"),
        ("file_info", json!({"path": "poem"}), "modified"),
        ("list_roots", json!({}), "folders"),
    ] {
        let answer = client.call(tool, arguments.clone()).await.unwrap();
        assert!(!answer.is_error && answer.text().contains(text), "{tool} {arguments}: {}", answer.text());
    }
    let answer = client.call("read_text_file", json!({"path": "/etc/passwd"})).await.unwrap();
    assert!(answer.is_error);
    assert_eq!(
        answer.text(),
        "`/etc/passwd` is outside the folders that this server may use\nhelp: `list_roots` lists them"
    );
    let answer = client.call("read_text_file", json!({"path": "../poem"})).await.unwrap();
    assert!(
        answer.text().ends_with("help: `list_roots` lists them"),
        "the sandbox is not blamed: {}",
        answer.text()
    );
    let answer = client.call("read_text_file", json!({"path": "poem", "head": 1, "tail": 1})).await.unwrap();
    assert_eq!(answer.reason(), Some("invalid_arguments"));
    assert!(answer.text().contains("`head`") && answer.text().contains("`tail`"), "{}", answer.text());
}

#[tokio::test]
async fn edit_file_asks_with_the_difference() {
    let folder = tempfile::tempdir().unwrap();
    let poem = folder.path().join("poem");
    fs::write(&poem, "one\ntwo\n").unwrap();
    let (client, questions) = connect(folder.path(), ElicitAction::Accept).await;
    let edit = |dry_run| json!({"path": "poem", "edits": [{"old": "two", "new": "2"}], "dry_run": dry_run});
    let dry = client.call("edit_file", edit(true)).await.unwrap();
    assert!(dry.text().contains("-two\n+2\n"), "{}", dry.text());
    assert_eq!(dry.structured.unwrap()["dry_run"], true);
    assert_eq!(questions.lock().unwrap().len(), 0, "a dry run needs no consent");
    let answer = client.call("edit_file", edit(false)).await.unwrap();
    assert!(!answer.is_error, "{}", answer.text());
    assert_eq!(fs::read_to_string(&poem).unwrap(), "one\n2\n");
    let question = questions.lock().unwrap()[0].clone();
    assert!(question.contains("-two") && question.contains("+2"), "{question}");
    // Edits that do not apply are refused before the user is asked.
    let answer = client.call("edit_file", edit(false)).await.unwrap();
    assert!(answer.text().contains("occurs 0 times"), "{}", answer.text());
    assert_eq!(questions.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn declined_changes_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("poem"), "one\n").unwrap();
    let (client, questions) = connect(folder.path(), ElicitAction::Decline).await;
    for (tool, arguments) in [
        ("write_file", json!({"path": "poem", "content": "harm"})),
        ("edit_file", json!({"path": "poem", "edits": [{"old": "one", "new": "harm"}]})),
        ("move_file", json!({"source": "poem", "destination": "harm"})),
    ] {
        let answer = client.call(tool, arguments).await.unwrap();
        assert_eq!(answer.reason(), Some("confirmation_declined"), "{tool}");
    }
    assert_eq!(questions.lock().unwrap().len(), 3);
    assert_eq!(fs::read_to_string(folder.path().join("poem")).unwrap(), "one\n");
}

#[tokio::test]
async fn write_file_and_create_directory_are_idempotent() {
    let folder = tempfile::tempdir().unwrap();
    let (client, _) = connect(folder.path(), ElicitAction::Accept).await;
    let tree = async || client.call("directory_tree", json!({})).await.unwrap().structured.unwrap();
    assert_idempotent!(client, "create_directory", json!({"path": "a/b"}), async || tree().await);
    let content = || fs::read_to_string(folder.path().join("a/poem")).ok();
    assert_idempotent!(client, "write_file", json!({"path": "a/poem", "content": "one\n"}), content);
    assert_eq!(content().unwrap(), "one\n");
}
