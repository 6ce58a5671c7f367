//! Measures `check` and `diff` of a server with a thousand tools, each as a whole process, beside the same program that
//! prints its manifest: `cargo bench -p candor-tests --bench contract`. The second `diff` is one in which every tool
//! changed. The goal is 200 ms.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use candor_tests::comparison::measurements::{self, Measurements, report};

const RUNS: usize = 30;
const DIFF: [&str; 3] = ["diff", "--base", "tools.lock.json"];

fn main() {
    if !measurements::is_benchmark_run() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    assert_eq!(run(folder, false, &["lock", "--write"]), Some(0));
    let lock = fs::read(folder.join("tools.lock.json")).expect("the lock");
    println!("the lock has {} bytes", lock.len());
    for (subject, is_changed, arguments) in
        [("check", false, &["check"][..]), ("diff of equals", false, &DIFF), ("diff of changes", true, &DIFF)]
    {
        let mut ours = Measurements::new("contract");
        let mut yardstick = Measurements::new("manifest");
        for _ in 0..RUNS {
            let start = Instant::now();
            let code = run(folder, is_changed, arguments);
            ours.since(start);
            assert_eq!(code, Some(i32::from(is_changed)), "{subject}");
            let start = Instant::now();
            assert_eq!(run(folder, is_changed, &["manifest"]), Some(0));
            yardstick.since(start);
        }
        report(subject, &ours, &yardstick);
    }
}

/// Runs the program, and returns its exit code.
fn run(folder: &Path, is_changed: bool, arguments: &[&str]) -> Option<i32> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_thousand"));
    if is_changed {
        command.env("THOUSAND_CHANGED", "1");
    }
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null());
    command.status().expect("the program runs").code()
}
