//! Lets a running server remove old records from its log.

use std::{
    fs,
    path::Path,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, SystemTime},
};

use candor::{
    AuditLog, Revision, Server, Service, mcp_tool,
    testing::{Client, Clock, Disk},
    tools,
};
use candor_tests::{
    ledger_log::{TestLog, segments, text},
    log::{self, segment},
    stdio_server::StdioServer,
    wait::wait_until,
};
use serde_json::json;

const LEDGER: &str = env!("CARGO_BIN_EXE_ledger");
const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn log_that_a_server_writes_is_not_pruned_by_another_process() {
    let log = TestLog::new(LEDGER, 4);
    let before = log.segments();
    let mut server = StdioServer::start(log.command(&["serve"], &[]));
    server.client.initialize(Revision::V2025_11_25).await;
    let output = log.prune(91, &[]);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(
        error.contains("a process writes the log") && error.contains("serve --audit-retention 90d"),
        "{error}"
    );
    assert_eq!(log.segments()[..before.len()], before);
    server.close().await;
    // The server does it itself.
    let days = [("LEDGER_DAYS", "91")];
    let mut server = StdioServer::start(log.command(&["serve", "--audit-retention", "90d"], &days));
    server.client.initialize(Revision::V2025_11_25).await;
    wait_until(async || log.segments()[0] > 3).await;
    server.close().await;
    let report = log.intact();
    assert!(report["removed"]["by"].as_str().unwrap().starts_with("the server, uid "), "{report}");
}

/// Lets the tool `hold` answer.
static RELEASED: AtomicBool = AtomicBool::new(false);

/// Enter a number.
#[mcp_tool(additive, closed_world, public)]
fn enter(
    /// The number.
    n: u32,
) -> u32 {
    n
}

/// Answer when the test lets it.
#[mcp_tool(additive, closed_world, public)]
async fn hold() -> u32 {
    wait_until(async || RELEASED.load(Ordering::SeqCst)).await;
    1
}

/// A clock that shows the system's time.
fn clock() -> Clock {
    let clock = Clock::manual();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    clock.advance(now.saturating_sub(clock.since_1970()));
    clock
}

fn service(log: &Path, clock: &Clock, disk: &Disk) -> Service {
    let log = AuditLog::at(log).segment_bytes(4_000).disk(disk.clone()).quiet();
    let server = Server::new("s", "1").tools(tools![enter, hold]).audit(log).clock(clock.clone());
    server.audit_retention(90 * DAY).build().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn running_server_removes_old_records_daily_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let output = Command::new(LEDGER).args(["audit", "key", "new"]).arg(&path).output().unwrap();
    assert!(output.status.success());
    let (clock, disk) = (clock(), Disk::faulty());
    let service = service(&path, &clock, &disk);
    let client = Client::to(service.clone(), Revision::V2025_11_25).await;
    let held = Client::to(service.clone(), Revision::V2025_11_25).await;
    let held = tokio::spawn(async move { held.call("hold", json!({})).await });
    wait_until(async || fs::read_to_string(segment(&path, 1)).is_ok_and(|text| text.contains("\"hold\"")))
        .await;
    for n in 0..20 {
        client.call("enter", json!({"n": n})).await.unwrap();
    }
    assert!(segments(&path).len() > 4);
    clock.advance(89 * DAY);
    client.call("enter", json!({"n": 20})).await.unwrap();
    assert_eq!(segments(&path)[0], 1);
    clock.advance(3 * DAY);
    wait_until(async || segments(&path)[0] > 4).await;
    // The outcome follows of a call whose intent was removed.
    RELEASED.store(true, Ordering::SeqCst);
    held.await.unwrap().unwrap();
    for n in 0..20 {
        client.call("enter", json!({"n": n})).await.unwrap();
    }
    let verified = || log::verified(LEDGER, &path, &[]);
    let (code, report) = verified();
    assert_eq!((code, &report["removed"]["signed"]), (Some(0), &json!(true)), "{report}");
    // A segment with few records is closed after a day, so that they grow old.
    let last = *segments(&path).last().unwrap();
    for _ in 0..95 {
        clock.advance(DAY);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    wait_until(async || segments(&path)[0] > last).await;
    client.call("enter", json!({"n": 1})).await.unwrap();
    let (code, report) = verified();
    assert_eq!(code, Some(0), "{report}");
    service.stop_audit();
    let (code, report) = verified();
    assert_eq!((code, &report["stopped"]), (Some(0), &json!(true)), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn removal_that_fails_is_tried_again_a_day_later() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let (clock, disk) = (clock(), Disk::faulty());
    let service = service(&path, &clock, &disk);
    let client = Client::to(service.clone(), Revision::V2025_11_25).await;
    for n in 0..20 {
        client.call("enter", json!({"n": n})).await.unwrap();
    }
    let before = segments(&path);
    disk.set_full(true);
    clock.advance(92 * DAY);
    // A call is refused while the disk is full; the log is as it was.
    wait_until(async || client.call("enter", json!({"n": 1})).await.is_err()).await;
    assert_eq!(segments(&path)[..before.len()], before);
    disk.set_full(false);
    wait_until(async || client.call("enter", json!({"n": 1})).await.is_ok()).await;
    clock.advance(2 * DAY);
    wait_until(async || segments(&path)[0] > 3).await;
    service.stop_audit();
    let (code, report) = log::verified(LEDGER, &path, &[]);
    assert_eq!((code, &report["removed"]["signed"]), (Some(0), &json!(false)), "{report}");
}

#[test]
fn retention_of_less_than_a_day_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::new("s", "1").tools(tools![enter]).audit(AuditLog::at(folder.path().join("log")));
    let error = server.audit_retention(DAY / 2).build().err().expect("it is too short").to_string();
    assert!(error.contains("at least one day"), "{error}");
}
