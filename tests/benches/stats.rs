//! Measures `stats` of logs of a hundred thousand and of a million calls, with the peak of its memory:
//! `cargo bench -p candor-tests --bench stats`. The logs are in the folder that `TMPDIR` names.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use candor_tests::{
    comparison::measurements,
    usage_log::{thirty_days, write},
};

const RUNS: usize = 5;

fn main() {
    if !measurements::is_benchmark_run() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder for logs");
    for calls in [100_000, 1_000_000] {
        let log = folder.path().join(calls.to_string());
        let records = write(&log, thirty_days(calls));
        let page = folder.path().join("stats.html");
        for (form, flags) in
            [("table", vec![]), ("page", vec!["--html", page.to_str().expect("a plain path")])]
        {
            let runs: Vec<_> = (0..RUNS).map(|_| run(&log, &flags)).collect();
            let fastest = runs.iter().map(|(time, _)| *time).min().expect("it ran");
            let slowest = runs.iter().map(|(time, _)| *time).max().expect("it ran");
            let peak = runs.iter().map(|(_, peak)| *peak).max().expect("it ran");
            println!(
                "{form} of {records:8} records {:6.2} to {:.2} s   peak {:6} kB",
                fastest.as_secs_f64(),
                slowest.as_secs_f64(),
                peak
            );
        }
    }
}

/// Runs the command once. Returns its time, and the highest resident memory that was seen, in kB.
fn run(log: &Path, flags: &[&str]) -> (Duration, u64) {
    let start = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ledger"));
    command.args(["stats", "--audit"]).arg(log).args(flags).stdout(Stdio::null());
    let mut child = command.spawn().expect("it starts");
    let (status, mut peak) = (format!("/proc/{}/status", child.id()), 0_u64);
    loop {
        if let Some(code) = child.try_wait().expect("it can be waited for") {
            assert!(code.success(), "{code}");
            return (start.elapsed(), peak);
        }
        // The kernel keeps the peak, so that the last look is enough.
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let value = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        peak = peak.max(value.unwrap_or(0));
        thread::sleep(Duration::from_millis(1));
    }
}
