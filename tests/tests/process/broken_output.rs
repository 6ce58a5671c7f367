//! Output that cannot be written: the server keeps serving without stderr, and a command without stdout fails.

use std::{
    fs::{File, OpenOptions},
    io::{BufRead as _, BufReader, Write as _},
    net::SocketAddr,
    os::fd::OwnedFd,
    process::{Command, Stdio},
    time::Duration,
};

use candor_tests::{
    http::{HttpConnection, call, write_token_file},
    messages::{initialize, modern},
    wait::wait_until,
};
use rustix::{
    pipe::{PipeFlags, pipe_with},
    process::{Pid, Signal, kill_process},
};
use serde_json::json;

fn full_device() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").expect("Linux has it").into()
}

/// A pipe without a reader.
fn closed_pipe() -> Stdio {
    let (_, writer) = std::io::pipe().unwrap();
    writer.into()
}

/// A pipe whose reader never reads, filled to its capacity. The reader must outlive the test.
fn full_pipe() -> (OwnedFd, Stdio) {
    let (reader, writer) = pipe_with(PipeFlags::NONBLOCK).unwrap();
    let mut writer = File::from(writer);
    while writer.write(&[b'.'; 4096]).is_ok() {}
    rustix::io::ioctl_fionbio(&writer, false).unwrap();
    (reader, writer.into())
}

#[test]
fn stdio_server_says_why_its_first_answer_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_fixture"));
    command.args(["serve", "--quiet"]).env("XDG_STATE_HOME", folder.path());
    command.stdin(Stdio::piped()).stdout(full_device()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(format!("{}\n", initialize("2025-11-25")).as_bytes()).unwrap();
    let ended = child.wait_with_output().unwrap();
    let expected = "error: the connection broke: No space left on device (os error 28)\n";
    assert_eq!((ended.status.code(), String::from_utf8(ended.stderr).unwrap().as_str()), (Some(2), expected));
    drop(stdin);
}

#[test]
fn stdio_server_answers_without_a_usable_stderr() {
    let folder = tempfile::tempdir().unwrap();
    let (_reader, full_pipe) = full_pipe();
    for (name, stderr) in
        [("full device", full_device()), ("closed pipe", closed_pipe()), ("full pipe", full_pipe)]
    {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fixture"));
        command.arg("serve").env("XDG_STATE_HOME", folder.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr);
        let mut child = command.spawn().unwrap();
        let request = modern(&json!(1), "2026-07-28", "tools/list", json!({}));
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(format!("{request}\n").as_bytes()).unwrap();
        let mut answer = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut answer).unwrap();
        assert!(answer.contains("\"tools\":["), "{name}: {answer}");
        drop(stdin);
        assert_eq!(child.wait().unwrap().code(), Some(0), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http_server_hears_signals_and_stops_without_a_usable_stderr() {
    let folder = tempfile::tempdir().unwrap();
    let file = write_token_file(folder.path(), &[("key", "ada", "x")]);
    let (_reader, full_pipe) = full_pipe();
    for (name, stderr) in
        [("full device", full_device()), ("closed pipe", closed_pipe()), ("full pipe", full_pipe)]
    {
        let address = free_address();
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_fixture"));
        command.args(["serve", "--tokens", &file, "--http", &address.to_string()]);
        command.env("XDG_STATE_HOME", folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let process = Pid::from_raw(child.id().unwrap().try_into().unwrap()).unwrap();
        wait_until(async || tokio::net::TcpStream::connect(address).await.is_ok()).await;
        for _ in 0..3 {
            // A reload prints a line on stderr.
            kill_process(process, Signal::HUP).unwrap();
            let mut connection = HttpConnection::open(address).await;
            let add = call("add", json!({"a": 1, "b": 2})).bearer("key");
            connection.send(&add.bytes(address)).await;
            assert_eq!(connection.response().await.unwrap().status, 200, "{name}");
        }
        kill_process(process, Signal::TERM).unwrap();
        let status = tokio::time::timeout(Duration::from_secs(20), child.wait()).await;
        assert_eq!(status.expect("it stops").unwrap().code(), Some(0), "{name}");
    }
}

#[test]
fn commands_fail_if_stdout_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens.toml").display().to_string();
    for arguments in [
        &["manifest"][..],
        &["docs"],
        &["doctor"],
        &["--help"],
        &["--version"],
        &["completions", "bash"],
        &["token", "new", "--subject", "ci", "--file", &file],
        &["token", "list", "--file", &file],
        &["call", "add", "a=1", "b=2"],
    ] {
        let run = |stderr: Stdio| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_fixture"));
            command.args(arguments).stdin(Stdio::null()).stdout(full_device()).stderr(stderr);
            command.spawn().unwrap().wait_with_output().unwrap()
        };
        let output = run(Stdio::piped());
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains("error: stdout cannot be written: "), "{arguments:?}: {stderr}");
        assert_eq!(run(full_device()).status.code(), Some(2), "{arguments:?}");
        assert_eq!(run(closed_pipe()).status.code(), Some(2), "{arguments:?}");
    }
}

fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
