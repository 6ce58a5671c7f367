//! `call` of a destructive tool: asks on a terminal, is refused without one, and runs with `--yes-destructive`.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    process::{Command, Output, Stdio},
};

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};

fn fixture(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fixture"));
    command.args(arguments);
    command
}

/// Runs `call forget` with a terminal for stdin and stderr, types `line` at the prompt, and returns the terminal's text.
fn on_a_terminal(line: &str) -> (Output, String) {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
    let mut keyboard = openpt(flags).map(File::from).expect("the system has pseudo-terminals");
    grantpt(&keyboard).unwrap();
    unlockpt(&keyboard).unwrap();
    let terminal = ioctl_tiocgptpeer(&keyboard, flags).unwrap();
    let child = fixture(&["call", "forget", "what=it", "word=s3cr3t-4711"])
        .stdin(terminal.try_clone().unwrap())
        .stderr(terminal)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut seen = Vec::new();
    let mut part = [0; 1024];
    // The terminal ends, with an error, when the last process that holds it ends.
    while let Ok(count @ 1..) = keyboard.read(&mut part) {
        let was_prompted = has_prompt(&seen);
        seen.extend_from_slice(&part[..count]);
        if !was_prompted && has_prompt(&seen) {
            keyboard.write_all(line.as_bytes()).unwrap();
        }
    }
    (child.wait_with_output().unwrap(), String::from_utf8(seen).unwrap().replace("\r\n", "\n"))
}

fn has_prompt(seen: &[u8]) -> bool {
    String::from_utf8_lossy(seen).contains("[y/N] ")
}

#[test]
fn destructive_call_runs_after_yes_on_the_terminal() {
    for yes in ["y\n", "YES\n", " Yes \n"] {
        let (output, seen) = on_a_terminal(yes);
        assert_eq!(String::from_utf8_lossy(&output.stdout), "forgot it\n", "{seen}");
        assert_eq!(output.status.code(), Some(0));
        assert!(
            seen.contains(
                "Allow `forget`? Forget something for good.\nIt may change or remove what is there; repeating it changes nothing more.\n\n- `what`: `\"it\"`\n- `word`: (secret)\n[y/N] "
            ),
            "{seen}"
        );
        assert!(!seen.contains("s3cr3t-4711"), "{seen}");
    }
}

#[test]
fn destructive_call_is_declined_by_any_other_answer() {
    // Control-D is the end of input.
    for no in ["n\n", "\n", "yess\n", "\u{4}"] {
        let (output, seen) = on_a_terminal(no);
        assert_eq!(output.stdout, b"", "{seen}");
        assert_eq!(output.status.code(), Some(1), "{seen}");
        assert!(seen.contains("the call of tool `forget`; nothing was done"), "{seen}");
    }
}

#[test]
fn destructive_call_without_a_terminal_names_the_flag() {
    let output = fixture(&["call", "forget", "what=it"]).stdin(Stdio::null()).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_eq!(output.stdout, b"");
    assert_eq!(
        stderr,
        "error: tool `forget` needs the user's confirmation, and this command has no terminal to ask on\nhelp: call it on a terminal, or add `--yes forget` to this command\n"
    );
}

#[test]
fn destructive_call_with_the_flag_runs_without_a_prompt() {
    let output =
        fixture(&["call", "forget", "what=it", "--yes-destructive"]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "forgot it\n");
    assert_eq!(output.status.code(), Some(0));
}
