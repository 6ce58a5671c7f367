//! Tests the records of calls: an intent is committed before the handler runs, and an outcome before the answer.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use candor::{
    AuditLog, Revision, Server, Service, StartError, State, mcp_tool, testing::Client, testing::Disk, tools,
};
use candor_tests::{log, messages::request, raw_client::RawClient};
use serde_json::{Value, json};

#[derive(State)]
struct App {
    runs: Arc<AtomicUsize>,
}

/// Write something down.
#[mcp_tool(additive, closed_world, public)]
fn write_down(
    runs: &Arc<AtomicUsize>,
    /// The text.
    text: &str,
    /// A secret number.
    #[param(secret)]
    pin: u32,
) -> String {
    let _ = pin;
    runs.fetch_add(1, Ordering::Relaxed);
    format!("wrote {text}")
}

/// Read it.
#[mcp_tool(read_only, closed_world, public)]
fn read_it() -> u32 {
    7
}

fn build(folder: &Path, disk: &Disk, runs: &Arc<AtomicUsize>) -> Result<Service, StartError> {
    let server = Server::new("s", "1").state(App { runs: Arc::clone(runs) });
    server
        .tools(tools![write_down, read_it])
        .audit(AuditLog::at(folder.join("audit")).disk(disk.clone()))
        .build()
}

fn records(folder: &Path) -> Vec<Value> {
    log::records(&folder.join("audit"))
}

fn kinds(folder: &Path) -> Vec<String> {
    let kind = |record: &Value| {
        let event = record["event"].as_str();
        event.or(record["kind"].as_str()).unwrap().to_owned()
    };
    records(folder).iter().map(kind).collect()
}

const ARGUMENTS: &str = "MARK3R-text";

async fn writes(client: &Client) -> bool {
    client.call("write_down", json!({"text": ARGUMENTS, "pin": 987_654_321})).await.is_ok()
}

#[tokio::test]
async fn call_has_two_records_without_the_callers_text() {
    let (folder, runs) = (tempfile::tempdir().unwrap(), Arc::default());
    let service = build(folder.path(), &Disk::default(), &runs).unwrap();
    let mut wire = RawClient::initialized(service.clone()).await;
    let key = "MARK3R-key-0123456789";
    let mut ask = async |tool: &str, arguments: Value| {
        let params = json!({"name": tool, "_meta": {"io.github.candor-mcp/idempotency-key": key}, "arguments": arguments});
        wire.exchange(request(&json!(1), "tools/call", params)).await
    };
    ask("write_down", json!({"text": ARGUMENTS, "pin": 987_654_321})).await;
    ask("write_down", json!({"text": ["MARK3R"], "MARK3R": 1})).await;
    ask("MARK3R", json!({})).await;
    service.stop_audit();

    let records = records(folder.path());
    assert_eq!(
        kinds(folder.path()),
        ["segment", "start", "intent", "outcome", "denied", "denied", "stop"],
        "{records:?}"
    );
    let (intent, outcome) = (&records[2], &records[3]);
    assert_eq!(intent["call_id"], outcome["call_id"]);
    assert_eq!(intent["caller"], json!({"sub": "local", "client": "tests/0"}));
    assert_eq!(intent["protocol"], "2025-11-25");
    assert_eq!(outcome["outcome"]["status"], "ok");
    assert_eq!(records[4]["decision"]["denied_by"], "schema");
    assert_eq!(records[5]["decision"]["denied_by"], "unknown_tool");
    assert_eq!(records[6]["at_work"], 0);
    for entry in fs::read_dir(folder.path().join("audit")).unwrap() {
        let text = String::from_utf8_lossy(&fs::read(entry.unwrap().path()).unwrap()).into_owned();
        assert!(!text.contains("MARK3R") && !text.contains("987654321"), "{text}");
    }
}

#[tokio::test]
async fn failed_sync_refuses_writes_until_the_log_is_reopened() {
    let (folder, runs, disk) = (tempfile::tempdir().unwrap(), Arc::default(), Disk::faulty());
    let service = build(folder.path(), &disk, &runs).unwrap();
    let client = Client::to(service.clone(), Revision::V2025_11_25).await;
    assert!(writes(&client).await && service.audit_is_ready());
    disk.fail_syncs(true);
    let refused = client.call("write_down", json!({"text": "a", "pin": 1})).await.unwrap_err();
    assert!(refused.message.starts_with("internal error"), "{}", refused.message);
    disk.fail_syncs(false);
    assert!(!writes(&client).await && !service.audit_is_ready());
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    assert!(client.call("read_it", json!({})).await.is_ok());
    assert_eq!(kinds(folder.path()), ["segment", "start", "intent", "outcome"]);
    // The operator repaired the disk and reopens the log, which is still whole.
    service.reopen_audit();
    assert!(writes(&client).await && service.audit_is_ready());
    let mut after = kinds(folder.path()).split_off(4);
    assert_eq!(after[0], "reopened");
    // The read may be recorded now, or counted as left out.
    after.retain(|kind| ["intent", "outcome"].contains(&kind.as_str()));
    assert_eq!(after, ["intent", "outcome"]);
}

#[tokio::test]
async fn full_disk_refuses_writes_until_it_has_space() {
    let (folder, runs, disk) = (tempfile::tempdir().unwrap(), Arc::default(), Disk::faulty());
    let service = build(folder.path(), &disk, &runs).unwrap();
    let client = Client::to(service.clone(), Revision::V2025_11_25).await;
    disk.set_full(true);
    assert!(!writes(&client).await && !service.audit_is_ready());
    assert!(client.call("read_it", json!({})).await.is_ok());
    assert_eq!(runs.load(Ordering::Relaxed), 0);
    // The record of a denial is tried nevertheless, and leaves nothing behind when it fails in the middle.
    let length = fs::metadata(log::segment(&folder.path().join("audit"), 1)).unwrap().len();
    assert!(client.call("write_down", json!({"text": 7, "pin": 1})).await.unwrap().is_error);
    assert_eq!(fs::metadata(log::segment(&folder.path().join("audit"), 1)).unwrap().len(), length);
    disk.set_full(false);
    assert!(writes(&client).await && service.audit_is_ready());
    service.stop_audit();
    let kinds = kinds(folder.path());
    assert!(kinds.contains(&"left_out".to_owned()), "{kinds:?}");
    let outcome = |record: &&Value| record["kind"] == "outcome" && record["tool"] == "write_down";
    assert_eq!(records(folder.path()).iter().filter(outcome).count(), 1);
}

#[tokio::test]
async fn second_process_cannot_write_a_log() {
    let (folder, runs) = (tempfile::tempdir().unwrap(), Arc::default());
    let _first = build(folder.path(), &Disk::default(), &runs).unwrap();
    let Err(StartError::Audit(why)) = build(folder.path(), &Disk::default(), &runs) else {
        panic!("it starts")
    };
    assert!(why.fact().contains("another process"), "{why}");
}

#[test]
fn start_sets_a_torn_last_line_aside_and_rejects_every_changed_byte() {
    let (folder, runs) = (tempfile::tempdir().unwrap(), Arc::default());
    drop(build(folder.path(), &Disk::default(), &runs).unwrap());
    let path = log::segment(&folder.path().join("audit"), 1);
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() - 1 {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let started = build(folder.path(), &Disk::default(), &runs);
        assert!(matches!(started, Err(StartError::Audit(_))), "byte {at}");
    }
    fs::write(&path, [&whole[..], b"{\"v\":1,\"seq\":3,"].concat()).unwrap();
    drop(build(folder.path(), &Disk::default(), &runs).unwrap());
    assert_eq!(kinds(folder.path()), ["segment", "start", "stop", "recovered", "start", "stop"]);
    assert_eq!(fs::read(folder.path().join("audit/torn-before-3")).unwrap(), b"{\"v\":1,\"seq\":3,");
}

#[cfg(unix)]
#[test]
fn log_folder_cannot_be_a_link_a_file_or_writable_by_others() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    let (folder, runs) = (tempfile::tempdir().unwrap(), Arc::default());
    let path = folder.path().join("audit");
    let refused = || matches!(build(folder.path(), &Disk::default(), &runs), Err(StartError::Audit(_)));
    fs::write(&path, "").unwrap();
    assert!(refused());
    fs::remove_file(&path).unwrap();
    symlink(folder.path(), &path).unwrap();
    assert!(refused());
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(refused());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    assert!(!refused());
}

#[tokio::test]
async fn server_with_required_records_must_name_a_log_or_none() {
    let server = || Server::new("s", "1").state(App { runs: Arc::default() });
    let error = server().tools(tools![write_down, read_it]).build().err().unwrap();
    assert_eq!(error, StartError::Unaudited("write_down"));
    assert!(
        error.to_string().contains("`Server::audit`") && error.to_string().contains("`Server::unaudited`")
    );
    assert!(server().tools(tools![write_down, read_it]).unaudited().build().is_ok());
    assert!(
        server().tools(tools![write_down, read_it]).read_only().build().is_ok(),
        "not one tool with required records is left"
    );
    // A test's client says so by itself.
    assert!(writes(&Client::of(server().tools(tools![write_down])).await).await);
    let manifest = |server: Server<App>| server.tools(tools![write_down]).manifest().unwrap();
    assert!(manifest(server()).contains("\"audit\": [\n          \"runtime\"\n        ]"));
    assert!(manifest(server().unaudited()).contains("\"audit\": []"));
}
