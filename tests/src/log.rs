//! Reads the folder of an audit log, and runs `audit verify` on it.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

/// Returns the file of a segment.
pub fn segment(log: &Path, number: u32) -> std::path::PathBuf {
    log.join(format!("segment-{number:08}.jsonl"))
}

/// Returns the records of the first segment. A last line without a newline is not a record.
pub fn records(log: &Path) -> Vec<Value> {
    let text = fs::read_to_string(segment(log, 1)).expect("the log exists");
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| serde_json::from_str(line).expect("a record is JSON")).collect()
}

/// Returns the end of each call of a tool: its status, and its reason if it has one.
pub fn ends(log: &Path, tool: &str) -> Vec<(String, Value)> {
    let of_tool = records(log).into_iter().filter(|record| record["tool"] == tool);
    of_tool
        .filter_map(|record| match record["kind"].as_str() {
            Some("outcome") => {
                Some((record["outcome"]["status"].as_str()?.to_owned(), record["outcome"]["reason"].clone()))
            }
            // A read without a status succeeded.
            Some("read") => {
                Some((record["status"].as_str().unwrap_or("ok").to_owned(), record["reason"].clone()))
            }
            _ => None,
        })
        .collect()
}

/// Runs `program audit verify --json` with more arguments, and returns its exit code and its report.
pub fn verified(program: &str, log: &Path, arguments: &[&str]) -> (Option<i32>, Value) {
    let mut command = Command::new(program);
    let output = command.args(["audit", "verify", "--json"]).args(arguments).arg(log).output();
    let output = output.expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let report = serde_json::from_slice(&output.stdout);
    let report = report.unwrap_or_else(|_| panic!("{}{}", text(&output.stdout), text(&output.stderr)));
    (output.status.code(), report)
}
