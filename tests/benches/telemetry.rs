//! Measures a call whose line is written beside one whose line is not, a call whose span and metrics go to a collector as well,
//! and the text of the metrics of a thousand tools: `cargo bench -p candor-tests --bench telemetry`.
//!
//! Both sides of the rows *in process* are processes whose client and server share a thread and a pipe in memory, so that a call
//! waits for another core only where its handler runs; one of them has the log of `serve`. `taskset -c 0` shows the time without
//! such waits. The rows *processes* are servers on stdio with the flags
//! of `serve`. Spans and metrics go to a collector in this process, and all lines into a pipe that it reads, as a host does. The
//! argument `otlp SECONDS` after `--` calls the server that sends for a time, for a profiler.

use std::{
    io::{self, BufRead as _, BufReader, PipeReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
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
    workload::{TURNS, Workload, measure_in_turns},
};
use serde_json::json;

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
    if let Some(at) = arguments.iter().position(|argument| argument == "turns") {
        take_turns(&arguments[at + 1..]).expect("its pipes are open");
        return;
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let text = runtime.block_on(metrics_of_a_thousand_tools());
    println!("metrics of 1000 tools    {:9.1} µs", text.median());
    let collector = Collector::start();
    in_process("with lines", &["with-lines"]);
    in_process("with lines, OTLP", &["with-lines", &collector.endpoint()]);
    processes(&collector);
    println!("the collector took {} requests", collector.requests.load(Ordering::Relaxed));
}

/// Measures servers in the processes of their clients, one of which has telemetry.
fn in_process(name: &'static str, telemetry: &[&str]) {
    let mut sides = [Side::start(name, telemetry), Side::start("without lines", &[])];
    for side in &mut sides {
        (0..4).for_each(|_| _ = side.turn());
    }
    for turn in 0..TURNS {
        for at in [turn % 2, (turn + 1) % 2] {
            let side = &mut sides[at];
            side.turn().into_iter().for_each(|time| side.measurements.add(time));
        }
    }
    let [on, off] = sides.map(Side::end);
    report("a call in process", &on, &off);
}

/// A process that calls a server of its own.
struct Side {
    process: Child,
    begin: ChildStdin,
    times: ChildStdout,
    measurements: Measurements,
}

impl Side {
    fn start(name: &'static str, telemetry: &[&str]) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        let (stderr, for_process) = io::pipe().expect("a pipe");
        read_all(stderr);
        command
            .args(["--bench", "turns"])
            .args(telemetry)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(for_process);
        let mut process = command.spawn().expect("it starts");
        let (begin, times) = (process.stdin.take(), process.stdout.take());
        let (begin, times) = (begin.expect("it is piped"), times.expect("it is piped"));
        Self { process, begin, times, measurements: Measurements::new(name) }
    }

    /// Measures the calls of one turn.
    fn turn(&mut self) -> Vec<Duration> {
        self.begin.write_all(b"\n").expect("the process reads");
        let mut times = vec![0; 8 * TURN_CALLS];
        self.times.read_exact(&mut times).expect("the process measures");
        times.as_chunks().0.iter().map(|time| Duration::from_nanos(u64::from_le_bytes(*time))).collect()
    }

    fn end(mut self) -> Measurements {
        drop(self.begin);
        self.process.wait().expect("it ends");
        self.measurements
    }
}

/// Calls a server of this process: a turn for each byte of stdin, whose durations go to stdout. `telemetry` is `with-lines` and
/// the address of a collector, or a part of it.
fn take_turns(telemetry: &[String]) -> io::Result<()> {
    let server = declared::server(Sandbox::Off);
    if !telemetry.is_empty() {
        let endpoint = telemetry.get(1).map(String::as_str);
        assert!(candor::__private::install_telemetry(&server, endpoint), "no other log is installed");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut client = runtime.block_on(BenchClient::declared(server));
    for _ in io::stdin().lock().bytes() {
        let times = runtime.block_on(async {
            let mut times = Vec::with_capacity(8 * TURN_CALLS);
            for _ in 0..TURN_CALLS {
                let start = Instant::now();
                let answer = client.request("tools/call", ARGUMENTS).await;
                let nanoseconds =
                    u64::try_from(start.elapsed().as_nanos()).expect("a call of less than an age");
                assert!(answer.contains(ANSWER), "the server answered {answer}");
                times.extend_from_slice(&nanoseconds.to_le_bytes());
            }
            times
        });
        io::stdout().write_all(&times)?;
        io::stdout().flush()?;
    }
    Ok(())
}

/// Reads a pipe on a thread until it ends.
fn read_all(mut pipe: PipeReader) {
    thread::spawn(move || io::copy(&mut pipe, &mut io::sink()));
}

/// Measures servers that are processes, each with other flags.
fn processes(collector: &Collector) {
    let endpoint = collector.endpoint();
    let call = |name, flags: &[&str]| {
        Workload::call(name, BenchClient::process(server(flags)), ARGUMENTS.to_owned(), ANSWER)
    };
    let off = ["--log-level", "off"];
    let [on, without] = measure_in_turns(TURN_CALLS, call("with lines", &[]), call("without lines", &off));
    report("a call of a process", &on, &without);
    let with_otlp = call("with lines, OTLP", &["--otlp-endpoint", &endpoint]);
    let [on, without] = measure_in_turns(TURN_CALLS, with_otlp, call("without lines", &off));
    report("a call of a process", &on, &without);
}

/// Calls the server that sends to a collector for a time.
fn call_for(time: Duration) {
    let collector = Collector::start();
    let endpoint = collector.endpoint();
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

    fn endpoint(&self) -> String {
        format!("http://{}", self.address)
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
