//! Measures the cost of the audit log: `cargo bench -p candor-tests --bench audit`, or one part of it with its name after
//! `--`: `durable`, `read`, `verify`.
//!
//! `durable` compares calls that wait for the disk, 64 callers at once, with a bare loop that writes and syncs the same
//! batches of records. `read` compares a read call that is recorded with one that is not. `verify` compares `audit verify` of
//! a million records with SHA-256 of the same bytes. The logs are in the folder that `TMPDIR` names. On a file system in
//! memory a sync costs nothing, and the first part measures nothing.

use std::{
    fs::{self, File, OpenOptions},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use candor::{AuditLog, Sandbox, Server, Service, mcp_tool, tools};
use candor_tests::comparison::{
    bench_client::BenchClient,
    measurements::{self, Measurements, report},
    workload::{TURNS, Workload, measure_in_turns},
};
use sha2::{Digest as _, Sha256};
use tokio::runtime::Builder;

const CALLERS: u32 = 64;
const DURABLE_CALLS: u32 = 10_000;
const ROUNDS: usize = 15;
const READS_A_TURN: usize = 500;
const RECORDS: u32 = 1_000_000;

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
fn get_price(
    /// Ticker symbol, for example `AAPL`.
    #[param(pattern = "^[A-Z]{1,5}$")]
    symbol: &str,
) -> u32 {
    let _ = symbol;
    66_906
}

const SET: &str = r#"{"name":"set_price","arguments":{"symbol":"AAPL","cents":66906}}"#;
const GET: &str = r#"{"name":"get_price","arguments":{"symbol":"AAPL"}}"#;

fn server(log: Option<&Path>) -> Service {
    let server = Server::new("prices", "1.0.0").sandbox(Sandbox::Off).tools(tools![set_price, get_price]);
    let server = match log {
        Some(folder) => server.audit(AuditLog::at(folder).quiet()),
        None => server.unaudited(),
    };
    server.build().expect("the folder can be written")
}

fn main() {
    let parts: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wanted = |part: &str| {
        measurements::is_benchmark_run() && (parts.is_empty() || parts.iter().any(|word| word == part))
    };
    for (part, run) in [("durable", durable as fn()), ("read", read), ("verify", verify)] {
        if wanted(part) {
            run();
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    Builder::new_multi_thread().enable_all().build().expect("a runtime")
}

/// Measures the time of `calls` calls by many callers at once.
fn calls(service: &Service, params: &'static str, calls: u32) -> Duration {
    runtime().block_on(async {
        static LEFT: AtomicU32 = AtomicU32::new(0);
        LEFT.store(calls, Ordering::Relaxed);
        let mut clients = Vec::new();
        for _ in 0..CALLERS {
            let mut client = BenchClient::declared(service.clone()).await;
            assert!(client.request("tools/call", params).await.contains("66906"));
            clients.push(client);
        }
        let start = Instant::now();
        let callers = clients.into_iter().map(|mut client| {
            tokio::spawn(async move {
                while LEFT
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                    .is_ok()
                {
                    let answer = client.request("tools/call", params).await;
                    assert!(answer.contains("66906"), "{answer}");
                }
            })
        });
        for caller in callers.collect::<Vec<_>>() {
            caller.await.expect("every call is answered");
        }
        start.elapsed()
    })
}

fn durable() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut ratios = Vec::new();
    for round in 0..ROUNDS {
        let log = folder.path().join(format!("audit-{round}"));
        let service = server(Some(&log));
        let ours = calls(&service, SET, DURABLE_CALLS);
        service.stop_audit();
        let batches = batches(&log);
        let records: u32 = batches.iter().map(|batch| lines(batch)).sum();
        // Twice, since the speed of a shared disk changes from one moment to the next.
        let bare =
            ["once", "twice"].map(|time| bare(&folder.path().join(format!("{time}-{round}")), &batches));
        let bare = (bare[0] + bare[1]) / 2;
        // The log also holds each caller's first call, and the records of its start and stop.
        let share = ours.as_secs_f64() * f64::from(records) / f64::from(2 * DURABLE_CALLS);
        println!(
            "{:24} ours: {:7.0} calls/s in batches of {:.1} records   bare loop: {:7.0} calls/s   ratio: {:.2}",
            "durable writes",
            f64::from(DURABLE_CALLS) / ours.as_secs_f64(),
            f64::from(records) / f64::from(u32::try_from(batches.len()).expect("a number of batches")),
            f64::from(records) / 2.0 / bare.as_secs_f64(),
            bare.as_secs_f64() / share
        );
        ratios.push(bare.as_secs_f64() / share);
    }
    ratios.sort_by(f64::total_cmp);
    println!("durable writes           median ratio: {:.2}", ratios[ROUNDS / 2]);
}

fn lines(batch: &[u8]) -> u32 {
    batch.split_inclusive(|&byte| byte == b'\n').map(|_| 1).sum()
}

/// Returns the batches of a log. The records of one batch have the same time.
fn batches(log: &Path) -> Vec<Vec<u8>> {
    let mut batches: Vec<(String, Vec<u8>)> = Vec::new();
    for segment in segments(log) {
        for line in BufReader::new(File::open(segment).expect("it is there")).lines() {
            let line = line.expect("it is text");
            let ts = line.split_once("\"ts\":\"").expect("a record has a time").1[..27].to_owned();
            match batches.last_mut() {
                Some((last, batch)) if *last == ts => batch.extend_from_slice(line.as_bytes()),
                _ => batches.push((ts, line.into_bytes())),
            }
            batches.last_mut().expect("one was pushed").1.push(b'\n');
        }
    }
    batches.into_iter().map(|(_, batch)| batch).collect()
}

fn segments(log: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(log).expect("there is a log").map(|entry| entry.expect("it can be read").path());
    let mut segments: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "jsonl")).collect();
    segments.sort();
    segments
}

/// Writes and syncs each batch.
fn bare(path: &Path, batches: &[Vec<u8>]) -> Duration {
    let mut file = OpenOptions::new().append(true).create_new(true).open(path).expect("a file");
    let start = Instant::now();
    for batch in batches {
        file.write_all(batch).and_then(|()| file.sync_data()).expect("the disk works");
    }
    start.elapsed()
}

fn read() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("audit");
    let service = server(Some(&log));
    let side = |name, service| Workload::call(name, BenchClient::declared(service), GET, "66906");
    let [ours, bare] =
        measure_in_turns(READS_A_TURN, side("recorded", service.clone()), side("unaudited", server(None)));
    report("a read call", &ours, &bare);
    service.stop_audit();
    let records = batches(&log).iter().map(|batch| lines(batch)).sum::<u32>();
    assert!(records as usize >= 2 * TURNS * READS_A_TURN, "every call was recorded: {records}");
}

fn verify() {
    let folder = tempfile::tempdir().expect("a folder");
    let (plain, signed) = (folder.path().join("plain"), folder.path().join("signed"));
    ledger(&["audit", "key", "new", signed.to_str().expect("a plain name")], 0);
    for log in [&plain, &signed] {
        let service = server(Some(log));
        // Some records are left out if the disk stalls for a moment.
        calls(&service, GET, RECORDS / 2 + RECORDS / 50);
        service.stop_audit();
    }
    for (name, log) in [("chained", &plain), ("signed", &signed)] {
        let path = log.to_str().expect("a plain name");
        let (mut sha, mut one, mut all) =
            (Measurements::new("SHA-256"), Measurements::new("one thread"), Measurements::new("all threads"));
        let mut most = 0;
        for _ in 0..5 {
            let start = Instant::now();
            hash(log);
            sha.since(start);
            let start = Instant::now();
            most = most.max(ledger(&["audit", "verify", path, "--threads", "1"], RECORDS));
            one.since(start);
            let start = Instant::now();
            most = most.max(ledger(&["audit", "verify", path], RECORDS));
            all.since(start);
        }
        let bytes: u64 =
            segments(log).iter().map(|path| fs::metadata(path).expect("it is there").len()).sum();
        println!(
            "audit verify, {name}: {RECORDS} records, {} MB; at most {most} kB resident",
            bytes / 1_000_000
        );
        report("  audit verify", &one, &sha);
        report("  audit verify", &all, &sha);
    }
}

/// Computes SHA-256 of all bytes of a log.
fn hash(log: &Path) {
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 512 * 1024]);
    for segment in segments(log) {
        let mut file = File::open(segment).expect("it is there");
        loop {
            match file.read(&mut buffer).expect("it can be read") {
                0 => break,
                read => hash.update(&buffer[..read]),
            }
        }
    }
    std::hint::black_box(hash.finalize());
}

/// Runs a command, which must succeed and see this many records. Returns the most memory that it had, in kB.
fn ledger(arguments: &[&str], records: u32) -> u64 {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ledger"))
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    while child.try_wait().expect("it can be waited for").is_none() {
        let now = fs::read_to_string(&status).unwrap_or_default();
        let peak = now
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
        most = most.max(peak.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(2));
    }
    let output = child.wait_with_output().expect("it ends");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{stdout}");
    let seen = stdout.lines().find_map(|line| line.trim().split_once(" records in ")?.0.parse::<u64>().ok());
    assert!(seen.unwrap_or(0) >= u64::from(records), "{stdout}");
    most
}
