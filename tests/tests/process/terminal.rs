//! `call` on a terminal: asks before a destructive call, and fills in forms; without one, it does neither.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::unix::net::UnixListener,
    process::{Command, Output, Stdio},
};

use candor::Revision;
use rustix::{
    process::{Pid, Signal, kill_process},
    pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt},
};

fn fixture(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fixture"));
    command.args(arguments);
    command
}

/// Runs `call forget` on a terminal, and types `line` at the prompt.
fn on_a_terminal(line: &str) -> (Output, String) {
    run_on_a_terminal(fixture(&["call", "forget", "what=it", "word=s3cr3t-4711"]), &[("[y/N] ", line)])
}

/// Runs a command with a terminal for stdin and stderr. At each prompt, in this order, types its line. Returns the
/// terminal's text as well.
fn run_on_a_terminal(mut command: Command, answers: &[(&str, &str)]) -> (Output, String) {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
    let mut keyboard = openpt(flags).map(File::from).expect("the system has pseudo-terminals");
    grantpt(&keyboard).unwrap();
    unlockpt(&keyboard).unwrap();
    let terminal = ioctl_tiocgptpeer(&keyboard, flags).unwrap();
    let child =
        command.stdin(terminal.try_clone().unwrap()).stderr(terminal).stdout(Stdio::piped()).spawn().unwrap();
    // It holds the terminal too.
    drop(command);
    let (mut seen, mut answered) = (Vec::new(), 0);
    let mut answers = answers.iter();
    let mut next = answers.next();
    let mut part = [0; 1024];
    // The terminal ends, with an error, when the last process that holds it ends.
    while let Ok(count @ 1..) = keyboard.read(&mut part) {
        seen.extend_from_slice(&part[..count]);
        if let Some((prompt, line)) = next
            && String::from_utf8_lossy(&seen[answered..]).contains(prompt)
        {
            keyboard.write_all(line.as_bytes()).unwrap();
            (answered, next) = (seen.len(), answers.next());
        }
    }
    assert_eq!(next, None, "{}", String::from_utf8_lossy(&seen));
    (child.wait_with_output().unwrap(), String::from_utf8(seen).unwrap().replace("\r\n", "\n"))
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

#[test]
fn call_speaks_the_newest_revision_of_its_server() {
    for revision in Revision::ALL {
        let mut command = fixture(&["call", "forget", "what=it"]);
        command.env("REVISION", revision.as_str());
        let (output, seen) = run_on_a_terminal(command, &[("[y/N] ", "y\n")]);
        assert_eq!(String::from_utf8_lossy(&output.stdout), "forgot it\n", "{revision}: {seen}");
        assert_eq!(output.status.code(), Some(0), "{revision}");
    }
}

#[test]
fn call_of_a_server_that_cannot_start_says_how_it_ended() {
    let output = fixture(&["call", "forget", "what=it", "--audit", "/dev/null/log"]).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("/dev/null/log"), "{stderr}");
    assert!(
        stderr.ends_with("error: the server did not answer: the connection was closed (exit status: 2)\n"),
        "{stderr}"
    );
}

#[test]
fn call_whose_server_is_killed_says_that_it_may_have_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let socket = UnixListener::bind(&path).unwrap();
    let mut call = fixture(&["call", "wait", &format!("socket={}", path.display())]);
    let call = call.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    // The handler runs.
    let _connection = socket.accept().unwrap();
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", call.id())).unwrap();
    let server = Pid::from_raw(children.trim().parse().expect("one child")).unwrap();
    kill_process(server, Signal::KILL).unwrap();
    let output = call.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        stderr,
        "error: the server did not answer: the connection was closed (signal: 9 (SIGKILL))\n\
         note: tool `wait` may have run\n\
         help: look for its effect before you repeat this command; `audit show` prints what was recorded\n"
    );
}

/// Runs `call order`, whose tool asks for a form, on a terminal.
fn order_on_a_terminal(answers: &[(&str, &str)]) -> (String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_forms"));
    command.args(["call", "order"]);
    let (output, seen) = run_on_a_terminal(command, answers);
    assert_eq!(output.status.code(), Some(0), "{seen}");
    (String::from_utf8(output.stdout).unwrap(), seen)
}

const FORM: &str = "What do you want?\n[Enter to fill in, n to decline] ";
const START: &str = "n to decline] ";
const SIZE: &str = "size, The size (small, large): ";
const PIECES: &str = "pieces, The number of pieces [none]: ";

#[test]
fn form_is_filled_in_on_the_terminal() {
    // The fields are in the order of their names.
    let answers = [
        (START, "\n"),
        (PIECES, "eleven\n"),
        (PIECES, "11\n"),
        (PIECES, " 3\n"),
        (SIZE, "\n"),
        (SIZE, "huge\n"),
        (SIZE, "large\n"),
    ];
    let (printed, seen) = order_on_a_terminal(&answers);
    assert_eq!(printed, "Large Some(3)\n", "{seen}");
    assert!(seen.starts_with(FORM), "{seen}");
    assert_eq!(seen.matches("expected a whole number from 1 to 10\n").count(), 2, "{seen}");
    assert!(seen.contains("expected a value\n") && seen.contains("expected one of small, large\n"), "{seen}");

    let (printed, seen) = order_on_a_terminal(&[(START, "\n"), (PIECES, "\n"), (SIZE, "small\n")]);
    assert_eq!(printed, "Small None\n", "{seen}");
}

#[test]
fn form_is_declined_on_the_terminal() {
    for no in ["n\n", "NO\n"] {
        let (printed, seen) = order_on_a_terminal(&[(START, no)]);
        assert_eq!(printed, "declined\n", "{seen}");
        assert!(!seen.contains("size"), "{seen}");
    }
}

#[test]
fn form_is_dismissed_by_the_end_of_the_terminals_input() {
    // Control-D is the end of input.
    let ends: [&[_]; 2] = [&[(START, "\u{4}")], &[(START, "\n"), (PIECES, "3\n"), (SIZE, "\u{4}")]];
    for answers in ends {
        let (printed, seen) = order_on_a_terminal(answers);
        assert_eq!(printed, "cancelled\n", "{seen}");
    }
}

#[test]
fn form_without_a_terminal_is_never_asked() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_forms"));
    let output = command.args(["call", "order"]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "never asked\n");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn progress_is_drawn_in_one_line_and_erased() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let socket = UnixListener::bind(&path).unwrap();
    let end = std::thread::spawn(move || socket.accept().unwrap().0.write_all(&[7]).unwrap());
    let socket = format!("socket={}", path.display());
    let (output, seen) = run_on_a_terminal(fixture(&["call", "wait", &socket]), &[]);
    end.join().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "received 7\n", "{seen}");
    assert_eq!(seen, "\r\u{1b}[K1  waiting  0:00\r\u{1b}[K");
    // Elsewhere than on a terminal, nothing is drawn.
    let path = folder.path().join("other");
    let socket = UnixListener::bind(&path).unwrap();
    let end = std::thread::spawn(move || socket.accept().unwrap().0.write_all(&[7]).unwrap());
    let output = fixture(&["call", "wait", &format!("socket={}", path.display())]).output().unwrap();
    end.join().unwrap();
    assert_eq!(
        (String::from_utf8_lossy(&output.stderr).as_ref(), output.stdout.as_slice()),
        ("", b"received 7\n".as_slice())
    );
}
