//! Measures a call whose line is written beside one whose line is not, and the text of the metrics of a thousand tools:
//! `cargo bench -p candor-tests --bench telemetry`.

use std::{io, time::Instant};

use candor::{Revision, Sandbox, testing::Client};
use candor_tests::comparison::{
    bench_client::BenchClient,
    declared,
    measurements::{self, Measurements, report},
    thousand_tools,
    workload::{Workload, measure_in_turns},
};
use serde_json::json;

const ARGUMENTS: &str = r#"{"name":"get_price_async","arguments":{"symbol":"AAPL","lots":3}}"#;

fn main() {
    if !measurements::is_benchmark_run() {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let text = runtime.block_on(metrics_of_a_thousand_tools());
    println!("metrics of 1000 tools    {:9.1} µs", text.median());
    let off = calls("without lines");
    // A subscriber stays for the rest of the process.
    tracing_subscriber::fmt().json().with_writer(io::sink).init();
    let on = calls("with lines");
    report("a call", &on, &off);
}

/// Measures calls of one server beside those of another that is the same, so that the processor is as busy as elsewhere.
fn calls(name: &'static str) -> Measurements {
    let call = |name| {
        let server = BenchClient::declared(declared::server(Sandbox::Off));
        Workload::call(name, server, ARGUMENTS.to_owned(), "669.06")
    };
    let [calls, _] = measure_in_turns(2_000, call(name), call(name));
    calls
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
