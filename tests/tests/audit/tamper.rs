//! Changes a real log of about 300 records, and checks the findings and the exit code of `audit verify`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use candor::{AuditLog, Revision, Server, Service, mcp_tool, testing::Client, tools};
use candor_tests::{
    forged_log,
    log::{self, segment},
};
use serde_json::{Value, json};

const LEDGER: &str = env!("CARGO_BIN_EXE_ledger");

/// Enter a number.
#[mcp_tool(additive, closed_world, public)]
fn enter(
    /// The number.
    n: u32,
) -> u32 {
    n
}

fn service(log: &Path) -> Service {
    let log = AuditLog::at(log).segment_bytes(40_000).checkpoint_every(64, Duration::from_secs(60)).quiet();
    Server::new("s", "1").tools(tools![enter]).audit(log).build().unwrap()
}

async fn calls(service: &Service, calls: u32) {
    let client = Client::to(service.clone(), Revision::V2025_11_25).await;
    for n in 0..calls {
        client.call("enter", json!({"n": n})).await.unwrap();
    }
}

/// Writes a log, with a key that signs it if `sign` is set.
async fn log(folder: &Path, name: &str, sign: bool) -> PathBuf {
    let log = folder.join(name);
    if sign {
        assert_eq!(ledger(&["audit", "key", "new"], &log).0, Some(0));
    }
    let service = service(&log);
    calls(&service, 148).await;
    service.stop_audit();
    let (code, report) = verified(&log);
    assert_eq!((code, report["intact"].as_bool()), (Some(0), Some(true)), "{report}");
    assert!(report["records"].as_u64() >= Some(300), "{report}");
    log
}

fn ledger(arguments: &[&str], log: &Path) -> (Option<i32>, String, String) {
    let mut command = Command::new(LEDGER);
    let output = command.args(arguments).arg(log).stdin(Stdio::null()).output().expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it writes UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn verified_with(log: &Path, arguments: &[&str]) -> (Option<i32>, Value) {
    log::verified(LEDGER, log, arguments)
}

fn verified(log: &Path) -> (Option<i32>, Value) {
    verified_with(log, &[])
}

/// Checks that `audit verify` finds a change and that one of the findings says this, at this segment and line.
fn detects(log: &Path, says: &str, at: Option<(u32, usize)>) {
    let (code, report) = verified(log);
    assert_eq!(code, Some(1), "{report}");
    let findings = report["findings"].as_array().unwrap();
    let fits = |finding: &&Value| {
        finding["what"].as_str().unwrap().contains(says)
            && at.is_none_or(|(segment, line)| finding["segment"] == segment && finding["line"] == line)
    };
    assert!(findings.iter().any(|finding| fits(&finding)), "{says}: {report}");
    // The text for people says it as well.
    let (code, text, _) = ledger(&["audit", "verify"], log);
    assert!(code == Some(1) && text.contains(says), "{text}");
    assert!(!text.contains("no change is found") && !text.contains("only the owner"), "{text}");
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

fn write(path: &Path, lines: &[String]) {
    fs::write(path, lines.iter().map(|line| line.clone() + "\n").collect::<String>()).unwrap();
}

fn copy(log: &Path, name: &str) -> PathBuf {
    let to = log.with_file_name(name);
    fs::create_dir(&to).unwrap();
    for entry in fs::read_dir(log).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
    let mut key = log.as_os_str().to_owned();
    key.push(".signing-key.pub");
    if Path::new(&key).exists() {
        fs::copy(key, log.with_file_name(format!("{name}.signing-key.pub"))).unwrap();
    }
    to
}

#[tokio::test]
async fn moved_and_missing_lines_and_segments_are_detected() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path(), "log", true).await;
    let mut numbers = 0;
    let mut changed = |change: &dyn Fn(&Path)| {
        numbers += 1;
        let copy = copy(&log, &format!("copy-{numbers}"));
        change(&copy);
        copy
    };
    let edited = |number: u32, edit: fn(&mut Vec<String>)| {
        move |log: &Path| {
            let path = segment(log, number);
            let mut all = lines(&path);
            edit(&mut all);
            write(&path, &all);
        }
    };
    detects(&changed(&edited(2, |lines| lines.swap(10, 11))), "records before it are missing", Some((2, 11)));
    detects(
        &changed(&edited(2, |lines| drop(lines.remove(10)))),
        "1 records before it are missing",
        Some((2, 11)),
    );
    detects(&changed(&edited(2, |lines| lines.insert(10, lines[9].clone()))), "used before", Some((2, 11)));
    detects(
        &changed(&edited(2, |lines| lines[10] = lines[10].replace("\"sub\":\"local\"", "\"sub\":\"other\""))),
        "its digest is not that of the record",
        Some((2, 11)),
    );
    detects(&changed(&edited(2, |lines| lines.insert(10, String::new()))), "not a record", Some((2, 11)));
    detects(&changed(&edited(2, |lines| lines[10] = "x".repeat(2_000_000))), "too long", Some((2, 11)));
    detects(
        &changed(&|log| fs::remove_file(segment(log, 2)).unwrap()),
        "the segment is missing",
        Some((2, 0)),
    );
    detects(&changed(&|log| fs::write(segment(log, 2), "").unwrap()), "no records", Some((2, 0)));
    detects(
        &changed(&|log| fs::remove_file(segment(log, 1)).unwrap()),
        "the segment is missing",
        Some((1, 0)),
    );
    let last = (1..1_000).take_while(|&number| segment(&log, number).exists()).last().unwrap();
    detects(
        &changed(&|log| fs::remove_file(segment(log, last)).unwrap()),
        "the end of the log is missing",
        None,
    );
    detects(
        &changed(&|log| {
            let path = segment(log, last);
            let all = lines(&path);
            write(&path, &all[..all.len() - 1]);
        }),
        "the end of the log is missing",
        None,
    );
    detects(
        &changed(&|log| {
            fs::remove_file(segment(log, 2)).unwrap();
            rustix::fs::mkfifoat(rustix::fs::CWD, segment(log, 2), rustix::fs::Mode::RUSR).unwrap();
        }),
        "is not a regular file",
        None,
    );
    detects(
        &changed(&|log| fs::remove_file(log.join("checkpoints")).unwrap()),
        "not one record is signed",
        None,
    );
    detects(
        &changed(&|log| fs::write(log.join("checkpoints"), "well\n\nwell\n").unwrap()),
        "is not a checkpoint",
        None,
    );
    detects(
        &changed(&|log| {
            let notes = fs::read_to_string(log.join("checkpoints")).unwrap();
            let second = notes.match_indices("candor audit log").nth(1).unwrap().0;
            fs::write(log.join("checkpoints"), format!("{notes}{}", &notes[..second])).unwrap();
        }),
        "follows one of",
        None,
    );
}

/// Changes a number in a call, and computes the whole chain again.
fn rewrite(log: &Path) {
    assert!(forged_log::rewrite(log, r#"{"n":7}"#, r#"{"n":8}"#), "the log contains the call");
}

#[tokio::test]
async fn log_rewritten_without_the_key_is_detected_by_its_signatures_only() {
    let folder = tempfile::tempdir().unwrap();
    let signed = log(folder.path(), "signed", true).await;
    rewrite(&signed);
    detects(&signed, "was made of other records than these", None);
    // A chain alone cannot show it, and the command says so.
    let chained = log(folder.path(), "chained", false).await;
    rewrite(&chained);
    let (code, text, _) = ledger(&["audit", "verify"], &chained);
    assert_eq!(code, Some(0));
    assert!(text.contains("not signed, or no key") && text.contains("looks like this one"), "{text}");
}

#[tokio::test]
async fn cut_end_is_detected_by_checkpoints_stored_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path(), "log", true).await;
    let exported = folder.path().join("exported");
    fs::copy(log.join("checkpoints"), &exported).unwrap();
    let exported = exported.to_str().unwrap();
    let (code, report) = verified_with(&log, &["--checkpoints", exported]);
    assert_eq!((code, &report["signed_records_elsewhere"]), (Some(0), &report["records"]), "{report}");
    for number in (2..).take_while(|&number| segment(&log, number).exists()) {
        fs::remove_file(segment(&log, number)).unwrap();
    }
    let notes = fs::read_to_string(log.join("checkpoints")).unwrap();
    let first = notes.match_indices("candor audit log").nth(1).unwrap().0;
    fs::write(log.join("checkpoints"), &notes[..first]).unwrap();
    // On this machine, the checkpoint beside the signing key shows it.
    detects(&log, "the end of the log is missing", None);
    let kept = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let kept = kept.filter(|path| path.to_string_lossy().contains(".signed-")).last().unwrap();
    fs::rename(&kept, folder.path().join("aside")).unwrap();
    let (code, report) = verified(&log);
    assert_eq!(code, Some(0), "{report}");
    let (_, text, _) = ledger(&["audit", "verify"], &log);
    assert!(text.contains("compare with") && text.contains("not that of a stop"), "{text}");
    let (code, report) = verified_with(&log, &["--checkpoints", exported]);
    assert_eq!(code, Some(1), "{report}");
    // Nor does a server start on a log without its signed end.
    fs::write(log.join("checkpoints"), notes).unwrap();
    let log = AuditLog::at(&log).quiet();
    let error = Server::new("s", "1").tools(tools![enter]).audit(log).build().err().unwrap().to_string();
    assert!(error.contains("records were signed, and"), "{error}");
}

#[tokio::test]
async fn checkpoints_and_records_of_other_logs_and_keys_are_detected() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (log(folder.path(), "one", true).await, log(folder.path(), "other", true).await);
    let foreign = copy(&one, "foreign");
    fs::copy(other.join("checkpoints"), foreign.join("checkpoints")).unwrap();
    detects(&foreign, "is of another log", None);
    let key = fs::read_to_string(folder.path().join("other.signing-key.pub")).unwrap();
    let (code, report) = verified_with(&one, &["--key", &key]);
    assert_eq!(code, Some(1));
    assert!(report.to_string().contains("signed by a key that was not given"), "{report}");
    // Two processes appended to one file without a lock.
    let doubled = copy(&one, "doubled");
    let mut all = lines(&segment(&doubled, 1));
    let theirs = lines(&segment(&other, 1));
    for (at, line) in theirs[10..20].iter().enumerate() {
        all.insert(10 + 2 * at, line.clone());
    }
    write(&segment(&doubled, 1), &all);
    detects(&doubled, "it does not follow the record before it", Some((1, 11)));
    let whole = copy(&one, "whole");
    fs::copy(segment(&other, 2), segment(&whole, 2)).unwrap();
    detects(&whole, "the segment is of another log", Some((2, 1)));
}

#[tokio::test]
async fn log_can_be_verified_while_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    assert_eq!(ledger(&["audit", "key", "new"], &log).0, Some(0));
    let service = service(&log);
    let writing = tokio::spawn({
        let service = service.clone();
        async move { calls(&service, 400).await }
    });
    let mut seen = Vec::new();
    while !writing.is_finished() {
        let path = log.clone();
        let (code, report) = tokio::task::spawn_blocking(move || verified(&path)).await.unwrap();
        assert_eq!((code, report["is_written"].as_bool()), (Some(0), Some(true)), "{report}");
        seen.push(report["records"].as_u64().unwrap());
    }
    writing.await.unwrap();
    assert!(seen.len() > 1 && seen.is_sorted(), "{seen:?}");
    service.stop_audit();
    drop(service);
    assert_eq!(verified(&log).1["is_written"], false);
}

#[test]
fn folder_without_a_log_cannot_be_verified() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().join("nowhere"), folder.path().to_owned()] {
        let (code, _, report) = ledger(&["audit", "verify"], &path);
        assert_eq!(code, Some(2), "{report}");
        assert!(report.contains("found no audit log in"), "{report}");
    }
    let (code, _, report) = ledger(&["audit", "verify", "--key", "nonsense"], folder.path());
    assert!(code == Some(2) && report.contains("is not a verifier key"), "{report}");
}

#[tokio::test]
async fn empty_segment_left_by_a_crash_is_continued() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path(), "log", true).await;
    let last = (1..1_000).take_while(|&number| segment(&log, number).exists()).last().unwrap();
    fs::write(segment(&log, last + 1), "").unwrap();
    let (code, report) = verified(&log);
    assert_eq!(code, Some(0), "{report}");
    let records = report["records"].as_u64().unwrap();
    let service = service(&log);
    calls(&service, 1).await;
    service.stop_audit();
    let (code, report) = verified(&log);
    // The first record of the segment, a start, a call and a stop.
    assert_eq!((code, report["records"].as_u64()), (Some(0), Some(records + 5)), "{report}");
    assert!(lines(&segment(&log, last + 1))[0].contains("\"event\":\"segment\""));
}

/// A start that is killed, or that finds no room or no descriptor, may end after the file is made.
#[tokio::test]
async fn log_without_a_whole_record_is_begun_anew() {
    for left in ["", r#"{"v":1,"seq":0,"ts":"2026"#] {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        service(&log).stop_audit();
        fs::write(segment(&log, 1), left).unwrap();
        let again = service(&log);
        calls(&again, 1).await;
        again.stop_audit();
        let (code, report) = verified(&log);
        // The first record of the segment, a start, a call and a stop; the torn record is reported by one more.
        let records = if left.is_empty() { 5 } else { 6 };
        assert_eq!((code, &report["records"]), (Some(0), &json!(records)), "{report}");
    }
}

/// Writes a log of one segment with a correct chain and these records after its first.
fn chained(folder: &Path, records: &[(&str, &str)]) -> PathBuf {
    let log = folder.join("log");
    forged_log::log(&log, 1);
    let mut prev = [0; 32];
    let own = r#""kind":"server","event":"segment","log":"forged","segment":1,"redaction_key":"x""#;
    let records = [&[("30", own)], records].concat();
    let text = records.iter().enumerate().map(|(seq, (ts, rest))| {
        let body = format!(r#"{{"v":1,"seq":{seq},"ts":"2026-11-21T12:00:{ts}.000000Z",{rest}"#);
        forged_log::record(&mut prev, &body)
    });
    fs::write(segment(&log, 1), text.collect::<String>()).unwrap();
    log
}

#[test]
fn impossible_records_are_detected_in_a_correct_chain() {
    let of = |kind: &str, call: u32| format!(r#""kind":"{kind}","call_id":"{call:032x}""#);
    let (intent, outcome) = (of("intent", 1), of("outcome", 1));
    for (records, says) in [
        (vec![("31", &*intent), ("32", &outcome), ("33", &outcome)], "it ends a call that never began"),
        (vec![("31", &intent), ("32", &intent)], "or one that began before"),
        (vec![("31", r#""kind":"intent""#)], "it names no call"),
        (vec![("31", r#""kind":"other""#)], "its kind is unknown"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        detects(&chained(folder.path(), &records), says, Some((1, records.len() + 1)));
    }
}

#[test]
fn clock_that_steps_back_is_noted() {
    let folder = tempfile::tempdir().unwrap();
    let log = chained(
        folder.path(),
        &[("10", r#""kind":"server","event":"start""#), ("20", r#""kind":"server","event":"stop""#)],
    );
    let (code, report) = verified(&log);
    assert_eq!((code, &report["clock_steps_back"]), (Some(0), &json!(1)), "{report}");
    let (_, text, _) = ledger(&["audit", "verify"], &log);
    assert!(text.contains("the clock stepped back 1 times: the order is that of `seq`"), "{text}");
}
