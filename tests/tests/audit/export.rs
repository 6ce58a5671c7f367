//! Exports the records of a real log with `audit export`, and checks that it reports a log that was changed.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use candor_tests::log::{records, segment};

const LEDGER: &str = env!("CARGO_BIN_EXE_ledger");

fn run(log: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(LEDGER);
    command.args(arguments).env("LEDGER_LOG", log).stdin(Stdio::null()).output().expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("it writes UTF-8")
}

fn export(log: &Path, arguments: &[&str]) -> Output {
    run(log, &[&["audit", "export"], arguments].concat())
}

/// A log of two tools; one call has a formula where a caller chooses the text.
fn log(folder: &Path) -> PathBuf {
    let log = folder.join("log");
    for call in [["enter", "n=1"], ["look", "n=2"], ["look", "n=3"]] {
        let output = run(&log, &[&["call"], &call[..]].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    log
}

/// Splits CSV into rows of cells.
fn rows(csv: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = csv.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => cell.push(chars.next().unwrap()),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !quoted => {
                assert_eq!(chars.next(), Some('\n'));
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            c => cell.push(c),
        }
    }
    assert!(row.is_empty() && cell.is_empty(), "the last row ends");
    rows
}

#[test]
fn export_as_lines_of_json_is_the_log_as_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path());
    let whole = fs::read_to_string(segment(&log, 1)).unwrap();
    let output = export(&log, &["--format", "ndjson"]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), whole.clone()));
    // With a filter, a read still has its context before it.
    let output = export(&log, &["--format", "ndjson", "--tool", "look", "--caller", "local"]);
    let lines = text(&output.stdout);
    assert_eq!(
        (lines.matches("\"kind\":\"read\"").count(), lines.matches("\"event\":\"context\"").count()),
        (2, 2)
    );
    assert!(!lines.contains("enter") && lines.lines().all(|line| whole.contains(line)), "{lines}");
    let output = export(&log, &["--format", "ndjson", "--kind", "intent,outcome", "--since", "1h"]);
    assert_eq!(text(&output.stdout).lines().count(), 2);
}

#[test]
fn export_as_csv_has_the_same_columns_in_each_row() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path());
    let path = folder.path().join("out.csv");
    let file = path.to_str().unwrap();
    let output = export(&log, &["--format", "csv", "--out", file]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let rows = rows(&fs::read_to_string(&path).unwrap());
    let contexts = records(&log).iter().filter(|record| record["event"] == "context").count();
    assert_eq!(rows.len(), 1 + records(&log).len() - contexts);
    assert!(rows.iter().all(|row| row.len() == rows[0].len()), "{rows:?}");
    let column = |name: &str| rows[0].iter().position(|column| column == name).unwrap();
    let read = rows.iter().find(|row| row[column("kind")] == "read").unwrap();
    assert_eq!((&*read[column("tool")], &*read[column("status")]), ("look", "ok"));
    assert_eq!((&*read[column("caller_sub")], &*read[column("args")]), ("local", "{\"n\":2}"));
    // A file that exists is left as it is.
    let output = export(&log, &["--format", "ndjson", "--out", file]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).contains("already exists") && fs::read_dir(folder.path()).unwrap().count() == 3
    );
}

#[test]
fn export_of_a_changed_log_says_so_with_the_exit_code_of_verify() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path());
    let path = segment(&log, 1);
    let whole = fs::read_to_string(&path).unwrap();
    fs::write(&path, whole.replacen("\"sub\":\"local\"", "\"sub\":\"other\"", 1)).unwrap();
    let output = export(&log, &["--format", "csv"]);
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(error.contains("is not the log that was written") && error.contains("audit verify"), "{error}");
    // So does the export of a log that lacks a segment, at its beginning or within.
    for number in [1, 2] {
        let cut = folder.path().join(format!("cut-{number}"));
        candor_tests::usage_log::write(&cut, candor_tests::usage_log::thirty_days(20_000));
        assert!(segment(&cut, 3).exists());
        fs::remove_file(segment(&cut, number)).unwrap();
        let output = export(&cut, &["--format", "ndjson"]);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(
            error.contains("is not the log that was written") && error.contains("audit verify"),
            "{error}"
        );
    }
    // A folder without a log leaves no file.
    let missing = folder.path().join("missing");
    let out = folder.path().join("none.csv");
    let output = export(&missing, &["--format", "csv", "--out", out.to_str().unwrap()]);
    assert!(output.status.code() == Some(2) && !out.exists());
}

#[test]
fn closed_pipe_ends_the_export_quietly() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    candor_tests::forged_log::large_log(&log, 4 * 1024 * 1024);
    let mut command = Command::new(LEDGER);
    command.args(["audit", "export", "--format", "ndjson"]).arg(&log);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 100];
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut first).unwrap();
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}
