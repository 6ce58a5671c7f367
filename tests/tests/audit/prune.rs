//! Removes old records from real logs with `audit prune`, and checks what `audit verify` finds afterwards.

use std::{
    fs,
    process::{Command, Output, Stdio},
};

use candor::Revision;
use candor_tests::{
    ledger_log::{TestLog, text},
    log::{self, segment},
    stdio_server::StdioServer,
    wait::wait_until,
};
use serde_json::json;

const LEDGER: &str = env!("CARGO_BIN_EXE_ledger");

#[test]
fn prune_removes_old_segments_and_the_rest_verifies_with_the_public_key() {
    let log = TestLog::new(LEDGER, 6);
    let before = log.segments();
    assert!(before.len() > 3, "{before:?}");
    assert!(log.pruned(89).contains("nothing is removed: segment 1 has a record of "));
    let dry = log.run(&["audit", "prune", "--older-than", "90d", "--dry-run"], &[("LEDGER_DAYS", "91")]);
    assert!(text(&dry.stdout).contains("would remove records 0 to "), "{}", text(&dry.stdout));
    assert_eq!(log.segments(), before);
    // All records are old, and the segment of the removal stays.
    assert!(log.pruned(91).contains("removed records 0 to "));
    let rest = log.segments();
    assert!(!rest.is_empty() && rest[0] >= *before.last().unwrap(), "{rest:?}");
    let report = log.intact();
    let removed = &report["removed"];
    assert_eq!((&removed["signed"], &removed["segments_left"]), (&json!(true), &json!(0)), "{report}");
    assert_eq!(removed["segments"], rest[0] - 1);
    assert_eq!(removed["older_than_seconds"], 90 * 86_400);
    assert!(removed["by"].as_str().unwrap().starts_with("`audit prune`"), "{report}");
    assert!(report["checkpoints_of_removed_records"].as_u64() > Some(0), "{report}");
    let shown = text(&log.run(&["audit", "verify"], &[]).stdout);
    assert!(shown.contains("were removed by retention on ") && shown.contains("older than 90 d"), "{shown}");
    // The server goes on, and later removals follow.
    (6..9).for_each(|n| log.call(n));
    log.intact();
    assert!(log.pruned(200).contains("removed records "));
    assert_eq!(log.intact()["removed"]["removals"], 2);
    // From outside: a copy of the folder, and the public key.
    let outside = tempfile::tempdir().unwrap();
    let copy = outside.path().join("copy");
    let output = Command::new("cp").arg("-r").arg(&log.log).arg(&copy).output().unwrap();
    assert!(output.status.success());
    let key = format!("{}.signing-key.pub", log.log.display());
    let (code, report) = log::verified(LEDGER, &copy, &["--key", &key]);
    assert_eq!((code, &report["removed"]["signed"]), (Some(0), &json!(true)), "{report}");
}

#[test]
fn prune_killed_at_any_step_leaves_a_log_that_is_intact_and_is_completed() {
    let log = TestLog::new(LEDGER, 5);
    let (mut completed, mut left) = (0, 0);
    for step in 0..200 {
        let (copy, killed) = (log.copy(), step.to_string());
        let output = copy.prune(91, &[("LEDGER_KILL_AFTER", &killed)]);
        let (code, report) = copy.verified();
        assert_eq!(code, Some(0), "killed after {step} operations: {report}");
        if output.status.success() {
            assert!(completed > 5 && left > 1, "{completed} kills, {left} of them between segments");
            return;
        }
        completed += 1;
        let is_half = report["removed"]["segments_left"].as_u64() > Some(0);
        left += u32::from(is_half && copy.segments()[0] > 1);
        if step % 2 == 0 {
            copy.pruned(91);
        } else {
            // A start of the server, whose stop may come before it has removed all.
            copy.call(1);
            copy.pruned(91);
        }
        let report = copy.intact();
        let removed = &report["removed"];
        assert_eq!(removed["segments_left"], 0, "killed after {step} operations: {report}");
        assert!(removed["segments"].as_u64() >= Some(3), "killed after {step} operations: {report}");
    }
    panic!("a prune takes fewer operations");
}

#[tokio::test]
async fn server_completes_an_interrupted_removal_at_its_start() {
    let log = TestLog::new(LEDGER, 5);
    for step in 5..200 {
        let copy = log.copy();
        copy.prune(91, &[("LEDGER_KILL_AFTER", &step.to_string())]);
        let report = copy.intact();
        if report["removed"]["segments_left"].as_u64() < Some(1) {
            continue;
        }
        let left = copy.segments();
        let mut server = StdioServer::start(copy.command(&["serve"], &[]));
        server.client.initialize(Revision::V2025_11_25).await;
        wait_until(async || copy.intact()["removed"]["segments_left"] == 0).await;
        assert!(copy.segments()[0] > left[0]);
        server.close().await;
        copy.intact();
        return;
    }
    panic!("no kill came between the record and the removal");
}

#[test]
fn segment_removed_by_hand_is_detected_beside_a_recorded_removal() {
    let log = TestLog::new(LEDGER, 4);
    log.pruned(91);
    (4..9).for_each(|n| log.call(n));
    let rest = log.segments();
    assert!(rest.len() > 4, "{rest:?}");
    log.intact();
    for (remove, says) in [
        (&rest[..1], "the segment is missing, and the recorded removal is of segments 1 to "),
        (&rest[..2], "this segment and the 1 after it are missing, and the recorded removal is of segments"),
        (&rest[1..2], "the segment is missing"),
    ] {
        let copy = log.copy();
        for number in remove {
            fs::remove_file(segment(&copy.log, *number)).unwrap();
        }
        copy.detects(says);
        // Nothing more is removed from such a log.
        let output = copy.prune(400, &[]);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stdout));
        let error = text(&output.stderr);
        assert!(error.contains("changed") || error.contains("not the log that was written"), "{error}");
    }
    // Without any recorded removal.
    let log = TestLog::new(LEDGER, 4);
    fs::remove_file(segment(&log.log, 1)).unwrap();
    log.detects("the segment is missing");
}

#[test]
fn forged_copied_and_removed_records_of_a_removal_are_detected() {
    let (log, other) = (TestLog::new(LEDGER, 5), TestLog::new(LEDGER, 5));
    log.pruned(91);
    other.pruned(91);
    (5..7).for_each(|n| log.call(n));
    let note = log.note();
    let forged = |forge: &dyn Fn(&str) -> String| {
        let copy = log.copy();
        copy.forge(forge);
        copy
    };
    let from = note.split("segments ").nth(1).unwrap().split('\\').next().unwrap();
    let more = format!("segments {}", from.parse::<u32>().unwrap() + 1);
    let copy = forged(&|body| body.replace(&format!("segments {from}"), &more));
    copy.detects("the record of a removal does not follow the one before it");
    // All segments hold the forged note.
    {
        let (from, to) = (log.note(), log.note().replace("older_than 7776000", "older_than 86400"));
        let copy = log.copy();
        let last = *copy.segments().last().unwrap();
        copy.segments().iter().filter(|number| **number < last).for_each(|number| {
            fs::remove_file(segment(&copy.log, *number)).unwrap();
        });
        copy.forge(|body| body.replace(&from, &to));
        copy.detects("the record of a removal has a signature that its key did not make");
        copy.detects("this segment and the ");
    }
    let alone = || {
        let copy = log.copy();
        let numbers = copy.segments();
        numbers[..numbers.len() - 1].iter().for_each(|number| {
            fs::remove_file(segment(&copy.log, *number)).unwrap();
        });
        copy
    };
    let copy = alone();
    copy.forge(|body| body.replace(&note, &other.note()));
    copy.detects("the record of a removal is of another log");
    let copy = alone();
    copy.forge(|body| body.replace(&format!(",\"removed\":\"{note}\""), ""));
    copy.detects("missing");
    let copy = alone();
    let unsigned = note.split("\\u000a\\u000a").next().unwrap().to_owned() + "\\u000a";
    copy.forge(|body| body.replace(&note, &unsigned));
    copy.detects("the record of a removal is not signed, and the log was");
    let copy = alone();
    copy.forge(|body| body.replace(&note, "nothing"));
    copy.detects("it holds a record of a removal that cannot be read");
    let copy = forged(&|body| body.replace(&format!(",\"removed\":\"{note}\""), ""));
    copy.detects("it lacks the record of the last removal");
}

#[test]
fn log_that_was_changed_or_whose_key_is_missing_is_not_pruned() {
    let log = TestLog::new(LEDGER, 4);
    let changed = log.copy();
    let path = segment(&changed.log, 2);
    let lines = fs::read_to_string(&path).unwrap();
    fs::write(&path, lines.replace("\"sub\":\"local\"", "\"sub\":\"other\"")).unwrap();
    let before = changed.segments();
    let output = changed.prune(91, &[]);
    assert_eq!((output.status.code(), changed.segments()), (Some(2), before));
    assert!(text(&output.stderr).contains("the audit log was changed"), "{}", text(&output.stderr));
    let unsigned = log.copy();
    fs::remove_file(format!("{}.signing-key", unsigned.log.display())).unwrap();
    let before = unsigned.segments();
    let output = unsigned.prune(91, &[]);
    let error = text(&output.stderr);
    assert_eq!((output.status.code(), unsigned.segments()), (Some(2), before), "{error}");
    assert!(error.contains("its signing key is not given") && error.contains("--audit-key"), "{error}");
}

#[test]
fn full_or_failing_disk_removes_nothing_and_the_next_prune_does() {
    let log = TestLog::new(LEDGER, 4);
    for fault in ["LEDGER_FULL", "LEDGER_SYNCS_FAIL"] {
        let copy = log.copy();
        let before = copy.segments();
        let output = copy.prune(91, &[(fault, "1")]);
        assert_eq!(output.status.code(), Some(2), "{fault}: {}", text(&output.stdout));
        assert_eq!(copy.segments()[..before.len()], before, "{fault}");
        copy.intact();
        assert!(copy.pruned(91).contains("removed records 0 to "), "{fault}");
        copy.intact();
    }
}

#[test]
fn folder_that_cannot_be_written_is_reported_and_stays() {
    let log = TestLog::new(LEDGER, 4);
    let script = "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\" && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]).arg(&log.log);
    let mounts = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script])
        .arg(&log.log)
        .arg("true")
        .stderr(Stdio::null())
        .status();
    if !mounts.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: this machine does not let `unshare --user --mount` mount a folder read-only");
        return;
    }
    let before = log.segments();
    let output = command
        .args([LEDGER, "audit", "prune", "--older-than", "90d"])
        .env("LEDGER_DAYS", "91")
        .env("LEDGER_LOG", &log.log)
        .output()
        .unwrap();
    let error = text(&output.stderr);
    assert_eq!((output.status.code(), log.segments()), (Some(2), before), "{error}");
    assert!(
        error.contains("Read-only file system") && error.contains(&*log.log.to_string_lossy()),
        "{error}"
    );
    log.intact();
}

#[test]
fn clock_that_was_set_back_makes_no_record_old() {
    let log = TestLog::new(LEDGER, 4);
    assert!(log.pruned(-400).contains("is later than the clock"));
    assert_eq!(log.segments()[0], 1);
}

#[test]
fn two_prunes_at_once_remove_the_records_once() {
    let log = TestLog::new(LEDGER, 6);
    let prune = || {
        let mut command = log.command(&["audit", "prune", "--older-than", "90d"], &[("LEDGER_DAYS", "91")]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let outputs = [prune(), prune(), prune()].map(|child| child.wait_with_output().unwrap());
    let removed = |output: &&Output| text(&output.stdout).contains("removed records 0 to ");
    assert_eq!(outputs.iter().filter(removed).count(), 1, "{outputs:?}");
    for output in outputs.iter().filter(|output| !output.status.success()) {
        let error = text(&output.stderr);
        let is_busy = error.contains("process") && error.contains("writes the log");
        // Segments may go while the second one reads them.
        assert!(is_busy || error.contains("cannot be read"), "{error}");
    }
    log.intact();
}
