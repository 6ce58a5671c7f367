//! Measures the time from the start of a server to its first answer, and its memory, beside the same server on bare rmcp:
//! `cargo bench -p candor-tests --bench start`. Two sides record calls in a signed log: a small one, and one whose last
//! segment has 13 MB.
//!
//! All are separate programs on stdio, started in turns. They are built here as a user builds a server, because cargo
//! would otherwise build them with the features that the tests of this package enable in shared dependencies. The logs are
//! in the folder that `TMPDIR` names.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Instant,
};

use candor_tests::comparison::measurements::{self, Measurements, report};

const RUNS: usize = 100;
/// The number of calls before the second measurement of memory.
const MEMORY_CALLS: u64 = 10_000;
/// The size of the last segment of the large log.
const LARGE_SEGMENT_BYTES: u64 = 13_000_000;

/// A side of the comparison.
#[derive(Clone)]
struct Program {
    name: &'static str,
    binary: &'static str,
    arguments: Vec<String>,
}

/// Returns the sides; the yardstick is the last.
fn programs(small: &Path, large: &Path) -> [Program; 5] {
    let program = |name, binary, arguments: &[&str]| Program {
        name,
        binary,
        arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
    };
    let plain = |path: &Path| path.to_str().expect("a plain path").to_owned();
    let (small, large) = (plain(small), plain(large));
    [
        program("no log", "declared", &[]),
        program("small log", "declared", &["--audit", &small]),
        program("large log", "declared", &["--audit", &large]),
        program("unsandboxed", "declared", &["unsandboxed"]),
        program("bare", "bare", &[]),
    ]
}

fn main() {
    if !measurements::is_benchmark_run() {
        return;
    }
    let folder = &build();
    let logs = tempfile::tempdir().expect("a folder for logs");
    let (small, large) = (logs.path().join("small"), logs.path().join("large"));
    let programs = programs(&small, &large);
    for log in [&small, &large] {
        make_key(folder, log);
    }
    fill(folder, &programs[2], &large);
    let mut sides = programs.clone().map(|program| Measurements::new(program.name));
    for program in &programs {
        Server::start(folder, program).first_call();
    }
    for run in 0..RUNS {
        for turn in 0..programs.len() {
            let at = (run + turn) % programs.len();
            let start = Instant::now();
            let mut server = Server::start(folder, &programs[at]);
            server.first_call();
            sides[at].since(start);
        }
    }
    report("start to first answer", &sides[1], &sides[0]);
    report("start to first answer", &sides[2], &sides[0]);
    let [ours @ .., bare] = sides;
    for ours in &ours {
        report("start to first answer", ours, &bare);
    }
    report_memory(folder, &programs);
}

fn report_memory(folder: &Path, programs: &[Program; 5]) {
    let figures = programs.each_ref().map(|program| memory(folder, program));
    let [ours @ .., bare] = figures;
    for (moment, at) in [("one call", 0), ("10,000 calls", 1)] {
        for (kind, pick) in [("resident", 0), ("at most", 1), ("own", 2)] {
            for (ours, program) in ours.iter().zip(programs) {
                let (a, b) = (ours[at][pick], bare[at][pick]);
                println!(
                    "{:28} {:12} {a:6} kB   bare: {b:6} kB   ratio: {:.2}",
                    format!("{kind} after {moment}"),
                    program.name,
                    f64::from(a) / f64::from(b)
                );
            }
        }
    }
}

/// Makes the key that signs a log.
fn make_key(folder: &Path, log: &Path) {
    let mut command = Command::new(folder.join("declared_http"));
    command.args(["audit", "key", "new"]).arg(log).stdout(Stdio::null()).stderr(Stdio::null());
    assert!(command.status().is_ok_and(|status| status.success()), "the key is made");
}

/// Calls until the last segment of a log is large.
fn fill(folder: &Path, program: &Program, log: &Path) {
    let mut server = Server::start(folder, program);
    server.first_call();
    let segment = log.join("segment-00000001.jsonl");
    let mut id = 3;
    while fs::metadata(&segment).is_ok_and(|segment| segment.len() < LARGE_SEGMENT_BYTES) {
        for _ in 0..1_000 {
            server.call(id);
            id += 1;
        }
    }
}

/// Builds the programs, and returns their folder.
fn build() -> PathBuf {
    let beside = Path::new(env!("CARGO_BIN_EXE_declared")).ancestors().nth(2).expect("in a target folder");
    let target = beside.join("start");
    let service = Command::new(env!("CARGO"))
        .args(["build", "--release", "--package", "candor-tests"])
        .args(["--bin", "bare", "--bin", "declared", "--bin", "declared_http", "--target-dir"])
        .arg(&target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    assert!(service.is_ok_and(|status| status.success()), "the programs do not build");
    target.join("release")
}

/// The memory of one server after one call and after many, in kB: resident, peak, and anonymous.
fn memory(folder: &Path, program: &Program) -> [[u32; 3]; 2] {
    let mut server = Server::start(folder, program);
    server.first_call();
    let first = server.memory();
    for id in 3..MEMORY_CALLS + 2 {
        server.call(id);
    }
    [first, server.memory()]
}

/// A server as a child process.
struct Server {
    process: Child,
    write: Option<ChildStdin>,
    read: BufReader<ChildStdout>,
    line: String,
}

impl Server {
    fn start(folder: &Path, program: &Program) -> Self {
        let mut process = Command::new(folder.join(program.binary))
            .args(&program.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program was built");
        let write = process.stdin.take();
        let read = BufReader::new(process.stdout.take().expect("a pipe"));
        Self { process, write, read, line: String::new() }
    }

    /// The handshake, and one call.
    fn first_call(&mut self) {
        let info = r#"{"name":"bench","version":"1"}"#;
        let params = format!(r#"{{"protocolVersion":"2025-11-25","capabilities":{{}},"clientInfo":{info}}}"#);
        self.send(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"initialize","params":{params}}}"#));
        self.receive();
        self.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        self.call(2);
    }

    fn call(&mut self, id: u64) {
        let params = r#"{"name":"get_price","arguments":{"symbol":"AAPL","lots":3}}"#;
        self.send(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{params}}}"#));
        let answer = self.receive();
        assert!(answer.contains(r#""close":669.06"#), "answered {answer}");
    }

    fn send(&mut self, line: &str) {
        let write = self.write.as_mut().expect("open until dropped");
        write.write_all(format!("{line}\n").as_bytes()).expect("the server reads");
    }

    fn receive(&mut self) -> &str {
        self.line.clear();
        self.read.read_line(&mut self.line).expect("an answer");
        &self.line
    }

    /// `VmRSS`, `VmHWM` and `RssAnon` in kB. The kernel maps whole ranges of the program's file around each page that is
    /// used, so the first two grow with the size of the program.
    fn memory(&self) -> [u32; 3] {
        let path = format!("/proc/{}/status", self.process.id());
        let status = std::fs::read_to_string(path).expect("Linux");
        ["VmRSS:", "VmHWM:", "RssAnon:"].map(|key| {
            let line = status.lines().find(|line| line.starts_with(key)).expect("Linux lists it");
            line.split_whitespace().nth(1).and_then(|kb| kb.parse().ok()).expect("a number of kB")
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A server on stdio ends at the end of its input.
        self.write = None;
        let _ = self.process.wait();
    }
}
