//! Measures one read call with everything enforced, with everything but the kernel's sandbox, and on bare rmcp:
//! `cargo bench -p candor-tests --bench call`.
//!
//! Waking another CPU costs more than the rest of a call, and this cost varies. On one CPU the difference is steady:
//! `taskset -c 0 cargo bench -p candor-tests --bench call`.
//!
//! If the times are still too noisy, count instructions: the difference between two runs with a different number of calls
//! is the cost of the additional calls. Build with `cargo bench -p candor-tests --bench call --no-run`. Run the binary that
//! cargo prints under `valgrind --tool=callgrind BINARY count declared get_price 1000`, then with `2000`, and repeat both
//! with `bare`.

use candor::Sandbox;
use tokio::runtime::Builder;

use candor_tests::comparison::{
    self,
    bench_client::BenchClient,
    measurements::{self, report},
    workload::{Workload, measure_in_turns},
};

const TOOLS: [&str; 2] = ["get_price", "get_price_async"];
const ANSWER: &str = r#""close":669.06"#;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, side, tool, calls, ..] = arguments.as_slice()
        && mode == "count"
    {
        let calls = calls.parse().expect("a number of calls");
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(count(side, tool, calls));
    } else if measurements::is_benchmark_run() {
        for tool in TOOLS {
            compare("declared", tool);
            compare("unsandboxed", tool);
        }
    }
}

fn compare(ours: &'static str, tool: &str) {
    let workload = |side| Workload::call(side, connect(side), params(tool), ANSWER);
    let [ours, bare] = measure_in_turns(500, workload(ours), workload("bare"));
    report(tool, &ours, &bare);
}

fn params(tool: &str) -> String {
    format!(r#"{{"name":"{tool}","arguments":{{"symbol":"AAPL","lots":3}}}}"#)
}

async fn connect(side: &str) -> BenchClient {
    match side {
        "declared" => BenchClient::declared(comparison::declared::server(Sandbox::WhereAvailable)).await,
        "unsandboxed" => BenchClient::declared(comparison::declared::server(Sandbox::Off)).await,
        "bare" => BenchClient::bare(comparison::bare::server()).await,
        other => panic!("expected `declared`, `unsandboxed` or `bare`, not `{other}`"),
    }
}

async fn count(side: &str, tool: &str, calls: usize) {
    let params = params(tool);
    let mut client = connect(side).await;
    for _ in 0..calls {
        let answer = client.request("tools/call", &params).await;
        assert!(answer.contains(ANSWER), "{side} answered {answer}");
    }
}
