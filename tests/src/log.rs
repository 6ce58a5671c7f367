//! The folder of an audit log → its records, and what `audit verify` says of them.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

/// The file of a segment.
pub fn segment(log: &Path, number: u32) -> std::path::PathBuf {
    log.join(format!("segment-{number:08}.jsonl"))
}

/// The records of the first segment. A last line that is not ended is none.
pub fn records(log: &Path) -> Vec<Value> {
    let text = fs::read_to_string(segment(log, 1)).expect("there is a log");
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| serde_json::from_str(line).expect("a record is JSON")).collect()
}

/// The exit code of `program audit verify --json` with these arguments more, and what it printed.
pub fn verified(program: &str, log: &Path, arguments: &[&str]) -> (Option<i32>, Value) {
    let mut command = Command::new(program);
    let output = command.args(["audit", "verify", "--json"]).args(arguments).arg(log).output();
    let output = output.expect("it runs");
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let printed = serde_json::from_slice(&output.stdout);
    let printed = printed.unwrap_or_else(|_| panic!("{}{}", said(&output.stdout), said(&output.stderr)));
    (output.status.code(), printed)
}
