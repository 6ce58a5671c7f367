//! What a read call costs over HTTP with everything enforced, beside the same call on bare rmcp's service, in one run:
//! `cargo bench -p candor-tests --bench http`. Each server is a process of its own on loopback; sixteen connections ask,
//! each its next question when the last is answered.
//!
//! Sides take turns, so that what else the machine does falls on both.

use std::{
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use candor_tests::{
    http::{Connection, Site, call},
    twin::{SCOPE, side_by_side},
};
use serde_json::json;
use tokio::runtime::Builder;

const CONNECTIONS: usize = 16;
const ROUNDS: usize = 8;
const ROUND: Duration = Duration::from_secs(2);
/// Calls over which memory must not grow.
const CALLS: usize = 100_000;

struct Side {
    name: &'static str,
    site: Site,
    rates: Vec<f64>,
    times: Vec<Duration>,
}

fn main() {
    if !side_by_side::wanted() {
        return;
    }
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut sides = [start("declared").await, start("unsandboxed").await, start("bare").await];
        for side in &sides {
            load(&side.site, Duration::from_secs(1), usize::MAX).await;
        }
        for round in 0..ROUNDS {
            for at in 0..sides.len() {
                let count = sides.len();
                let side = &mut sides[(at + round) % count];
                let start = Instant::now();
                let times = load(&side.site, ROUND, usize::MAX).await;
                side.rates.push(
                    f64::from(u32::try_from(times.len()).expect("few")) / start.elapsed().as_secs_f64(),
                );
                side.times.extend(times);
            }
        }
        report(&mut sides);
        memory(&sides[0]).await;
    });
}

async fn start(name: &'static str) -> Side {
    let site = match name {
        "bare" => Site::run(Command::new(env!("CARGO_BIN_EXE_bare_http"))).await,
        name => {
            let mut command = Command::new(env!("CARGO_BIN_EXE_declared_http"));
            if name == "unsandboxed" {
                command.env("UNSANDBOXED", "1");
            }
            Site::start(command, &["--quiet", "--grant", SCOPE]).await
        }
    };
    Side { name, site, rates: Vec::new(), times: Vec::new() }
}

/// Asks over all connections, for so long or so often, and says how long each answer took.
async fn load(site: &Site, time: Duration, calls: usize) -> Vec<Duration> {
    let ask = call("get_price", json!({"symbol": "AAPL", "lots": 3})).bytes(site.address);
    let ask: Arc<[u8]> = ask.into();
    let until = Instant::now() + time;
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (mut connection, ask) = (site.connect().await, Arc::clone(&ask));
        all.spawn(async move {
            let mut times = Vec::new();
            while times.len() < calls / CONNECTIONS && Instant::now() < until {
                times.push(once(&mut connection, &ask).await);
            }
            times
        });
    }
    all.join_all().await.into_iter().flatten().collect()
}

async fn once(connection: &mut Connection, ask: &[u8]) -> Duration {
    let start = Instant::now();
    connection.send(ask).await;
    let answer = connection.answer().await.expect("an answer");
    let took = start.elapsed();
    // A benchmark of refusals would flatter whoever refuses.
    assert!(answer.body.contains(r#""close":669.06"#), "{answer:?}");
    took
}

fn report(sides: &mut [Side]) {
    let mut figures = Vec::new();
    for side in sides {
        side.rates.sort_unstable_by(f64::total_cmp);
        side.times.sort_unstable();
        let rate = side.rates[side.rates.len() / 2];
        let at = |part: usize| side.times[side.times.len() * part / 100].as_secs_f64() * 1e3;
        figures.push((rate, at(99)));
        println!("{:10} {rate:9.0} requests/s   p50 {:6.3} ms   p99 {:6.3} ms", side.name, at(50), at(99));
    }
    let (bare, bare_p99) = figures[2];
    for (name, (rate, p99)) in ["declared", "unsandboxed"].iter().zip(&figures) {
        println!("{name} over bare: {:.3} of its requests/s, {:.2} of its p99", rate / bare, p99 / bare_p99);
    }
}

async fn memory(side: &Side) {
    let before = side.site.memory();
    load(&side.site, Duration::from_secs(120), CALLS).await;
    let after = side.site.memory();
    println!("{CALLS} calls: {before} kB before, {after} kB after");
}
