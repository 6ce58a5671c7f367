//! Measures the cost of the sandbox: a sandboxed call beside the same handler unsandboxed, in memory and over stdio; and the
//! memory of each profile. On both sides a call changes threads, since the service shares none with handlers.
//!
//! `cargo bench -p candor-tests --bench sandbox`, or for figures that vary little from run to run
//! `taskset -c 0 cargo bench -p candor-tests --bench sandbox`.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use candor::{Sandbox, Server, Service, mcp_tool, tools};
use candor_tests::comparison::{
    bench_client::BenchClient,
    declared,
    measurements::{Measurements, is_benchmark_run, report},
    workload::{Workload, measure_in_turns},
};
use tokio::runtime::Builder;

const ARGUMENTS: &str = r#"{"a":2,"b":3}"#;
const PRICE: &str = r#"{"symbol":"AAPL","lots":3}"#;
/// Calls in flight at once, and in all, when throughput is measured.
const WINDOW: usize = 32;
const STREAM: usize = 4_000;
const ROUNDS: usize = 10;

/// Add two numbers.
#[mcp_tool(read_only, closed_world, public)]
fn add(
    /// The first.
    a: i64,
    /// The second.
    b: i64,
) -> i64 {
    a + b
}

/// Add two numbers, from an `async` function.
#[mcp_tool(read_only, closed_world, public)]
async fn add_async(
    /// The first.
    a: i64,
    /// The second.
    b: i64,
) -> i64 {
    a + b
}

/// Run in the sandbox of `read_only`.
#[mcp_tool(read_only, public)]
fn reads() {}

/// Run in the sandbox of `closed_world`.
#[mcp_tool(additive, closed_world, public)]
fn stays() {}

/// Run in the sandbox of both words.
#[mcp_tool(read_only, closed_world, public)]
fn both() {}

/// Run without a sandbox.
#[mcp_tool(additive, public)]
fn neither() {}

fn server(sandbox: Sandbox) -> Server {
    Server::new("sums", "1.0.0")
        .unaudited()
        .sandbox(sandbox)
        .tools(tools![add, add_async, reads, stays, both, neither])
}

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("serve") => serve(service(Sandbox::Required)),
        Some("prices") => serve(declared::server(Sandbox::Required)),
        Some("prices-open") => serve(declared::server(Sandbox::Off)),
        _ if is_benchmark_run() => measure(),
        _ => {}
    }
}

fn serve(service: Service) {
    let runtime = Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(service.serve_stdio()).expect("a connection");
}

fn measure() {
    wake_ups();
    for tool in ["add", "add_async"] {
        hop(tool);
    }
    for tool in ["get_price", "get_price_async"] {
        one_by_one(tool);
    }
    for tool in ["get_price", "get_price_async"] {
        throughput(tool);
    }
    memory();
}

fn service(sandbox: Sandbox) -> Service {
    server(sandbox).build().expect("a kernel with sandboxes")
}

/// Measures one call after another, in memory.
fn hop(tool: &str) {
    let side = |name, sandbox| {
        let params = format!(r#"{{"name":"{tool}","arguments":{ARGUMENTS}}}"#);
        Workload::call(name, BenchClient::declared(service(sandbox)), params, r#""result":5"#)
    };
    let [sandboxed, open] =
        measure_in_turns(500, side("sandboxed", Sandbox::Required), side("unsandboxed", Sandbox::Off));
    report(tool, &sandboxed, &open);
}

/// Measures a round trip between two threads that wake each other: a change of threads cannot take less.
fn wake_ups() {
    let turn = Arc::new(AtomicBool::new(false));
    let (other_turn, here) = (Arc::clone(&turn), thread::current());
    let other = thread::spawn(move || {
        for _ in 0..STREAM {
            while !other_turn.swap(false, Ordering::AcqRel) {
                thread::park();
            }
            here.unpark();
        }
    });
    let mut side = Measurements::new("round trip");
    for _ in 0..STREAM {
        let start = Instant::now();
        turn.store(true, Ordering::Release);
        other.thread().unpark();
        while turn.load(Ordering::Acquire) {
            thread::park();
        }
        side.since(start);
    }
    let _ = other.join();
    println!("two threads that wake each other: {:.1} µs a round trip", side.median());
}

/// Measures one call after another over stdio: the latency for a client.
fn one_by_one(tool: &str) {
    let mut sides = [
        (Measurements::new("sandboxed"), Process::start("prices")),
        (Measurements::new("unsandboxed"), Process::start("prices-open")),
    ];
    for turn in 0..4 * ROUNDS {
        for at in [turn % 2, (turn + 1) % 2] {
            let (side, process) = &mut sides[at];
            for _ in 0..500 {
                let start = Instant::now();
                process.call(tool, PRICE);
                let answer = process.receive();
                if turn >= ROUNDS {
                    side.since(start);
                }
                assert!(answer.contains(r#""close":669.06"#), "{answer}");
            }
        }
    }
    let [(sandboxed, _), (open, _)] = &sides;
    report(&format!("{tool} over stdio"), sandboxed, open);
}

/// A server in a process of its own.
struct Process {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    id: u64,
}

impl Process {
    fn start(mode: &str) -> Self {
        let this = std::env::current_exe().expect("this program has a path");
        let mut command = Command::new(this);
        let mut child =
            command.arg(mode).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let (stdin, stdout) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        let mut process = Self { child, stdin, stdout: BufReader::new(stdout), id: 0 };
        process.send(r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}"#);
        process.receive();
        process.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        process
    }

    fn send(&mut self, line: &str) {
        self.stdin.write_all(format!("{line}\n").as_bytes()).expect("the server reads");
    }

    fn receive(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("an answer");
        line
    }

    fn call(&mut self, tool: &str, arguments: &str) {
        self.id += 1;
        let params = format!(r#"{{"name":"{tool}","arguments":{arguments}}}"#);
        self.send(&format!(
            r#"{{"jsonrpc":"2.0","id":{},"method":"tools/call","params":{params}}}"#,
            self.id
        ));
    }

    /// Measures a stream of read calls, with a window of them in flight.
    fn stream(&mut self, tool: &str) -> Duration {
        let start = Instant::now();
        for _ in 0..WINDOW {
            self.call(tool, PRICE);
        }
        for done in 0..STREAM {
            let answer = self.receive();
            assert!(answer.contains(r#""close":669.06"#), "{answer}");
            if done + WINDOW < STREAM {
                self.call(tool, PRICE);
            }
        }
        start.elapsed()
    }

    /// Returns the anonymous resident memory in kilobytes.
    fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("the process runs");
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("Linux counts it");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Measures the read call that other benchmarks compare with bare rmcp.
fn throughput(tool: &str) {
    let mut sides = [
        (Measurements::new("sandboxed"), Process::start("prices")),
        (Measurements::new("unsandboxed"), Process::start("prices-open")),
    ];
    for (_, process) in &mut sides {
        process.stream(tool);
    }
    for round in 0..ROUNDS {
        for at in [round % 2, (round + 1) % 2] {
            let (side, process) = &mut sides[at];
            let time = process.stream(tool);
            side.add(time);
        }
    }
    let a_second = |side: &Measurements| f64::from(u32::try_from(STREAM).expect("few")) * 1e6 / side.median();
    let [(sandboxed, _), (open, _)] = &sides;
    let (ours, yardstick) = (a_second(sandboxed), a_second(open));
    println!(
        "{tool:24} over stdio: sandboxed {ours:.0} calls/s   unsandboxed {yardstick:.0} calls/s   ratio: {:.2}",
        ours / yardstick
    );
}

/// Measures the memory that the first calls of each profile add, beside those of a tool without one.
fn memory() {
    let mut process = Process::start("serve");
    let mut before = process.resident();
    for tool in ["neither", "reads", "stays", "both"] {
        for _ in 0..1_000 {
            process.call(tool, "{}");
            process.receive();
        }
        let after = process.resident();
        println!("{tool:24} resident: {:+} kB", after.cast_signed() - before.cast_signed());
        before = after;
    }
}
