//! Runs a real server on a full disk, in unsuitable folders, and on a log that another process changes.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use candor::Revision;
use candor_tests::{
    http::{HttpRequest, HttpServer, call},
    log,
    stdio_server::StdioServer,
    wait::wait_until,
};
use serde_json::{Value, json};

const LEDGER: &str = env!("CARGO_BIN_EXE_ledger");

fn ledger(log: &Path) -> Command {
    let mut command = Command::new(LEDGER);
    command.args(["serve", "--audit"]).arg(log);
    command
}

async fn enter(process: &mut StdioServer, n: u64) -> Value {
    process.client.call("enter", json!({"n": n})).await
}

fn is_done(answer: &Value) -> bool {
    answer["result"]["structuredContent"].is_object()
}

/// Checks that the answer is the plain internal error, which does not mention the log.
fn is_refused(answer: &Value) {
    assert_eq!(answer["error"]["code"], -32603, "{answer}");
    let message = "internal error: the call did not run\nhelp: the server's log says why";
    assert_eq!(answer["error"]["message"], message, "{answer}");
    assert_eq!(answer["error"]["data"], json!({"reason": "not_run"}), "{answer}");
}

/// Tries until it is so: a disk is asked again twice a second.
async fn until(process: &mut StdioServer, n: u64, done: bool) -> Value {
    let start = Instant::now();
    loop {
        let answer = enter(process, n).await;
        if is_done(&answer) == done {
            return answer;
        }
        assert!(start.elapsed() < Duration::from_secs(15), "{answer}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Returns a command that runs `ledger serve` on a file system of 4 MiB, which only this process sees at `folder`. `None` if
/// this machine does not allow that.
fn on_a_small_disk(folder: &Path, flags: &[&str]) -> Option<Command> {
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
    let mut command = Command::new("unshare");
    let script = "mount -t tmpfs -o size=4m,mode=700 tmpfs \"$0\" && exec \"$@\" --audit \"$0/log\"";
    command.args(namespaces).args(["sh", "-c", script]).arg(folder);
    command.args([LEDGER, "serve"]).args(flags);
    Some(command)
}

/// Returns the folder as the process sees it.
fn inside(process: u32, folder: &Path) -> PathBuf {
    PathBuf::from(format!("/proc/{process}/root{}", folder.display()))
}

#[tokio::test]
async fn full_disk_refuses_writes_and_loses_no_record() {
    let folder = tempfile::tempdir().unwrap();
    let Some(command) = on_a_small_disk(folder.path(), &[]) else { return };
    let mut process = StdioServer::start(command);
    process.client.initialize(Revision::V2025_11_25).await;
    assert!(is_done(&enter(&mut process, 0).await));
    let inside = inside(process.process.id(), folder.path());
    let filler = inside.join("filler");
    for (round, free) in [(1, 100_000), (2, 0)] {
        fill(&filler, free);
        is_refused(&until(&mut process, round * 100, false).await);
        for n in 1..20 {
            is_refused(&enter(&mut process, round * 100 + n).await);
        }
        let look = process.client.call("look", json!({"n": 3})).await;
        assert!(is_done(&look), "a read need not be recorded: {look}");
        fs::remove_file(&filler).unwrap();
        assert!(is_done(&until(&mut process, round * 100 + 50, true).await));
    }
    let log = folder.path().join("copy");
    let copied = Command::new("cp").arg("-r").arg(inside.join("log")).arg(&log).status().unwrap();
    assert!(copied.success());
    let (code, report) = log::verified(LEDGER, &log, &[]);
    assert_eq!((code, &report["intact"]), (Some(0), &json!(true)), "{report}");
    assert!(report["left_out"].as_u64() >= Some(40), "{report}");
    let text = fs::read_to_string(log::segment(&log, 1)).unwrap();
    for n in [0, 150, 250] {
        assert!(text.contains(&format!("\"n\":{n}}}")), "{n} was acknowledged");
    }
    assert!(!text.contains("\"n\":101}"), "what was refused did not run");
    let ended = process.close().await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("almost full") && ended.stderr.contains("space again"), "{}", ended.stderr);
}

#[tokio::test]
async fn server_is_not_ready_while_its_log_takes_no_records() {
    let folder = tempfile::tempdir().unwrap();
    let Some(command) = on_a_small_disk(folder.path(), &["--http", "127.0.0.1:0"]) else { return };
    let mut site = HttpServer::start_command(command).await;
    let enter = async |n: u64| site.send(&call("enter", json!({"n": n}))).await.message();
    let ready = async || {
        let answer = site.send(&HttpRequest::get("/readyz")).await;
        (answer.status, answer.message())
    };
    let is_ready = (200, json!({"ready": true, "failed": []}));
    let filler = inside(site.process.id(), folder.path()).join("filler");
    for round in [10, 20] {
        assert_eq!(enter(round).await["result"]["structuredContent"], round);
        assert_eq!(ready().await, is_ready);
        fill(&filler, 0);
        is_refused(&enter(round + 1).await);
        assert_eq!(ready().await, (503, json!({"ready": false, "failed": ["audit log"]})));
        assert_eq!(site.send(&HttpRequest::get("/livez")).await.status, 200);
        fs::remove_file(&filler).unwrap();
        // No call has to find out that there is room again.
        wait_until(async || ready().await == is_ready).await;
    }
    // A segment was replaced, and SIGHUP does not make the log trusted again.
    let segment = log::segment(&inside(site.process.id(), folder.path()).join("log"), 1);
    let whole = fs::read(&segment).unwrap();
    fs::remove_file(&segment).unwrap();
    fs::write(&segment, whole).unwrap();
    is_refused(&enter(30).await);
    assert_eq!(ready().await.0, 503);
    site.process.signal("HUP");
    let said = || site.stderr().contains("cannot be reopened");
    wait_until(async || ready().await.0 == 503 && said()).await;
    site.process.signal("TERM");
    assert_eq!(site.wait().await.code(), Some(0));
}

/// Writes zeros until at most `free` bytes are free.
fn fill(path: &Path, free: u64) {
    use std::io::Write as _;

    let mut file = fs::File::create(path).unwrap();
    loop {
        let stat = rustix::fs::statvfs(path.parent().unwrap()).unwrap();
        if stat.f_bavail * stat.f_frsize <= free || file.write_all(&[0; 4_096]).is_err() {
            break;
        }
    }
}

#[tokio::test]
async fn replaced_or_shortened_log_is_refused_also_after_sighup() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let segment = log::segment(&log, 1);
    let mut process = StdioServer::start(ledger(&log));
    process.client.initialize(Revision::V2025_11_25).await;
    assert!(is_done(&enter(&mut process, 1).await));
    process.process.signal("HUP");
    wait_until(async || fs::read_to_string(&segment).unwrap().contains("\"event\":\"reopened\"")).await;
    assert!(is_done(&enter(&mut process, 2).await), "a hangup ends nothing");
    let whole = fs::read(&segment).unwrap();
    // Shortened while the server runs.
    let file = fs::OpenOptions::new().write(true).open(&segment).unwrap();
    file.set_len(whole.len() as u64 - 10).unwrap();
    is_refused(&enter(&mut process, 3).await);
    process.process.signal("HUP");
    wait_until(async || process.stderr().contains("bytes, and")).await;
    is_refused(&enter(&mut process, 4).await);
    // Replaced by a copy, byte for byte.
    fs::remove_file(&segment).unwrap();
    fs::write(&segment, &whole).unwrap();
    process.process.signal("HUP");
    wait_until(async || process.stderr().contains("was replaced")).await;
    is_refused(&enter(&mut process, 5).await);
    process.close().await;
    assert!(!fs::read_to_string(&segment).unwrap().contains("\"n\":3}"));
}

#[tokio::test]
async fn bytes_that_another_process_appended_survive_every_sighup() {
    use std::io::Write as _;

    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let segment = log::segment(&log, 1);
    for appended in ["a line\n", "the beginning of a line"] {
        let mut process = StdioServer::start(ledger(&log));
        process.client.initialize(Revision::V2025_11_25).await;
        assert!(is_done(&enter(&mut process, 1).await));
        let before = fs::read(&segment).unwrap();
        fs::OpenOptions::new().append(true).open(&segment).unwrap().write_all(appended.as_bytes()).unwrap();
        let whole = [&before[..], appended.as_bytes()].concat();
        for hangups in 1..4 {
            is_refused(&enter(&mut process, 2).await);
            process.process.signal("HUP");
            let stderr = || process.stderr();
            wait_until(async || stderr().matches("cannot be reopened").count() == hangups).await;
            assert_eq!(fs::read(&segment).unwrap(), whole, "{appended:?} after {hangups} signals");
        }
        let ended = process.close().await;
        assert!(ended.stderr.contains("bytes that this process did not write"), "{}", ended.stderr);
        assert_eq!(fs::read(&segment).unwrap(), whole);
        if appended.ends_with('\n') {
            assert_eq!(log::verified(LEDGER, &log, &[]).0, Some(1));
            fs::remove_dir_all(&log).unwrap();
        } else {
            // A start cannot tell it from a line that a crash cut off, and keeps it with a record.
            StdioServer::start(ledger(&log)).close().await;
            let records = log::records(&log);
            assert!(records.iter().any(|record| record["set_aside"] == appended.len()), "{records:?}");
        }
    }
}

#[tokio::test]
async fn second_writer_is_refused_although_the_lock_file_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut process = StdioServer::start(ledger(&log));
    process.client.initialize(Revision::V2025_11_25).await;
    assert!(is_done(&enter(&mut process, 1).await));
    for replaced in [false, true] {
        let _ = fs::remove_file(log.join("lock"));
        if replaced {
            fs::write(log.join("lock"), "").unwrap();
        }
        let second = finish(ledger(&log));
        let stderr = String::from_utf8_lossy(&second.stderr);
        assert_eq!(second.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains("another process"), "{stderr}");
        assert_eq!(log::verified(LEDGER, &log, &[]).1["is_written"], true);
    }
    assert!(is_done(&enter(&mut process, 2).await));
    process.close().await;
    assert!(finish(ledger(&log)).status.success());
}

#[test]
fn start_names_an_unsuitable_folder_and_the_flag() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let refused = |why: &str| {
        let output = ledger(&path).stdin(Stdio::null()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(why) && stderr.contains("`--audit DIR`"), "{why}: {stderr}");
    };
    fs::write(&path, "").unwrap();
    refused("is not a folder");
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(folder.path(), &path).unwrap();
    refused("is a symbolic link");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
    refused("other users can write in it");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&path, Some(12_345), None).unwrap();
        refused("belongs to another user (uid 12345)");
    } else {
        eprintln!(
            "SKIPPED: only root can change the owner of a folder; the folder of another user was not tested"
        );
    }
}

/// Runs a command to its end, and fails if it hangs.
fn finish(mut command: Command) -> Output {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > Duration::from_secs(15) {
            child.kill().unwrap();
            panic!("{command:?} hangs");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}

#[test]
fn pipe_folder_or_device_in_place_of_a_file_of_the_log_hangs_no_command() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let audit = |arguments: &[&str]| {
        let mut command = Command::new(LEDGER);
        command.arg("audit").args(arguments).arg(&log);
        command
    };
    assert!(finish(audit(&["key", "new"])).status.success());
    assert!(finish(ledger(&log)).status.success());
    let kept = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let kept = kept.map(|name| name.into_string().unwrap()).find(|name| name.contains(".signed-"));
    let kept = kept.expect("the last checkpoint is kept beside the key");
    let names = [
        "log/segment-00000001.jsonl",
        "log/checkpoints",
        "log/lock",
        "log.redaction-key",
        "log.signing-key",
        "log.signing-key.pub",
        &kept,
    ];
    let pipe = |path: &Path| {
        rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
    };
    let device = |path: &Path| std::os::unix::fs::symlink("/dev/tty", path).unwrap();
    let other_kinds: [&dyn Fn(&Path); 3] = [&pipe, &|path| fs::create_dir(path).unwrap(), &device];
    for name in names {
        let path = folder.path().join(name);
        let aside = folder.path().join("aside");
        for replace in other_kinds {
            fs::rename(&path, &aside).unwrap();
            replace(&path);
            let started = finish(ledger(&log));
            let stderr = String::from_utf8_lossy(&started.stderr).into_owned();
            // The server has no use for the verifier key.
            let refused = if name == "log.signing-key.pub" { Some(0) } else { Some(2) };
            assert_eq!(started.status.code(), refused, "{name}: {stderr}");
            for command in [&["verify"][..], &["show"], &["hash", "x"]] {
                finish(audit(command));
            }
            let _ = fs::remove_dir(&path).or_else(|_| fs::remove_file(&path));
            fs::rename(&aside, &path).unwrap();
        }
    }
    assert!(finish(ledger(&log)).status.success());
}

#[test]
fn log_of_a_hundred_thousand_segments_can_be_opened_verified_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    candor_tests::forged_log::log(&log, 100_000);
    let start = Instant::now();
    let (code, report) = log::verified(LEDGER, &log, &[]);
    assert_eq!(
        (code, &report["segments"], &report["records"]),
        (Some(0), &json!(100_000), &json!(100_000)),
        "{report}"
    );
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    let shown = Command::new(LEDGER).args(["audit", "show", "--json"]).arg(&log).output().unwrap();
    assert_eq!(String::from_utf8(shown.stdout).unwrap().lines().count(), 100_000);
    let served = ledger(&log).stdin(Stdio::null()).output().unwrap();
    assert_eq!(served.status.code(), Some(0), "{}", String::from_utf8_lossy(&served.stderr));
}

#[test]
fn start_without_a_free_descriptor_names_the_limit_to_raise() {
    let folder = tempfile::tempdir().unwrap();
    // Enough to load the program, and too few for a log.
    let script = format!("ulimit -n 7; exec {LEDGER} serve --audit \"$1\"");
    let mut command = Command::new("sh");
    let output = command.args(["-c", &script, "sh"]).arg(folder.path().join("log")).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("os error 24") && stderr.contains("`ulimit -n 4096`"), "{stderr}");
}
