//! Measures the cost of idempotency keys: `cargo bench -p candor-tests --bench idempotency`, or one part of it with its name
//! after `--`: `durable`, `replay`, `read`, `million`.
//!
//! `durable` compares writes under a key each, 64 callers at once, with the same writes without keys; both are audited, and
//! wait for the disk. `replay` compares a call that is replayed with a read call of the same server. `read` compares a read
//! call of a server that keeps keys with one of a server that keeps none. `million` stores a million keys: the size of the
//! file, a start beside that of an empty store, and the calls while keys are pruned beside those before. The files are in the
//! folder that `TMPDIR` names. On a file system in memory a sync costs nothing, and the first part measures nothing.

use std::{
    fmt::Write as _,
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use candor::{AuditLog, KeyStore, Sandbox, Server, Service, mcp_tool, testing::Clock, tools};
use candor_tests::{
    comparison::{
        bench_client::BenchClient,
        measurements::{self, Measurements, report},
        workload::{Workload, measure_in_turns},
    },
    orders::META_KEY,
};
use tokio::runtime::Builder;

const CALLERS: u32 = 64;
const DURABLE_CALLS: u64 = 10_000;
const ROUNDS: usize = 15;
const CALLS_A_TURN: usize = 500;
const KEYS: u64 = 1_000_000;
const MEASURED_CALLS: u64 = 20_000;
const STARTS: usize = 9;
/// The time after which a completed key is pruned.
const RETENTION: Duration = Duration::from_secs(24 * 60 * 60);

/// Set a price.
#[mcp_tool(additive, closed_world, public)]
async fn set_price(
    /// Ticker symbol, for example `AAPL`.
    #[param(pattern = "^[A-Z]{1,5}$")]
    symbol: &str,
    /// The price in cents.
    cents: u32,
) -> u32 {
    let _ = symbol;
    cents
}

/// Newest price of one symbol.
#[mcp_tool(read_only, closed_world, public)]
async fn get_price(
    /// Ticker symbol, for example `AAPL`.
    #[param(pattern = "^[A-Z]{1,5}$")]
    symbol: &str,
) -> u32 {
    let _ = symbol;
    66_906
}

const GET: &str = r#"{"name":"get_price","arguments":{"symbol":"AAPL"}}"#;
const ANSWER: &str = "66906";

/// The parameters of a write, under a key if it has one.
fn set(key: Option<u64>) -> String {
    let mut params = r#"{"name":"set_price","arguments":{"symbol":"AAPL","cents":66906}"#.to_owned();
    if let Some(key) = key {
        let _ = write!(params, r#","_meta":{{"{META_KEY}":"bench-{key:012}"}}"#);
    }
    params + "}"
}

fn server(log: Option<&Path>, keys: Option<&Path>, clock: Clock) -> Service {
    let server = Server::new("prices", "1.0.0").sandbox(Sandbox::Off).clock(clock);
    let server = server.tools(tools![set_price, get_price]);
    let server = match log {
        Some(folder) => server.audit(AuditLog::at(folder).quiet()),
        None => server.unaudited(),
    };
    let server = match keys {
        Some(folder) => {
            server.idempotency(KeyStore::at(folder).max_keys_per_caller(u64::MAX).max_keys(u64::MAX))
        }
        None => server.without_idempotency(),
    };
    server.build().expect("the folders can be written")
}

fn main() {
    let parts: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wanted = |part: &str| {
        measurements::is_benchmark_run() && (parts.is_empty() || parts.iter().any(|word| word == part))
    };
    for (part, run) in
        [("durable", durable as fn()), ("replay", replay), ("read", read), ("million", million)]
    {
        if wanted(part) {
            run();
        }
    }
}

/// Sends `calls` writes by many callers at once, each under a key of its own from `first` on if they have keys. Returns the
/// time of all of them, and of each.
fn writes(service: &Service, first: Option<u64>, calls: u64) -> (Duration, Vec<Duration>) {
    let runtime = Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let next = Arc::new(AtomicU64::new(0));
        let mut clients = Vec::new();
        for _ in 0..CALLERS {
            let mut client = BenchClient::declared(service.clone()).await;
            assert!(client.request("tools/call", GET).await.contains(ANSWER));
            clients.push(client);
        }
        let start = Instant::now();
        let callers = clients.into_iter().map(|mut client| {
            let next = Arc::clone(&next);
            tokio::spawn(async move {
                let mut times = Vec::new();
                loop {
                    let call = next.fetch_add(1, Ordering::Relaxed);
                    if call >= calls {
                        return times;
                    }
                    let params = set(first.map(|first| first + call));
                    let start = Instant::now();
                    let answer = client.request("tools/call", &params).await;
                    assert!(answer.contains(ANSWER) && !answer.contains("replayed"), "{answer}");
                    times.push(start.elapsed());
                }
            })
        });
        let mut times = Vec::new();
        for caller in callers.collect::<Vec<_>>() {
            times.extend(caller.await.expect("every call is answered"));
        }
        (start.elapsed(), times)
    })
}

fn per_second(calls: u64, time: Duration) -> f64 {
    f64::from(u32::try_from(calls).expect("a number of calls")) / time.as_secs_f64()
}

fn durable() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut ratios = Vec::new();
    for round in 0..ROUNDS {
        let path = |name: &str| folder.path().join(format!("{name}-{round}"));
        let keyed = || {
            let service = server(Some(&path("log-keyed")), Some(&path("keys")), Clock::default());
            let (time, _) = writes(&service, Some(0), DURABLE_CALLS);
            service.stop_keys();
            service.stop_audit();
            per_second(DURABLE_CALLS, time)
        };
        let audited = |name: &str| {
            let service = server(Some(&path(name)), None, Clock::default());
            let (time, _) = writes(&service, None, DURABLE_CALLS);
            service.stop_audit();
            per_second(DURABLE_CALLS, time)
        };
        // Before and after, since the speed of a shared disk changes from one moment to the next.
        let before = audited("log-before");
        let keyed = keyed();
        let audited = f64::midpoint(before, audited("log-after"));
        println!(
            "{:24} with keys: {keyed:7.0} calls/s   audit log alone: {audited:7.0} calls/s   ratio: {:.2}",
            "durable writes",
            keyed / audited
        );
        ratios.push(keyed / audited);
    }
    ratios.sort_by(f64::total_cmp);
    println!("durable writes           median ratio: {:.2} (at least 0.6)", ratios[ROUNDS / 2]);
}

fn replay() {
    let folder = tempfile::tempdir().expect("a folder");
    let service =
        server(Some(&folder.path().join("log")), Some(&folder.path().join("keys")), Clock::default());
    let side =
        |name, params: String| Workload::call(name, BenchClient::declared(service.clone()), params, ANSWER);
    let [ours, yardstick] =
        measure_in_turns(CALLS_A_TURN, side("replay", set(Some(0))), side("read", GET.to_owned()));
    report("a replay (at most 1.2)", &ours, &yardstick);
}

fn read() {
    let folder = tempfile::tempdir().expect("a folder");
    let with = server(None, Some(&folder.path().join("keys")), Clock::default());
    let without = server(None, None, Clock::default());
    let side = |name, service| Workload::call(name, BenchClient::declared(service), GET, ANSWER);
    let [ours, yardstick] =
        measure_in_turns(CALLS_A_TURN, side("keeps keys", with), side("keeps none", without));
    report("a read call (unchanged)", &ours, &yardstick);
}

fn million() {
    let folder = tempfile::tempdir().expect("a folder");
    let (full, empty, clock) = (folder.path().join("full"), folder.path().join("empty"), Clock::manual());
    let size = || {
        let bytes = fs::metadata(full.join("keys.redb")).expect("it is there").len();
        format!("{} MB", bytes / 1_000_000)
    };
    let service = server(None, Some(&full), clock.clone());
    let (time, _) = writes(&service, Some(0), KEYS);
    println!("{KEYS} keys: {:.0} calls/s, a file of {}", per_second(KEYS, time), size());
    let (_, quiet) = writes(&service, Some(KEYS), MEASURED_CALLS);
    service.stop_keys();
    drop(service);

    server(None, Some(&empty), clock.clone()).stop_keys();
    let (mut of_full, mut of_empty) =
        (Measurements::new("a million keys"), Measurements::new("an empty store"));
    for _ in 0..STARTS {
        for (times, folder) in [(&mut of_full, &full), (&mut of_empty, &empty)] {
            let start = Instant::now();
            let service = server(None, Some(folder), clock.clone());
            times.since(start);
            service.stop_keys();
        }
    }
    report("a start (at most 2)", &of_full, &of_empty);

    // Every key is due: each call prunes some.
    clock.advance(RETENTION);
    let service = server(None, Some(&full), clock.clone());
    let (_, pruning) = writes(&service, Some(2 * KEYS), MEASURED_CALLS);
    let [quiet, pruning] = [quiet, pruning].map(p99);
    println!(
        "a call while pruning     p99: {:.1} ms   before: {:.1} ms   ratio: {:.2} (at most 2)",
        pruning * 1e3,
        quiet * 1e3,
        pruning / quiet
    );
    // The file takes new keys where old ones were removed.
    clock.advance(8 * RETENTION);
    for round in 3..6 {
        writes(&service, Some(round * KEYS), KEYS / 4);
        println!("{} more keys: a file of {}", KEYS / 4, size());
    }
    service.stop_keys();
}

fn p99(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() * 99 / 100].as_secs_f64()
}
