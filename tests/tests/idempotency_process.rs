//! Sends calls again to real processes: after a kill, on a full disk, with a damaged store, with two processes, at shutdown.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use candor::Revision;
use candor_tests::{
    http::{HttpRequest, HttpServer, modern},
    log,
    messages::{cancel, request},
    orders::{META_KEY, META_REASON, META_REPLAYED, read_effects},
    stdio_server::StdioServer,
    wait::wait_until,
};
use serde_json::{Value, json};

const ORDERS: &str = env!("CARGO_BIN_EXE_orders");
const KEY: &str = "0123456789abcdef";

/// A folder with the effects, the log and the keys of a server.
struct Site(tempfile::TempDir);

impl Site {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn effects(&self) -> Vec<String> {
        read_effects(&self.path("effects"))
    }

    /// The file of the keys.
    fn keys(&self) -> PathBuf {
        self.path("log.keys/keys.redb")
    }

    fn serve(&self) -> Command {
        let mut command = Command::new(ORDERS);
        command.env("ORDERS", self.path("effects")).arg("serve").arg("--audit").arg(self.path("log"));
        command
    }

    async fn start(&self) -> StdioServer {
        let mut server = StdioServer::start(self.serve());
        server.client.initialize(Revision::V2025_11_25).await;
        server
    }

    /// Runs `serve` until its stdin ends, at once.
    fn run(&self) -> Output {
        self.serve().stdin(Stdio::null()).output().unwrap()
    }
}

#[expect(clippy::needless_pass_by_value, reason = "a `json!` literal reads better without a `&`")]
fn keyed(id: &Value, key: &str, tool: &str, arguments: Value) -> String {
    request(id, "tools/call", json!({"name": tool, "arguments": arguments, "_meta": {META_KEY: key}}))
}

async fn order(server: &mut StdioServer, key: &str) -> Value {
    server.client.exchange(keyed(&json!(1), key, "order", json!({"item": key}))).await
}

fn reason(answer: &Value) -> Option<&str> {
    answer["result"]["_meta"][META_REASON].as_str()
}

fn is_replayed(answer: &Value) -> bool {
    answer["result"]["_meta"][META_REPLAYED] == true
}

#[tokio::test]
async fn next_process_replays_what_the_last_one_did() {
    let site = Site::new();
    let mut server = site.start().await;
    let first = order(&mut server, KEY).await;
    assert!(!is_replayed(&first), "{first}");
    server.close().await;
    let mut server = site.start().await;
    let again = order(&mut server, KEY).await;
    assert!(is_replayed(&again));
    assert_eq!(again["result"]["content"], first["result"]["content"]);
    let ended = server.close().await;
    assert_eq!(site.effects(), [KEY]);
    // Neither the store, the log nor stderr contains the key.
    for file in [site.keys(), log::segment(&site.path("log"), 1)] {
        let bytes = fs::read(&file).unwrap();
        let key = bytes.windows(KEY.len()).any(|window| window == KEY.as_bytes());
        assert_eq!(
            key,
            file == site.keys(),
            "the result, which names its item, is the only text: {}",
            file.display()
        );
    }
    assert!(!ended.stderr.contains(KEY), "{}", ended.stderr);
    assert!(ended.stderr.contains("keys: ") && ended.stderr.contains("log.keys"), "{}", ended.stderr);
}

#[tokio::test]
async fn audit_log_records_the_state_of_each_key() {
    let site = Site::new();
    let mut server = site.start().await;
    order(&mut server, KEY).await;
    order(&mut server, KEY).await;
    server.client.exchange(keyed(&json!(1), KEY, "put", json!({"item": "x"}))).await;
    server.close().await;
    let records = log::records(&site.path("log"));
    let hash = Command::new(ORDERS).args(["audit", "hash", KEY]).arg(site.path("log")).output().unwrap();
    let hash = String::from_utf8(hash.stdout).unwrap().trim().to_owned();
    let entries: Vec<_> = records
        .iter()
        .filter(|record| record["idempotency"].is_object())
        .map(|record| {
            assert_eq!(record["idempotency"]["key"], hash.as_str(), "{record}");
            (
                record["kind"].as_str().unwrap(),
                record["idempotency"]["state"].as_str().unwrap(),
                &record["idempotency"]["replayed"],
            )
        })
        .collect();
    assert_eq!(
        entries,
        [
            ("intent", "in_progress", &Value::Null),
            ("intent", "completed", &json!(true)),
            ("denied", "mismatch", &Value::Null)
        ]
    );
    let outcomes = records.iter().filter(|record| record["kind"] == "outcome").count();
    assert_eq!(outcomes, 2, "a replay has an outcome");
    let (code, report) = log::verified(ORDERS, &site.path("log"), &[]);
    assert_eq!((code, &report["intact"]), (Some(0), &json!(true)), "{report}");
}

#[tokio::test]
async fn killed_call_is_unknown_and_an_idempotent_one_runs_again() {
    let site = Site::new();
    let mut server = site.start().await;
    server.client.send(keyed(&json!(1), KEY, "order_slowly", json!({"item": "slow"}))).await;
    server.client.send(keyed(&json!(2), "put-0123456789abcdef", "put_slowly", json!({"item": "put"}))).await;
    wait_until(async || site.effects().len() == 2).await;
    server.process.signal("KILL");
    server.close().await;
    let mut server = site.start().await;
    // The next process knows at once that the attempt is dead.
    let answer = server.client.exchange(keyed(&json!(2), KEY, "order_slowly", json!({"item": "slow"}))).await;
    assert_eq!(reason(&answer), Some("idempotency_outcome_unknown"), "{answer}");
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    let intent = log::records(&site.path("log"))
        .into_iter()
        .find(|record| record["kind"] == "intent" && record["tool"] == "order_slowly")
        .unwrap();
    let call = intent["call_id"].as_str().unwrap();
    assert!(text.contains("began at 2") && text.contains(call) && text.contains("new key"), "{text}");
    // Another call under the key is told nothing of this one.
    let other = server.client.exchange(keyed(&json!(3), KEY, "order", json!({"item": "x"}))).await;
    assert_eq!(reason(&other), Some("idempotency_mismatch"), "{other}");
    // A call that may be repeated begins anew.
    server.client.send(keyed(&json!(4), "put-0123456789abcdef", "put_slowly", json!({"item": "put"}))).await;
    wait_until(async || site.effects().len() == 3).await;
    server.process.signal("KILL");
    server.close().await;
    let count = |item: &str| site.effects().iter().filter(|effect| *effect == item).count();
    assert_eq!((count("slow"), count("put")), (1, 2), "one never runs again, the other does");
}

#[tokio::test]
async fn call_that_its_client_cancels_is_finished_and_stored() {
    let site = Site::new();
    let mut server = site.start().await;
    // The client cancels, and closes its end: the process waits for the handler.
    server.client.send(keyed(&json!(1), KEY, "order_briefly", json!({"item": "brief"}))).await;
    server.client.send(cancel(&json!(1))).await;
    server.close().await;
    assert_eq!(site.effects(), ["begun brief", "done brief"]);
    let mut server = site.start().await;
    let again =
        server.client.exchange(keyed(&json!(2), KEY, "order_briefly", json!({"item": "brief"}))).await;
    assert!(is_replayed(&again), "{again}");
    server.close().await;
}

#[tokio::test]
async fn shutdown_waits_for_calls_whose_clients_are_gone() {
    let site = Site::new();
    let mut command = site.serve();
    command.args(["--http", "127.0.0.1:0"]);
    let mut server = HttpServer::start_command(command).await;
    let call = |key: &str| {
        let arguments = json!({"item": "brief"});
        modern("tools/call", json!({"name": "order_briefly", "arguments": arguments}))
            .with("mcp-name", "order_briefly")
            .with("idempotency-key", &format!("\"{key}\""))
    };
    let mut connection = server.connect().await;
    connection.send(&call(KEY).bytes(server.address)).await;
    wait_until(async || site.effects() == ["begun brief"]).await;
    drop(connection);
    server.process.signal("TERM");
    assert_eq!(server.wait().await.code(), Some(0));
    assert_eq!(site.effects(), ["begun brief", "done brief"]);
    let mut command = site.serve();
    command.args(["--http", "127.0.0.1:0"]);
    let server = HttpServer::start_command(command).await;
    let again = server.send(&call(KEY)).await.message();
    assert!(is_replayed(&again), "{again}");
}

#[tokio::test]
async fn second_process_refuses_keys_and_does_not_start_if_one_is_required() {
    let site = Site::new();
    let mut first = site.start().await;
    assert!(!is_replayed(&order(&mut first, KEY).await));
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
    let answer = order(&mut other, KEY).await;
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
    let site = Site::new();
    let mut server = site.start().await;
    for at in 0..20 {
        order(&mut server, &format!("{KEY}-{at}")).await;
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
    assert!(is_replayed(&order(&mut server, &format!("{KEY}-7")).await));
    server.close().await;
}

#[tokio::test]
async fn flipped_bytes_never_lead_to_a_second_effect_or_a_wrong_answer() {
    let site = Site::new();
    let mut server = site.start().await;
    let first = order(&mut server, KEY).await;
    server.close().await;
    let whole = fs::read(site.keys()).unwrap();
    // Bytes of the row itself, and of pages around it.
    let row = whole.windows(KEY.len()).rposition(|window| window == KEY.as_bytes()).unwrap();
    for at in (0..16).map(|step| row - 120 + 16 * step).chain((0..8).map(|step| 4_096 * step + 9)) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(site.keys(), &bytes).unwrap();
        let mut server = site.start().await;
        let answer = order(&mut server, KEY).await;
        let is_right = is_replayed(&answer) && answer["result"]["content"] == first["result"]["content"];
        assert!(is_right || reason(&answer) == Some("idempotency_unavailable"), "byte {at}: {answer}");
        server.close().await;
        assert_eq!(site.effects(), [KEY], "byte {at}");
    }
}

#[tokio::test]
async fn store_that_is_removed_refuses_keys_and_readiness() {
    let site = Site::new();
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
    let filler =
        PathBuf::from(format!("/proc/{}/root{}/filler", server.process.id(), folder.path().display()));
    fill(&filler);
    // Pages that are free already may take some more.
    let mut at = 0;
    let refused = loop {
        at += 1;
        let answer = send(&format!("{KEY}-{at}")).await;
        if answer["result"]["isError"] != false {
            break answer;
        }
        assert!(at < 5_000, "the disk does not fill up");
    };
    assert_eq!(reason(&refused), Some("idempotency_unavailable"), "{refused}");
    let (done, again) = (read_effects(&effects).len(), format!("{KEY}-{at}"));
    assert_eq!(reason(&send(&again).await), Some("idempotency_unavailable"));
    assert_eq!(read_effects(&effects).len(), done, "nothing runs without its key");
    assert_eq!(ready().await, 503);
    fs::remove_file(&filler).unwrap();
    // No call has to find out that there is room again.
    wait_until(async || ready().await == 200).await;
    assert!(is_replayed(&send(KEY).await));
    assert!(!is_replayed(&send(&again).await));
    assert!(is_replayed(&send(&again).await));
    assert_eq!(read_effects(&effects).len(), done + 1);
    fs::remove_file(effects).unwrap();
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
