//! Stores that cannot be used: on a full disk, damaged, removed, or taken by another process. No call runs without its key.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use candor::Revision;
use candor_tests::{
    http::{HttpRequest, HttpServer, modern},
    messages::request,
    orders::{KEY, META_KEY, read_effects},
    orders_site::{OrdersSite, is_replayed, order_under, reason},
    stdio_server::StdioServer,
    wait::wait_until,
};
use serde_json::json;

const ORDERS: &str = env!("CARGO_BIN_EXE_orders");

#[tokio::test]
async fn second_process_refuses_keys_and_does_not_start_if_one_is_required() {
    let folder = tempfile::tempdir().unwrap();
    let site = OrdersSite::new(ORDERS, folder.path());
    let mut first = site.start().await;
    assert!(!is_replayed(&order_under(&mut first, KEY).await));
    // The audit log is refused as well, so the second process has one of its own.
    let second = |more: &[&str]| {
        let mut command = Command::new(ORDERS);
        command.env("ORDERS", site.path("effects")).arg("serve").arg("--audit").arg(site.path("other"));
        command.args(more).arg("--keys").arg(site.path("log.keys"));
        command.stdin(Stdio::null());
        command
    };
    let refused = second(&[]).output().unwrap();
    let stderr = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{stderr}");
    assert!(
        stderr.contains("another process has the key store") && stderr.contains("--keys DIR"),
        "{stderr}"
    );
    // Without a name, a server without required keys serves, and refuses each key.
    fs::create_dir(site.path("state")).unwrap();
    let by_default = || {
        let mut command = Command::new(ORDERS);
        command.env("ORDERS", site.path("effects")).env("XDG_STATE_HOME", site.path("state")).arg("serve");
        command
    };
    let mut holder = StdioServer::start(by_default());
    holder.client.initialize(Revision::V2025_11_25).await;
    let mut other = StdioServer::start(by_default());
    other.client.initialize(Revision::V2025_11_25).await;
    let answer = order_under(&mut other, KEY).await;
    assert_eq!(reason(&answer), Some("idempotency_unavailable"), "{answer}");
    let unkeyed = other.client.call("order", json!({"item": "unkeyed"})).await;
    assert_eq!(unkeyed["result"]["isError"], false, "{unkeyed}");
    let list = other.client.exchange(request(&json!(9), "tools/list", json!({}))).await;
    assert!(!list.to_string().contains(META_KEY), "a key that is not honoured is not advertised: {list}");
    let required = by_default().env("ORDERS_REQUIRED", "1").stdin(Stdio::null()).output().unwrap();
    let stderr = String::from_utf8_lossy(&required.stderr);
    assert_eq!(required.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("`throw_away` requires an idempotency key"), "{stderr}");
    holder.close().await;
    other.close().await;
    first.close().await;
    assert_eq!(site.effects(), [KEY, "unkeyed"]);
}

#[tokio::test]
async fn damaged_store_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let site = OrdersSite::new(ORDERS, folder.path());
    let mut server = site.start().await;
    for at in 0..20 {
        order_under(&mut server, &format!("{KEY}-{at}")).await;
    }
    server.close().await;
    let whole = fs::read(site.keys()).unwrap();
    let refused = |bytes: &[u8], why: &str| {
        fs::write(site.keys(), bytes).unwrap();
        let output = site.run();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        // No tool of this server requires a key, so it serves, and says that keys are refused.
        assert!(stderr.contains("calls with an idempotency key are refused"), "{why}: {stderr}");
        assert!(stderr.contains("left as it is") && stderr.contains("help: "), "{why}: {stderr}");
        assert_eq!(fs::read(site.keys()).unwrap(), bytes, "{why}");
    };
    refused(b"", "empty");
    refused(b"not a store at all, but a text of some length", "a text");
    refused(&whole[..whole.len() / 2], "half of it");
    refused(&[&[0; 512][..], &whole[512..]].concat(), "no head");
    // Named, or required, it ends the start.
    let output = site.serve().arg("--keys").arg(site.path("log.keys")).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    fs::write(site.keys(), &whole).unwrap();
    let mut server = site.start().await;
    assert!(is_replayed(&order_under(&mut server, &format!("{KEY}-7")).await));
    server.close().await;
}

#[tokio::test]
async fn flipped_bytes_never_lead_to_a_second_effect_or_a_wrong_answer() {
    let folder = tempfile::tempdir().unwrap();
    let site = OrdersSite::new(ORDERS, folder.path());
    let mut server = site.start().await;
    let first = order_under(&mut server, KEY).await;
    server.close().await;
    let whole = fs::read(site.keys()).unwrap();
    // Bytes of the row itself, and of pages around it.
    let row = whole.windows(KEY.len()).rposition(|window| window == KEY.as_bytes()).unwrap();
    for at in (0..16).map(|step| row - 120 + 16 * step).chain((0..8).map(|step| 4_096 * step + 9)) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(site.keys(), &bytes).unwrap();
        let mut server = site.start().await;
        let answer = order_under(&mut server, KEY).await;
        let is_right = is_replayed(&answer) && answer["result"]["content"] == first["result"]["content"];
        assert!(is_right || reason(&answer) == Some("idempotency_unavailable"), "byte {at}: {answer}");
        server.close().await;
        assert_eq!(site.effects(), [KEY], "byte {at}");
    }
}

#[tokio::test]
async fn server_whose_store_is_damaged_is_not_ready() {
    let folder = tempfile::tempdir().unwrap();
    let site = OrdersSite::new(ORDERS, folder.path());
    assert!(site.run().status.success());
    fs::write(site.keys(), "not a store").unwrap();
    let mut command = site.serve();
    command.args(["--http", "127.0.0.1:0"]);
    let server = HttpServer::start_command(command).await;
    let answer = server.send(&HttpRequest::get("/readyz")).await;
    assert_eq!((answer.status, &answer.message()["failed"]), (503, &json!(["idempotency keys"])));
}

#[tokio::test]
async fn store_that_is_removed_refuses_keys_and_readiness() {
    let folder = tempfile::tempdir().unwrap();
    let site = OrdersSite::new(ORDERS, folder.path());
    let mut command = site.serve();
    command.args(["--http", "127.0.0.1:0"]);
    let server = HttpServer::start_command(command).await;
    let send = async |tool: &str, key: &str| {
        let params =
            json!({"name": tool, "arguments": if tool == "look" { json!({}) } else { json!({"item": key}) }});
        let call = modern("tools/call", params).with("mcp-name", tool);
        let call = if key.is_empty() { call } else { call.with("idempotency-key", key) };
        server.send(&call).await.message()
    };
    let ready = async || server.send(&HttpRequest::get("/readyz")).await;
    assert!(!is_replayed(&send("order", KEY).await));
    assert_eq!(ready().await.status, 200);
    fs::remove_dir_all(site.path("log.keys")).unwrap();
    let refused = send("order", "0123456789-other").await;
    assert_eq!(reason(&refused), Some("idempotency_unavailable"), "{refused}");
    let answer = ready().await;
    assert_eq!((answer.status, &answer.message()["failed"]), (503, &json!(["idempotency keys"])));
    // A read needs no store.
    assert_eq!(send("look", "").await["result"]["structuredContent"], 1);
    assert_eq!(site.effects(), [KEY]);
    assert!(server.stderr().contains("it was removed or replaced"), "{}", server.stderr());
}

#[tokio::test]
async fn full_disk_refuses_keys_until_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut command) = on_a_small_disk(folder.path()) else { return };
    let effects = folder.path().with_extension("effects");
    command.env("ORDERS", &effects);
    let server = HttpServer::start_command(command).await;
    let send = async |key: &str| {
        let params = json!({"name": "order", "arguments": {"item": key}});
        let call = modern("tools/call", params).with("mcp-name", "order").with("idempotency-key", key);
        server.send(&call).await.message()
    };
    let ready = async || server.send(&HttpRequest::get("/readyz")).await.status;
    assert!(!is_replayed(&send(KEY).await));
    assert_eq!(ready().await, 200);
    let inside = PathBuf::from(format!("/proc/{}/root{}", server.process.id(), folder.path().display()));
    let effects_of = |key: &str| read_effects(&effects).iter().filter(|effect| *effect == key).count();
    let (mut at, mut refused) = (0, None);
    // The file has pages that are free, and gives some back to the disk when it is opened again.
    while refused.is_none() {
        at += 1;
        assert!(at < 2_000, "the disk does not fill up");
        fill(&inside.join(format!("filler-{at}")));
        let key = format!("{KEY}-{at}");
        let answer = send(&key).await;
        if answer["result"]["isError"] == false {
            assert_eq!(effects_of(&key), 1);
        } else {
            assert_eq!(reason(&answer), Some("idempotency_unavailable"), "{answer}");
            assert_eq!(effects_of(&key), 0, "nothing runs without its key");
            refused = (ready().await == 503).then_some(key);
        }
    }
    let again = refused.expect("a call was refused");
    for filler in 1..=at {
        fs::remove_file(inside.join(format!("filler-{filler}"))).unwrap();
    }
    // No call has to find out that there is room again.
    wait_until(async || ready().await == 200).await;
    assert!(is_replayed(&send(KEY).await));
    assert!(!is_replayed(&send(&again).await));
    assert!(is_replayed(&send(&again).await));
    assert_eq!(effects_of(&again), 1);
    fs::remove_file(&effects).unwrap();
}

/// Returns a command that runs `orders serve` over HTTP with its keys on a file system of 4 MiB, which only this process sees
/// at `folder`. `None` if this machine does not allow that.
fn on_a_small_disk(folder: &Path) -> Option<Command> {
    let namespaces = ["--user", "--map-root-user", "--mount"];
    let mut mount = Command::new("unshare");
    mount.args(namespaces).args(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs"]);
    let mounts = mount.arg(folder).stderr(Stdio::null()).status();
    if !mounts.is_ok_and(|status| status.success()) {
        eprintln!(
            "SKIPPED: this machine does not let `unshare --user --mount` mount a tmpfs; the full disk was not tested"
        );
        return None;
    }
    let log = folder.with_extension("log");
    let mut command = Command::new("unshare");
    let script = "mount -t tmpfs -o size=4m,mode=700 tmpfs \"$0\" && exec \"$@\" --keys \"$0/keys\"";
    command.args(namespaces).args(["sh", "-c", script]).arg(folder);
    command.args([ORDERS, "serve", "--http", "127.0.0.1:0", "--audit"]).arg(log);
    Some(command)
}

/// Writes zeros until nothing is free.
fn fill(path: &Path) {
    use std::io::Write as _;

    let mut file = fs::File::create(path).unwrap();
    while file.write_all(&[0; 4_096]).is_ok() {}
}
