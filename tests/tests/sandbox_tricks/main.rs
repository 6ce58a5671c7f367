//! A table of tricks that sandboxed tools may try, with the answer of the kernel in each sandbox.
#![cfg(target_os = "linux")]

mod tricks;

use std::{
    fs,
    path::{Path, PathBuf},
};

use candor::{Server, State, mcp_tool, testing::Client, tools};
use candor_syscalls::call_with_all;
use serde_json::json;
use tricks::{
    Answer::{NotPermitted, Refused, Same, Unknown},
    Place, TRICKS, Trick, error_name,
};

#[derive(State)]
struct App {
    place: Place,
}

fn attempt(place: &Place, trick: usize, folder: &str) -> String {
    error_name((TRICKS[trick].attempt)(place, Path::new(folder)))
}

/// Attempt a trick without a sandbox.
#[mcp_tool(additive, public)]
fn open(
    place: &Place,
    /// Its position in the table.
    trick: usize,
    /// A folder with files for it.
    folder: &str,
) -> String {
    attempt(place, trick, folder)
}

/// Attempt a trick that changes something.
#[mcp_tool(read_only, public)]
fn read_only(
    place: &Place,
    /// Its position in the table.
    trick: usize,
    /// A folder with files for it.
    folder: &str,
) -> String {
    attempt(place, trick, folder)
}

/// Attempt a trick that reaches out.
#[mcp_tool(additive, closed_world, public)]
fn closed_world(
    place: &Place,
    /// Its position in the table.
    trick: usize,
    /// A folder with files for it.
    folder: &str,
) -> String {
    attempt(place, trick, folder)
}

/// Attempt any trick.
#[mcp_tool(read_only, closed_world, public)]
fn both(
    place: &Place,
    /// Its position in the table.
    trick: usize,
    /// A folder with files for it.
    folder: &str,
) -> String {
    attempt(place, trick, folder)
}

/// Make a system call with a value as each argument.
#[mcp_tool(read_only, public)]
fn call_read_only(
    /// The number of the call.
    number: i64,
    /// The value.
    value: i64,
) -> String {
    error_name(call_with_all(number, value))
}

/// Make a system call with a value as each argument.
#[mcp_tool(additive, closed_world, public)]
fn call_closed_world(
    /// The number of the call.
    number: i64,
    /// The value.
    value: i64,
) -> String {
    error_name(call_with_all(number, value))
}

/// Set the `umask` and the working directory of the process.
#[mcp_tool(read_only, public)]
fn set_process_state(
    /// The directory.
    folder: PathBuf,
) -> std::io::Result<()> {
    rustix::process::umask(rustix::fs::Mode::from_bits_retain(0o777));
    std::env::set_current_dir(folder)
}

struct Rig {
    folder: tempfile::TempDir,
    plain: Client,
    with_exceptions: Client,
}

impl Rig {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let scratch = folder.path().join("scratch");
        fs::create_dir(&scratch).unwrap();
        let server = |place: Place| {
            Server::new("s", "1").unaudited().state(App { place }).tools(tools![
                open,
                read_only,
                closed_world,
                both,
                call_read_only,
                call_closed_world,
                set_process_state
            ])
        };
        let plain = Client::of(server(Place::new())).await;
        let place = Place::new();
        let port = place.listed_port;
        let with_exceptions = server(place).scratch(&scratch).closed_world_ports([port]);
        Self { folder, plain, with_exceptions: Client::of(with_exceptions).await }
    }

    async fn attempt(&self, client: &Client, tool: &str, trick: usize, column: usize) -> String {
        let folder = self.folder.path().join(format!("{trick}-{column}"));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("file"), "text").unwrap();
        client.call(tool, json!({"trick": trick, "folder": folder})).await.unwrap().text()
    }

    async fn call(&self, tool: &str, number: i64, value: i64) -> String {
        self.plain.call(tool, json!({"number": number, "value": value})).await.unwrap().text()
    }
}

#[tokio::test]
async fn each_trick_gets_its_answer_in_each_sandbox() {
    let rig = Rig::new().await;
    let mut faults = String::new();
    for (number, Trick { name, expected, .. }) in TRICKS.iter().enumerate() {
        let open = rig.attempt(&rig.plain, "open", number, 0).await;
        let sandboxes = [
            (&rig.plain, "read_only"),
            (&rig.with_exceptions, "read_only"),
            (&rig.plain, "closed_world"),
            (&rig.with_exceptions, "closed_world"),
        ];
        for (column, (client, tool)) in sandboxes.into_iter().enumerate() {
            let answer = rig.attempt(client, tool, number, column + 1).await;
            let expected = expected[column];
            let is_expected = match expected {
                Same => answer == open,
                Refused => answer == "EACCES" && open != "EACCES",
                NotPermitted => answer == "EPERM",
                Unknown => answer == "ENOSYS",
            };
            if !is_expected {
                let exceptions = if column % 2 == 1 { ", with exceptions" } else { "" };
                faults += &format!("{name}, {tool}{exceptions}: {answer}, not {expected:?} (open: {open})\n");
            }
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

#[tokio::test]
async fn tool_with_both_words_is_refused_what_either_word_refuses() {
    let rig = Rig::new().await;
    for (number, Trick { name, expected, .. }) in TRICKS.iter().enumerate() {
        if expected[0] == Refused || expected[2] == Refused {
            assert_eq!(rig.attempt(&rig.plain, "both", number, 0).await, "EACCES", "{name}");
        }
    }
}

#[tokio::test]
async fn read_only_tools_cannot_make_calls_that_change_the_machine() {
    let rig = Rig::new().await;
    for number in tricks::SYSTEM_CALLS {
        assert_eq!(rig.call("call_read_only", *number, -1).await, "EACCES", "{number}");
    }
    // Ids that are not the server's.
    for number in [libc::SYS_setuid, libc::SYS_setresgid, libc::SYS_setreuid, libc::SYS_setfsuid] {
        assert_eq!(rig.call("call_read_only", number, 54_321).await, "EACCES", "{number}");
    }
    let own = rustix::process::getuid().as_raw();
    assert_eq!(rig.call("call_read_only", libc::SYS_setresuid, own.into()).await, "ok");
}

#[tokio::test]
async fn sandboxed_tools_cannot_reach_into_other_processes() {
    let rig = Rig::new().await;
    for number in tricks::ESCAPES {
        for tool in ["call_read_only", "call_closed_world"] {
            assert_eq!(rig.call(tool, *number, -1).await, "EACCES", "{tool}: {number}");
        }
    }
}

#[tokio::test]
async fn calls_that_were_not_reviewed_are_unknown() {
    const X32: i64 = 0x4000_0000;
    let rig = Rig::new().await;
    let newer = 470..600;
    let x32 = [libc::SYS_getpid, libc::SYS_openat, libc::SYS_ioctl, 512, 547].map(|number| number | X32);
    for number in newer.chain(x32).chain([337, 423, 1023, 0x1000_0000]) {
        for tool in ["call_read_only", "call_closed_world"] {
            assert_eq!(rig.call(tool, number, -1).await, "ENOSYS", "{tool}: {number}");
        }
    }
}

#[tokio::test]
async fn umask_and_working_directory_of_read_only_tools_are_their_own() {
    let rig = Rig::new().await;
    let before = std::env::current_dir().unwrap();
    let answer = rig.plain.call("set_process_state", json!({"folder": "/"})).await.unwrap();
    assert_eq!((answer.reason(), std::env::current_dir().unwrap()), (None, before));
    fs::write(rig.folder.path().join("mine"), "text").unwrap();
    fs::read(rig.folder.path().join("mine")).unwrap();
    let umask = rustix::process::umask(rustix::fs::Mode::from_bits_retain(0o022));
    assert_ne!(umask.bits(), 0o777);
}
