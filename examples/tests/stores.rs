//! The documents for registries and stores in `examples/stores` are those that `prices` prints.

use std::{fs, path::Path, process::Command};

/// Exit code, stdout, stderr.
fn manifest(format: &str) -> (i32, String, String) {
    let state = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_prices"))
        .args(["manifest", "--format", format])
        .env("XDG_STATE_HOME", state.path())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Compares a document with its file. With `UPDATE_STORES` set, writes the file.
fn check(file: &str, format: &str, printed: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("stores").join(file);
    if std::env::var_os("UPDATE_STORES").is_some() {
        fs::write(&path, printed).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap();
    assert!(
        committed == printed,
        "examples/stores/{file} is not what `prices manifest --format {format}` prints\n\
         help: UPDATE_STORES=1 cargo test -p candor-examples --test servers stores, and read the difference"
    );
}

#[test]
fn server_json_is_fresh() {
    let (code, text, findings) = manifest("server-json");
    assert_eq!((code, &*findings), (0, ""));
    check("server.json", "server-json", &text);
}

#[test]
fn bundle_manifest_is_fresh() {
    let (code, text, findings) = manifest("mcpb");
    assert_eq!((code, &*findings), (0, ""));
    check("manifest.json", "mcpb", &text);
}

#[test]
fn chatgpt_submission_is_fresh_and_reports_the_tool_whose_hint_means_something_else() {
    let (code, text, findings) = manifest("chatgpt");
    assert_eq!(code, 1);
    check("chatgpt-app-submission.json", "chatgpt", &text);
    check("chatgpt.txt", "chatgpt", &findings);
    assert_eq!(findings.matches("finding: ").count(), 1);
}

#[test]
fn claude_report_is_fresh_and_without_a_finding() {
    let (code, text, findings) = manifest("claude");
    assert_eq!((code, &*findings), (0, ""));
    check("claude.txt", "claude", &text);
}
