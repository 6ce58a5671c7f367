//! Level three: the built program, called over its pipes and over HTTP.

use std::{fs, process::Command};

use candor::Revision;
use serde_json::json;

use crate::program::{HttpProgram, StdioProgram};

const FILES: &str = env!("CARGO_BIN_EXE_files");

#[tokio::test]
async fn files_serves_over_stdio_under_each_revision() {
    let (root, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = root.path().to_str().unwrap();
    for revision in Revision::ALL {
        let options = ["--root", path, "--grant", "files:write"];
        let server = StdioProgram::under(FILES, &options, state.path(), revision).await;
        server.call("write_file", json!({"path": "poem", "content": revision.as_str()})).await;
        assert_eq!(server.call("read_text_file", json!({"path": "poem"})).await, revision.as_str());
        let exit = server.terminate().await;
        assert_eq!(exit.code, Some(0), "{}", exit.stderr);
        assert!(!exit.stderr.contains("warning"), "{}", exit.stderr);
    }
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1, "nothing but the file is written");
}

#[tokio::test]
async fn killed_server_leaves_whole_files() {
    let (root, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let options = ["--root", root.path().to_str().unwrap(), "--grant", "files:write"];
    let file = root.path().join("poem");
    for round in 0..3 {
        let server = StdioProgram::start(FILES, &options, state.path()).await;
        let text = round.to_string().repeat(500_000);
        server.call("write_file", json!({"path": "poem", "content": text})).await;
        let other = "x".repeat(500_000);
        tokio::select! {
            _ = server.client.call("write_file", json!({"path": "poem", "content": other})) => {}
            () = tokio::time::sleep(std::time::Duration::from_millis(10 * round)) => {}
        }
        server.kill().await;
        let content = fs::read_to_string(&file).unwrap();
        assert!(content == text || content == other, "{} bytes", content.len());
    }
}

#[test]
fn files_serves_several_roots_over_http() {
    let (folders, state) =
        ([tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()], tempfile::tempdir().unwrap());
    let roots = folders.each_ref().map(|folder| folder.path().to_str().unwrap());
    let options = ["--root", roots[0], "--root", roots[1], "--grant", "files:write", "--yes", "move_file"];
    fs::write(folders[0].path().join("poem"), "one\n").unwrap();
    let server = HttpProgram::start(FILES, &options, state.path());
    let listed = server.call("list_roots", json!({}));
    assert_eq!(listed["structuredContent"]["folders"].as_array().unwrap().len(), 2);
    let destination = folders[1].path().canonicalize().unwrap().join("verse");
    let moved = server.call("move_file", json!({"source": "poem", "destination": destination}));
    assert!(moved["isError"] != true, "{moved}");
    assert_eq!(fs::read_to_string(destination).unwrap(), "one\n");
    server.terminate();
    let exit = server.exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
}

#[test]
fn server_without_a_root_names_the_option() {
    for (arguments, says) in [
        (&["serve"][..], "--root <DIR>"),
        (&["serve", "--root", "/no/such"], "`/no/such` cannot be opened: No such file"),
    ] {
        let output = Command::new(FILES).args(arguments).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(says), "{stderr}");
    }
}
