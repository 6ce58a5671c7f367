//! `stats` sums up the calls of an audit log, and names the tool that changed, since when and by how much.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use candor_tests::{
    forged_log,
    ledger_log::TestLog,
    log::{segment, verified},
    usage_log::{self, thirty_days},
};
use serde_json::Value;

const LEDGER: &str = env!("CARGO_BIN_EXE_ledger");

fn stats(log: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(LEDGER);
    command.args(["stats", "--audit"]).arg(log).args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json(log: &Path, arguments: &[&str]) -> Value {
    let output = stats(log, &[&["--format", "json"], arguments].concat());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)))
}

#[test]
fn changed_tool_is_named_with_the_day_and_the_size_of_the_change() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit");
    usage_log::write(&log, thirty_days(100_000));
    let (code, report) = verified(LEDGER, &log, &[]);
    assert_eq!(code, Some(0), "{report}");

    let finding = "bulk_export: p95 2.0× since 2026-11-20, errors 0.2 % → 4.9 %";
    let output = stats(&log, &[]);
    let table = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let findings: Vec<&str> = table.lines().filter(|line| line.starts_with('!')).collect();
    assert_eq!(findings, [format!("! {finding}")]);
    assert!(!table.contains('\u{1b}'), "colours are for terminals");
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    // The tool that changed is the first one.
    let rows = table.lines().skip_while(|line| !line.starts_with("TOOL"));
    assert!(rows.skip(1).collect::<String>().starts_with("bulk_export "), "{table}");

    let report = json(&log, &[]);
    let tools = report["tools"].as_array().unwrap();
    assert_eq!(tools.len(), 6);
    let changed: Vec<&Value> = tools.iter().filter(|tool| !tool["change"].is_null()).collect();
    let [bulk_export] = &changed[..] else { panic!("{changed:?}") };
    assert_eq!(bulk_export["tool"], "bulk_export");
    assert_eq!(bulk_export["change"]["latency"]["since"], "2026-11-20");
    assert_eq!(bulk_export["change"]["errors"]["since"], "2026-11-20");
    assert_eq!(report["step"], "day");
    assert_eq!(bulk_export["trend"].as_array().unwrap().len(), 30);
    let sum = |member: &str| tools.iter().map(|tool| tool[member].as_u64().unwrap()).sum::<u64>();
    assert_eq!(report["calls"].as_u64().unwrap() + report["denied"].as_u64().unwrap(), 100_000);
    assert_eq!(
        [sum("calls"), sum("errors"), sum("denied")].map(Value::from),
        [&report["calls"], &report["errors"], &report["denied"]].map(Value::clone)
    );

    let page = folder.path().join("stats.html");
    assert_eq!(stats(&log, &["--html", page.to_str().unwrap()]).status.code(), Some(0));
    let page = fs::read_to_string(page).unwrap();
    let page = page.replace("<span class=\"date\">", "").replace("</span>", "");
    assert!(page.contains(&format!("<strong><bdi>bulk_export</bdi></strong> {}", &finding[13..])), "{page}");
    assert_eq!(page.matches("class=\"worse\"><strong>").count(), 1);
    assert!(page.contains(">since 2026-11-20</text>") && !page.contains("<script"));
}

#[test]
fn calls_are_chosen_by_time_and_tool() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit");
    usage_log::write(&log, thirty_days(5_000));
    let all = json(&log, &[]);
    let split = "2026-11-10T00:00:00Z";
    let (early, late) = (json(&log, &["--until", split]), json(&log, &["--since", split]));
    let calls = |report: &Value| report["calls"].as_u64().unwrap();
    assert_eq!(calls(&early) + calls(&late), calls(&all));
    assert!(calls(&early) > 1_000 && late["first"].as_str() >= Some(split), "{late}");
    let one = json(&log, &["--tool", "set_alert"]);
    assert_eq!(one["tools"].as_array().unwrap().len(), 1);
    let nothing = text(&stats(&log, &["--since", "2030-01-01T00:00:00Z"]).stdout);
    assert!(nothing.contains("0 calls") && nothing.contains("no call in this period"), "{nothing}");
    let swapped = stats(&log, &["--since", "1h", "--until", "2h"]);
    assert_eq!(swapped.status.code(), Some(2));
}

#[test]
fn damaged_log_is_summed_up_and_its_faults_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit");
    usage_log::write(&log, thirty_days(20_000));
    let calls = |log: &Path| json(log, &[])["calls"].as_u64().unwrap();
    let whole = calls(&log);

    // A line that a crash has torn is not a fault: it is the last one.
    let last =
        (1..1_000).map(|number| segment(&log, number)).take_while(|path| path.exists()).last().unwrap();
    assert!(last != segment(&log, 1) && last != segment(&log, 2), "the log has several segments");
    let append =
        |text: &str| OpenOptions::new().append(true).open(&last).unwrap().write_all(text.as_bytes()).unwrap();
    append("{\"v\":2,\"seq\":");
    let output = stats(&log, &[]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stderr).contains("the last line of the log is not complete"));
    append(
        "\nnot a record\n{\"v\":1,\"seq\":99999999,\"ts\":\"2026-11-29T00:00:00.000000Z\",\"kind\":\"tea\"}\n",
    );
    fs::remove_file(segment(&log, 2)).unwrap();
    let output = stats(&log, &[]);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    for fault in [
        "2 lines are not records",
        "records are missing between others",
        "1 records are of a kind",
        "`audit verify`",
    ] {
        assert!(stderr.contains(fault), "{stderr}");
    }
    assert!((whole / 4..whole).contains(&calls(&log)), "the other segments are counted");
}

#[test]
fn log_whose_beginning_was_removed_by_hand_is_told_from_one_that_retention_cut() {
    let log = TestLog::new(LEDGER, 6);
    assert!(log.pruned(91).contains("removed records 0 to "));
    (6..9).for_each(|n| log.call(n));
    let output = stats(&log.log, &[]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
    let table = text(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(table.contains("earlier ones were removed by retention, which it records"), "{table}");
    let report = json(&log.log, &[]);
    let removed = report["log"]["removed_records"].as_u64().unwrap();
    assert!(removed > 5 && report["log"]["missing_records"] == 0, "{report}");

    let first = log.segments()[0];
    fs::remove_file(segment(&log.log, first)).unwrap();
    let output = stats(&log.log, &[]);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains("records are missing at the beginning, and their removal is not recorded"),
        "{stderr}"
    );
    let report = json(&log.log, &[]);
    assert_eq!(report["log"]["removed_records"], removed, "{report}");
    assert!(report["log"]["missing_records"].as_u64() > Some(0), "{report}");
}

#[test]
fn table_into_a_pipe_that_closes_is_not_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit");
    usage_log::write(&log, thirty_days(1_000));
    for arguments in [&["--format", "json"][..], &[], &["--follow"]] {
        let mut command = Command::new(LEDGER);
        command.args(["stats", "--audit"]).arg(&log).args(arguments).stdin(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()), "{arguments:?}");
    }
}

#[test]
fn folder_without_a_log_is_an_error_and_a_log_without_calls_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let output = stats(folder.path(), &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).starts_with("error: found no audit log in `"), "{}", text(&output.stderr));
    assert_eq!(stats(&folder.path().join("missing"), &[]).status.code(), Some(2));
    let file = folder.path().join("file");
    fs::write(&file, "x").unwrap();
    let output = stats(&file, &[]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));

    let log = folder.path().join("audit");
    forged_log::log(&log, 1);
    let output = stats(&log, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("0 calls"), "{}", text(&output.stdout));
}

#[test]
fn followed_log_is_shown_again_until_nothing_reads_it() {
    use std::io::{BufRead as _, BufReader};

    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit");
    usage_log::write(&log, thirty_days(1_000));
    let mut command = Command::new(LEDGER);
    command.args(["stats", "--follow", "--format", "json", "--audit"]).arg(&log);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut calls =
        || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap()["calls"].as_u64().unwrap();
    let before = calls();
    let record = r#"{"v":2,"seq":999999,"ts":"2026-11-30T00:00:00.000000Z","kind":"read","context":1,"tool":"x","us":7}"#;
    let last = segment(&log, 1);
    writeln!(OpenOptions::new().append(true).open(last).unwrap(), "{record}").unwrap();
    while calls() != before + 1 {}
    drop(lines);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
