//! Measures one read call over HTTP with the audit log and the kernel's sandbox on, with one of the two, with neither, and
//! on bare rmcp's service: `cargo bench -p candor-tests --bench http`. Each server is a separate process on loopback. Each
//! of sixteen connections, and then a single one, sends its next request after the answer to the last one.
//!
//! The sides take turns, so that other load on the machine slows all of them. The logs are in the folder that `TMPDIR`
//! names, and are signed.

use std::{
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use candor_tests::{
    comparison::{SCOPE, measurements},
    http::{HttpConnection, HttpServer, call},
};
use serde_json::json;
use tokio::runtime::Builder;

const ROUNDS: usize = 8;
const ROUND_DURATION: Duration = Duration::from_secs(2);
/// The number of calls over which memory must not grow.
const MEMORY_CALLS: usize = 100_000;

/// The name of each side, and whether it has the log and the sandbox. The yardstick is the last.
const SIDES: [(&str, bool, bool); 5] = [
    ("log and sandbox", true, true),
    ("log", true, false),
    ("sandbox", false, true),
    ("neither", false, false),
    ("bare rmcp", false, false),
];

struct Side {
    name: &'static str,
    server: HttpServer,
    rates: Vec<f64>,
    times: Vec<Duration>,
}

fn main() {
    if !measurements::is_benchmark_run() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder for logs");
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut sides = Vec::new();
        for (name, log, sandbox) in SIDES {
            sides.push(start(name, log.then(|| folder.path().join(name)).as_deref(), sandbox).await);
        }
        for connections in [16, 1] {
            measure(&mut sides, connections).await;
            report(&mut sides, connections);
        }
        report_memory(&sides).await;
    });
}

/// Starts a side. With a log, it is signed and none of its checkpoints is printed here.
async fn start(name: &'static str, log: Option<&Path>, sandbox: bool) -> Side {
    let server = if name == "bare rmcp" {
        HttpServer::start_command(Command::new(env!("CARGO_BIN_EXE_bare_http"))).await
    } else {
        let mut command = Command::new(env!("CARGO_BIN_EXE_declared_http"));
        if !sandbox {
            command.env("UNSANDBOXED", "1");
        }
        let mut flags = vec!["--quiet", "--grant", SCOPE];
        if let Some(log) = log {
            let mut key = Command::new(env!("CARGO_BIN_EXE_declared_http"));
            key.args(["audit", "key", "new"]).arg(log).stdout(Stdio::null()).stderr(Stdio::null());
            assert!(key.status().is_ok_and(|status| status.success()), "the key is made");
            flags.extend(["--audit", log.to_str().expect("a plain path")]);
        }
        HttpServer::start(command, &flags).await
    };
    Side { name, server, rates: Vec::new(), times: Vec::new() }
}

async fn measure(sides: &mut [Side], connections: usize) {
    for side in &mut *sides {
        side.rates.clear();
        side.times.clear();
        send_load(&side.server, connections, Duration::from_secs(1), usize::MAX).await;
    }
    for round in 0..ROUNDS {
        for at in 0..sides.len() {
            let count = sides.len();
            let side = &mut sides[(at + round) % count];
            let start = Instant::now();
            let times = send_load(&side.server, connections, ROUND_DURATION, usize::MAX).await;
            let calls = f64::from(u32::try_from(times.len()).expect("few"));
            side.rates.push(calls / start.elapsed().as_secs_f64());
            side.times.extend(times);
        }
    }
}

/// Calls over this many connections until `time` is over or `calls` are made, and returns how long each answer took.
async fn send_load(server: &HttpServer, connections: usize, time: Duration, calls: usize) -> Vec<Duration> {
    let request = call("get_price", json!({"symbol": "AAPL", "lots": 3})).bytes(server.address);
    let request: Arc<[u8]> = request.into();
    let end = Instant::now() + time;
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..connections {
        let (mut connection, request) = (server.connect().await, Arc::clone(&request));
        all.spawn(async move {
            let mut times = Vec::new();
            while times.len() < calls / connections && Instant::now() < end {
                times.push(send_once(&mut connection, &request).await);
            }
            times
        });
    }
    all.join_all().await.into_iter().flatten().collect()
}

async fn send_once(connection: &mut HttpConnection, request: &[u8]) -> Duration {
    let start = Instant::now();
    connection.send(request).await;
    let response = connection.response().await.expect("a response");
    let time = start.elapsed();
    // A server that refuses every call would be fast.
    assert!(response.body.contains(r#""close":669.06"#), "{response:?}");
    time
}

fn report(sides: &mut [Side], connections: usize) {
    let mut figures = Vec::new();
    for side in &mut *sides {
        side.rates.sort_unstable_by(f64::total_cmp);
        side.times.sort_unstable();
        let percentile = |part: usize| side.times[side.times.len() * part / 100].as_secs_f64() * 1e3;
        figures.push([side.rates[side.rates.len() / 2], percentile(50), percentile(99)]);
    }
    let bare = figures[sides.len() - 1];
    println!("{connections} connections:");
    for (side, [rate, p50, p99]) in sides.iter().zip(figures) {
        println!(
            "  {:16} {rate:8.0} requests/s ({:.2} of bare)   p50 {p50:6.3} ms   p99 {p99:6.3} ms ({:.2} of bare)",
            side.name,
            rate / bare[0],
            p99 / bare[2]
        );
    }
}

/// Prints the memory of each side after the load, and after as many calls again.
async fn report_memory(sides: &[Side]) {
    println!("resident memory, then after {MEMORY_CALLS} more calls:");
    let mut figures = Vec::new();
    for side in sides {
        let before = side.server.memory_kb();
        send_load(&side.server, 16, Duration::from_secs(120), MEMORY_CALLS).await;
        figures.push((before, side.server.memory_kb()));
    }
    let kb = |kb: usize| f64::from(u32::try_from(kb).expect("little"));
    let (_, bare) = figures[sides.len() - 1];
    for (side, (before, after)) in sides.iter().zip(figures) {
        println!("  {:16} {before:6} kB, {after:6} kB ({:.2} of bare)", side.name, kb(after) / kb(bare));
    }
}
