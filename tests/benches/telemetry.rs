//! Measures a call whose line is written beside one whose line is not, a call whose span and metrics go to a collector as well,
//! and the text of the metrics of a thousand tools: `cargo bench -p candor-tests --bench telemetry`.
//!
//! The rows *in process* are one process, whose client and server share a pipe in memory. The rows *processes* are servers on
//! stdio with the flags of `serve`, one of which sends to a collector in this process. The argument `otlp SECONDS` after `--` calls
//! that one alone for a time, for a profiler.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use candor::{Revision, Sandbox, testing::Client};
use candor_tests::comparison::{
    bench_client::BenchClient,
    declared,
    measurements::{self, Measurements, report},
    thousand_tools,
    workload::{Workload, measure_in_turns},
};
use serde_json::json;
use tracing::{Level, Metadata};
use tracing_subscriber::{
    Layer as _, filter::filter_fn, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

const ARGUMENTS: &str = r#"{"name":"get_price_async","arguments":{"symbol":"AAPL","lots":3}}"#;
const ANSWER: &str = "669.06";
/// The calls of each turn.
const TURN_CALLS: usize = 2_000;

fn main() {
    if !measurements::is_benchmark_run() {
        return;
    }
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "otlp") {
        let seconds = arguments.get(at + 1).and_then(|seconds| seconds.parse().ok());
        call_for(Duration::from_secs(seconds.expect("a number of seconds")));
        return;
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let text = runtime.block_on(metrics_of_a_thousand_tools());
    println!("metrics of 1000 tools    {:9.1} µs", text.median());
    processes();
    let off = calls("without lines");
    // The lines of `serve`, without spans and without those of libraries. A subscriber stays for the rest of the process.
    let lines = fmt::layer().json().flatten_event(true).with_current_span(false).with_span_list(false);
    let is_written = |metadata: &Metadata<'_>| {
        !metadata.is_span() && *metadata.level() <= Level::INFO && metadata.target().starts_with("candor")
    };
    let lines =
        lines.with_writer(io::sink).with_filter(filter_fn(is_written).with_max_level_hint(Level::INFO));
    tracing_subscriber::registry().with(lines).init();
    let on = calls("with lines");
    report("a call in process", &on, &off);
}

/// Measures calls of one server beside those of another that is the same, so that the processor is as busy as elsewhere.
fn calls(name: &'static str) -> Measurements {
    let call = |name| {
        let server = BenchClient::declared(declared::server(Sandbox::Off));
        Workload::call(name, server, ARGUMENTS.to_owned(), ANSWER)
    };
    let [calls, _] = measure_in_turns(TURN_CALLS, call(name), call(name));
    calls
}

/// Measures servers that are processes, each with other flags.
fn processes() {
    let collector = Collector::start();
    let endpoint = format!("http://{}", collector.address);
    let call = |name, flags: &[&str]| {
        Workload::call(name, BenchClient::process(server(flags)), ARGUMENTS.to_owned(), ANSWER)
    };
    let off = ["--log-level", "off"];
    let [on, without] = measure_in_turns(TURN_CALLS, call("with lines", &[]), call("without lines", &off));
    report("a call of a process", &on, &without);
    let with_otlp = call("with lines, OTLP", &["--otlp-endpoint", &endpoint]);
    let [on, without] = measure_in_turns(TURN_CALLS, with_otlp, call("without lines", &off));
    report("a call of a process", &on, &without);
    println!("the collector took {} requests", collector.requests.load(Ordering::Relaxed));
}

/// Calls the server that sends to a collector for a time.
fn call_for(time: Duration) {
    let collector = Collector::start();
    let endpoint = format!("http://{}", collector.address);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let mut client = BenchClient::process(server(&["--otlp-endpoint", &endpoint])).await;
        println!("process {}", client.process_id().expect("it runs"));
        let (start, mut calls) = (Instant::now(), 0_u64);
        while start.elapsed() < time {
            client.request("tools/call", ARGUMENTS).await;
            calls += 1;
        }
        println!("{calls} calls, {} requests", collector.requests.load(Ordering::Relaxed));
    });
}

fn server(flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_declared_http"));
    command.args(["serve", "--grant", "read:prices"]).args(flags);
    command.env("UNSANDBOXED", "1").env_remove("RUST_LOG");
    command
}

/// Takes everything, and keeps nothing.
struct Collector {
    address: SocketAddr,
    requests: Arc<AtomicU64>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let requests = Arc::<AtomicU64>::default();
        let counted = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let counted = Arc::clone(&counted);
                // A connection that breaks was closed by its server.
                thread::spawn(move || take(stream, &counted));
            }
        });
        Self { address, requests }
    }
}

/// Reads the requests of one connection, and answers each.
fn take(stream: TcpStream, requests: &AtomicU64) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut length, mut line) = (0, String::new());
        while stream.read_line(&mut line)? > 2 {
            let header = line.to_ascii_lowercase();
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or_default();
            }
            line.clear();
        }
        if line.is_empty() {
            return Ok(());
        }
        io::copy(&mut stream.by_ref().take(length), &mut io::sink())?;
        requests.fetch_add(1, Ordering::Relaxed);
        let kind = "content-type: application/x-protobuf";
        let answer = format!("HTTP/1.1 200 OK\r\n{kind}\r\ncontent-length: 0\r\n\r\n");
        stream.get_mut().write_all(answer.as_bytes())?;
    }
}

/// Measures the text after one call of each tool, which gives each a histogram.
async fn metrics_of_a_thousand_tools() -> Measurements {
    let service = thousand_tools::declared();
    let client = Client::to(service.clone(), Revision::V2026_07_28).await;
    for tool in 0..1_000 {
        let arguments = json!({"symbol": "AAPL", "lots": 3});
        client.call(&format!("t{tool:03}"), arguments).await.expect("the tool answers");
    }
    let mut times = Measurements::new("text");
    for _ in 0..100 {
        let start = Instant::now();
        std::hint::black_box(service.metrics());
        times.since(start);
    }
    times
}
