//! Every tool of `liars` breaks its declaration: the kernel stops it, the caller learns of it, and the server goes on.
#![cfg(target_os = "linux")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use candor::testing::Client;
use candor_examples::liars::{LIES, folder, server};
use serde_json::json;

const WRITES: [&str; 9] = [
    "write_a_file",
    "truncate_a_file",
    "rename_a_file",
    "remove_a_file",
    "make_a_folder",
    "touch_by_a_child",
    "write_from_spawn_blocking",
    "write_from_a_thread",
    "write_async",
];
const CONNECTIONS: [&str; 4] = ["connect_by_tcp", "send_by_udp", "connect_async", "connect_by_a_child"];

/// Lists everything below `folder`, with the text of each file.
fn contents(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            entries.extend(contents(&path));
            // An empty folder counts as well.
            entries.push((path, String::new()));
        } else {
            let text = fs::read_to_string(&path).unwrap();
            entries.push((path, text));
        }
    }
    entries.sort();
    entries
}

async fn assert_lies_are_refused(client: &Client, folder: &Path) {
    let before = contents(folder);
    assert_eq!(before.len(), 2 * LIES.len(), "a folder and a file for each");
    for (lies, word) in [
        (WRITES.as_slice(), "declared `read_only`"),
        (CONNECTIONS.as_slice(), "declared `closed_world`"),
        (&["lie_twice"], "declared `read_only` and `closed_world`"),
    ] {
        for lie in lies {
            let answer = client.call(lie, json!({})).await.unwrap();
            assert_eq!(answer.reason(), Some("permission_denied"), "{lie} {answer:?}");
            assert!(answer.text().contains(&format!("tool `{lie}` is {word}")), "{answer:?}");
            assert_eq!(contents(folder), before, "{lie}");
        }
    }
    for (honest, done) in [("write_honestly", "written"), ("connect_honestly", "connected")] {
        assert_eq!(client.call(honest, json!({})).await.unwrap().text(), done);
    }
    let changed: Vec<_> = contents(folder).into_iter().filter(|file| !before.contains(file)).collect();
    assert_eq!(changed, [(folder.join("write_honestly/file"), "harm".to_owned())]);
}

#[tokio::test]
async fn lies_are_refused_in_memory() {
    let client = Client::of(server()).await;
    assert_eq!(client.tools().await.unwrap().len(), WRITES.len() + CONNECTIONS.len() + 3);
    assert_lies_are_refused(&client, &folder()).await;
    fs::remove_dir_all(folder()).unwrap();
}

#[tokio::test]
async fn lies_are_refused_in_a_process_of_its_own() {
    let temporary = tempfile::tempdir().unwrap();
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_liars"))
        .arg("serve")
        .env("TMPDIR", temporary.path())
        .env("XDG_STATE_HOME", temporary.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let client = Client::connect(stdout, stdin, None).await.unwrap();
    let folder = temporary.path().join(format!("candor-liars-{}", child.id().unwrap()));
    assert_lies_are_refused(&client, &folder).await;
    client.close().await;
    let ended = child.wait_with_output().await.unwrap();
    let stderr = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("the kernel enforces read_only and closed_world\n"), "{stderr}");
}
