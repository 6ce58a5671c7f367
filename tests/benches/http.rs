//! Measures one read call over HTTP with everything enforced, with everything but the kernel's sandbox, and on bare
//! rmcp's service: `cargo bench -p candor-tests --bench http`. Each server is a separate process on loopback. Each of
//! sixteen connections sends its next request after the answer to the last one.
//!
//! The sides take turns, so that other load on the machine slows all of them.

use std::{
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use candor_tests::{
    comparison::{SCOPE, measurements},
    http::{HttpConnection, HttpServer, call},
};
use serde_json::json;
use tokio::runtime::Builder;

const CONNECTIONS: usize = 16;
const ROUNDS: usize = 8;
const ROUND_DURATION: Duration = Duration::from_secs(2);
/// The number of calls over which memory must not grow.
const MEMORY_CALLS: usize = 100_000;

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
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut sides = [start("declared").await, start("unsandboxed").await, start("bare").await];
        for side in &sides {
            send_load(&side.server, Duration::from_secs(1), usize::MAX).await;
        }
        for round in 0..ROUNDS {
            for at in 0..sides.len() {
                let count = sides.len();
                let side = &mut sides[(at + round) % count];
                let start = Instant::now();
                let times = send_load(&side.server, ROUND_DURATION, usize::MAX).await;
                side.rates.push(
                    f64::from(u32::try_from(times.len()).expect("few")) / start.elapsed().as_secs_f64(),
                );
                side.times.extend(times);
            }
        }
        report(&mut sides);
        report_memory(&sides[0]).await;
    });
}

async fn start(name: &'static str) -> Side {
    let server = match name {
        "bare" => HttpServer::start_command(Command::new(env!("CARGO_BIN_EXE_bare_http"))).await,
        name => {
            let mut command = Command::new(env!("CARGO_BIN_EXE_declared_http"));
            if name == "unsandboxed" {
                command.env("UNSANDBOXED", "1");
            }
            HttpServer::start(command, &["--quiet", "--grant", SCOPE]).await
        }
    };
    Side { name, server, rates: Vec::new(), times: Vec::new() }
}

/// Calls over all connections until `time` is over or `calls` are made, and returns how long each answer took.
async fn send_load(server: &HttpServer, time: Duration, calls: usize) -> Vec<Duration> {
    let request = call("get_price", json!({"symbol": "AAPL", "lots": 3})).bytes(server.address);
    let request: Arc<[u8]> = request.into();
    let end = Instant::now() + time;
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (mut connection, request) = (server.connect().await, Arc::clone(&request));
        all.spawn(async move {
            let mut times = Vec::new();
            while times.len() < calls / CONNECTIONS && Instant::now() < end {
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

fn report(sides: &mut [Side]) {
    let mut figures = Vec::new();
    for side in sides {
        side.rates.sort_unstable_by(f64::total_cmp);
        side.times.sort_unstable();
        let rate = side.rates[side.rates.len() / 2];
        let percentile = |part: usize| side.times[side.times.len() * part / 100].as_secs_f64() * 1e3;
        figures.push((rate, percentile(99)));
        println!(
            "{:10} {rate:9.0} requests/s   p50 {:6.3} ms   p99 {:6.3} ms",
            side.name,
            percentile(50),
            percentile(99)
        );
    }
    let (bare, bare_p99) = figures[2];
    for (name, (rate, p99)) in ["declared", "unsandboxed"].iter().zip(&figures) {
        println!("{name} over bare: {:.3} of its requests/s, {:.2} of its p99", rate / bare, p99 / bare_p99);
    }
}

async fn report_memory(side: &Side) {
    let before = side.server.memory_kb();
    send_load(&side.server, Duration::from_secs(120), MEMORY_CALLS).await;
    let after = side.server.memory_kb();
    println!("{MEMORY_CALLS} calls: {before} kB before, {after} kB after");
}
