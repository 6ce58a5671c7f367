//! Changes a signed log while its server is stopped, and starts the server again: a start must not sign what was changed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use candor::Revision;
use candor_tests::{
    forged_log,
    log::{self, segment},
    stdio_server::StdioServer,
    wait::wait_until,
};
use serde_json::{Value, json};

const LEDGER: &str = env!("CARGO_BIN_EXE_ledger");

/// A log and the key that signs it, in folders of their own.
struct SignedLog {
    /// Removed when dropped.
    _folder: tempfile::TempDir,
    log: PathBuf,
    key: PathBuf,
}

impl SignedLog {
    /// Makes a key for a log that does not exist.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("keys")).unwrap();
        let log =
            Self { log: folder.path().join("log"), key: folder.path().join("keys/key"), _folder: folder };
        let made = Command::new(LEDGER)
            .args(["audit", "key", "new", "--file"])
            .args([&log.key, &log.log])
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .status();
        assert!(made.unwrap().success());
        log
    }

    /// Makes a signed log of two runs of a server.
    async fn signed() -> Self {
        let log = Self::new();
        for _ in 0..2 {
            log.run(true, 12).await;
        }
        assert_eq!(log.verified().0, Some(0));
        log
    }

    fn serve(&self, signed: bool) -> Command {
        let mut command = Command::new(LEDGER);
        command.args(["serve", "--quiet", "--audit"]).arg(&self.log);
        if signed {
            command.arg("--audit-key").arg(&self.key);
        }
        command
    }

    /// Starts the server, makes calls, and ends it. Returns what it wrote to stderr.
    async fn run(&self, signed: bool, calls: u64) -> String {
        let mut process = StdioServer::start(self.serve(signed));
        process.client.initialize(Revision::V2025_11_25).await;
        for n in 0..calls {
            let answer = process.client.call("enter", json!({"n": n})).await;
            assert!(answer["result"]["structuredContent"].is_object(), "{answer}");
        }
        process.close().await.stderr
    }

    /// Checks that the server does not start and that it says why and what to type.
    fn refuses(&self, why: &str) {
        self.refuses_with(&[why, &format!("`rm {}`", self.kept().display())]);
    }

    fn refuses_with(&self, parts: &[&str]) {
        let output = self.serve(true).stdin(Stdio::null()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{parts:?}: {stderr}");
        for part in parts.iter().chain(&["audit verify", "`--audit DIR`"]) {
            assert!(stderr.contains(part), "{part}: {stderr}");
        }
    }

    fn verified(&self) -> (Option<i32>, Value) {
        log::verified(LEDGER, &self.log, &["--key", self.public().to_str().unwrap()])
    }

    fn verify_text(&self) -> String {
        let mut command = Command::new(LEDGER);
        let output = command.args(["audit", "verify", "--key"]).args([&self.public(), &self.log]).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    }

    fn public(&self) -> PathBuf {
        self.key.with_extension("pub")
    }

    fn checkpoints(&self) -> PathBuf {
        self.log.join("checkpoints")
    }

    /// The file beside the key that holds the last checkpoint.
    fn kept(&self) -> PathBuf {
        let names = fs::read_dir(self.key.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
        let mut kept: Vec<_> = names.filter(|path| path.to_string_lossy().contains(".signed-")).collect();
        assert_eq!(kept.len(), 1, "{kept:?}");
        kept.remove(0)
    }

    /// Changes a record and the chain after it, as a person without the key can.
    fn rewrite(&self) {
        assert!(forged_log::rewrite(&self.log, r#"{"n":7}"#, r#"{"n":8}"#));
    }

    /// Cuts the checkpoints after the first one, and returns the number of records that it covers.
    fn cut_checkpoints(&self) -> usize {
        let notes = fs::read_to_string(self.checkpoints()).unwrap();
        let second = notes.match_indices("candor audit log").nth(1).unwrap().0;
        fs::write(self.checkpoints(), &notes[..second]).unwrap();
        notes.lines().nth(1).unwrap().parse().unwrap()
    }
}

#[tokio::test]
async fn rewritten_log_is_not_laundered_by_a_restart() {
    let log = SignedLog::signed().await;
    let (_, report) = log.verified();
    let records = report["records"].as_u64().unwrap();
    assert_eq!(report["signed_records_beside_key"], records, "{report}");
    let text = log.verify_text();
    assert!(text.contains("The checkpoint kept beside the signing key, up to record"), "{text}");
    log.rewrite();
    fs::remove_file(log.checkpoints()).unwrap();
    log.refuses("other records were signed than its first");
    // `verify` reads the file beside the key as well.
    let (code, report) = log.verified();
    assert!(code == Some(1) && report.to_string().contains("kept beside the signing key"), "{report}");
    // The operator accepts the log as it is: the start says what was not signed, and signs that.
    fs::remove_file(log.kept()).unwrap();
    log.run(true, 1).await;
    let start = log::records(&log.log).into_iter().rfind(|record| record["event"] == "start").unwrap();
    assert_eq!(start["before"], json!({"signed": 0, "unsigned": records}));
    let (code, report) = log.verified();
    assert_eq!(code, Some(0), "{report}");
    assert_eq!(report["unsigned"], json!([{"first": 0, "last": records - 1}]));
    let text = log.verify_text();
    assert!(text.contains(&format!("Records 0 to {} were not signed", records - 1)), "{text}");
    assert!(text.contains(&format!("Since record {records}, up to record")), "{text}");
    assert!(!text.contains("  Up to record"), "{text}");
}

#[tokio::test]
async fn start_refuses_every_log_that_does_not_reach_what_was_signed() {
    type Change = fn(&SignedLog);
    let changes: [(Change, &str); 7] = [
        (|log| fs::remove_file(log.checkpoints()).unwrap(), "its checkpoints are missing"),
        (|log| _ = log.cut_checkpoints(), "its checkpoints end after"),
        (SignedLog::rewrite, "other records were signed than its first"),
        (
            |log| {
                // The log as it was at its first checkpoint.
                let records = log.cut_checkpoints();
                let text = fs::read_to_string(segment(&log.log, 1)).unwrap();
                let lines: String = text.split_inclusive('\n').take(records).collect();
                fs::write(segment(&log.log, 1), lines).unwrap();
            },
            "records were signed, and",
        ),
        (|log| fs::remove_file(segment(&log.log, 1)).unwrap(), "its records are missing"),
        (|log| fs::remove_dir_all(&log.log).unwrap(), "its records are missing"),
        (
            |log| {
                fs::remove_dir_all(&log.log).unwrap();
                let key = log.log.with_extension("redaction-key");
                fs::remove_file(key).unwrap();
                forged_log::log(&log.log, 3);
            },
            "it is another log",
        ),
    ];
    for (change, why) in changes {
        let log = SignedLog::signed().await;
        change(&log);
        log.refuses(why);
        log.refuses(why);
        let is_laundered = log.verified().0 == Some(0);
        assert!(!is_laundered, "{why}");
    }
}

#[tokio::test]
async fn moved_log_is_still_compared_with_what_was_signed() {
    let mut log = SignedLog::signed().await;
    let moved = log.log.with_file_name("moved");
    fs::rename(&log.log, &moved).unwrap();
    fs::rename(log.log.with_extension("redaction-key"), moved.with_extension("redaction-key")).unwrap();
    log.log = moved;
    log.run(true, 1).await;
    // Now each folder has a file beside the key. The server must not sign an older state in a third one either.
    let copied = log.log.with_file_name("copied");
    fs::rename(&log.log, &copied).unwrap();
    fs::rename(log.log.with_extension("redaction-key"), copied.with_extension("redaction-key")).unwrap();
    log.log = copied;
    log.rewrite();
    fs::remove_file(log.checkpoints()).unwrap();
    log.refuses_with(&["other records were signed than its first", "`audit key new --file FILE`"]);
}

#[tokio::test]
async fn first_start_with_a_key_records_how_much_of_the_log_was_unsigned() {
    let log = SignedLog::new();
    log.run(false, 3).await;
    let unsigned = log::records(&log.log).len() as u64;
    log.run(true, 3).await;
    let signed = log::records(&log.log).len() as u64;
    // A run without the key leaves another gap.
    log.run(false, 3).await;
    let records = log::records(&log.log).len() as u64;
    log.run(true, 3).await;
    let starts = log::records(&log.log).into_iter().filter(|record| record["event"] == "start");
    let before: Vec<Value> = starts.map(|start| start["before"].clone()).collect();
    let gap = |signed: u64, unsigned: u64| json!({"signed": signed, "unsigned": unsigned});
    assert_eq!(before, [Value::Null, gap(0, unsigned), Value::Null, gap(signed, records - signed)]);
    let (code, report) = log.verified();
    let gaps = json!([{"first": 0, "last": unsigned - 1}, {"first": signed, "last": records - 1}]);
    assert_eq!((code, &report["unsigned"]), (Some(0), &gaps), "{report}");
}

#[tokio::test]
async fn checkpoints_removed_after_the_restart_are_missed() {
    let log = SignedLog::signed().await;
    // The second run's start names the signatures of the first run.
    let notes = fs::read_to_string(log.checkpoints()).unwrap();
    let of_last_run = notes.match_indices("candor audit log").nth(2).unwrap().0;
    fs::write(log.checkpoints(), &notes[of_last_run..]).unwrap();
    let (code, report) = log.verified();
    assert!(
        code == Some(1) && report.to_string().contains("checkpoints are missing: a start recorded"),
        "{report}"
    );
}

/// The number of bytes that a process has read so far, from files, pipes and sockets.
#[cfg(target_os = "linux")]
fn bytes_read(process: u32) -> u64 {
    let io = fs::read_to_string(format!("/proc/{process}/io")).unwrap();
    let read = io.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap();
    read.parse().unwrap()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn start_reads_the_end_of_a_large_log_only() {
    let log = SignedLog::new();
    forged_log::large_log(&log.log, 13_000_000);
    assert!(fs::metadata(segment(&log.log, 1)).unwrap().len() >= 13_000_000);
    // The first start with the key, and one that continues signatures.
    for _ in 0..2 {
        let mut process = StdioServer::start(log.serve(true));
        process.client.initialize(Revision::V2025_11_25).await;
        let read = bytes_read(process.process.id());
        assert!(read < 1_000_000, "{read} bytes");
        assert_eq!(process.close().await.status.code(), Some(0));
    }
    assert_eq!(log.verified().0, Some(0));
    // A change before the end is for `verify`, and one at the end for the start.
    let whole = fs::read(segment(&log.log, 1)).unwrap();
    for (at, started) in [(1_000_000, Some(0)), (whole.len() - 500, Some(2))] {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        fs::write(segment(&log.log, 1), changed).unwrap();
        assert_eq!(log.verified().0, Some(1));
        assert_eq!(log.serve(true).stdin(Stdio::null()).output().unwrap().status.code(), started);
    }
}

#[tokio::test]
async fn quiet_server_still_prints_its_checkpoints() {
    let log = SignedLog::new();
    let stderr = log.run(true, 1).await;
    assert_eq!(stderr.matches("audit checkpoint: ").count(), 2, "{stderr}");
    let exported = log.log.with_extension("stderr");
    fs::write(&exported, stderr).unwrap();
    let (code, report) = log::verified(
        LEDGER,
        &log.log,
        &["--key", log.public().to_str().unwrap(), "--checkpoints", exported.to_str().unwrap()],
    );
    assert_eq!((code, &report["signed_records_elsewhere"]), (Some(0), &report["records"]), "{report}");
}

#[tokio::test]
async fn reopened_log_is_signed_and_kept_further() {
    let log = SignedLog::new();
    let mut process = StdioServer::start(log.serve(true));
    process.client.initialize(Revision::V2025_11_25).await;
    for n in 1..4_usize {
        let answer = process.client.call("enter", json!({"n": n})).await;
        assert!(answer["result"]["structuredContent"].is_object(), "{answer}");
        process.process.signal("HUP");
        let stderr = || process.stderr();
        wait_until(async || stderr().matches("the log was reopened").count() == n).await;
    }
    // The file beside the key is gone, and is written anew.
    fs::remove_file(log.kept()).unwrap();
    assert_eq!(process.close().await.status.code(), Some(0));
    let (code, report) = log.verified();
    assert_eq!((code, &report["signed_records_beside_key"]), (Some(0), &report["records"]), "{report}");
    assert_eq!(log.run(true, 1).await.matches("audit checkpoint: ").count(), 2);
}

/// Returns a command that runs `serve` while the folder of the key is mounted read-only. `None` if this machine does not allow
/// that.
fn with_unwritable_keys(log: &SignedLog) -> Option<Command> {
    let script = "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\" && exec \"$@\"";
    let keys = log.key.parent().unwrap();
    let unshare = |program: &Path| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]).args([keys, program]);
        command
    };
    if !unshare(Path::new("true")).stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: this machine does not let `unshare --user --mount` mount a folder read-only");
        return None;
    }
    let serve = log.serve(true);
    let mut command = unshare(Path::new(serve.get_program()));
    command.args(serve.get_args());
    Some(command)
}

#[tokio::test]
async fn unwritable_folder_of_the_key_is_reported_and_stops_no_call() {
    let log = SignedLog::new();
    let Some(command) = with_unwritable_keys(&log) else { return };
    let mut process = StdioServer::start(command);
    process.client.initialize(Revision::V2025_11_25).await;
    let answer = process.client.call("enter", json!({"n": 1})).await;
    assert!(answer["result"]["structuredContent"].is_object(), "{answer}");
    let stderr = process.close().await.stderr;
    assert_eq!(stderr.matches("the last checkpoint cannot be kept in").count(), 1, "{stderr}");
    assert!(stderr.contains("the next start cannot detect it"), "{stderr}");
    assert_eq!(log.verified().0, Some(0));
}
