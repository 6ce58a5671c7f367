//! Sends one request again and again to each of two servers, in turns, and measures how long the answers take.

use std::time::Instant;

use tokio::runtime::{Builder, Runtime};

use super::{bench_client::BenchClient, measurements::Measurements};

/// The number of turns of each side.
pub const TURNS: usize = 60;

/// One request to one server. Each workload has its own runtime, so that the threads of one side do not serve the other.
pub struct Workload {
    measurements: Measurements,
    runtime: Runtime,
    client: BenchClient,
    method: &'static str,
    params: String,
    expected: &'static str,
}

impl Workload {
    /// Connects the client, and sends the request once: its answer must contain `expected`.
    ///
    /// # Panics
    ///
    /// The answer does not contain `expected`.
    pub fn new(
        name: &'static str,
        client: impl Future<Output = BenchClient>,
        method: &'static str,
        params: impl Into<String>,
        expected: &'static str,
    ) -> Self {
        let runtime = Builder::new_multi_thread().enable_all().build().expect("a runtime");
        let client = runtime.block_on(client);
        let measurements = Measurements::new(name);
        let mut workload = Self { measurements, runtime, client, method, params: params.into(), expected };
        let bytes = workload.check(1);
        if method == "tools/list" {
            println!("{name:24} {method}: {bytes} bytes");
        }
        workload
    }

    /// As [`Workload::new`], for a `tools/call`.
    ///
    /// # Panics
    ///
    /// The answer does not contain `expected`.
    pub fn call(
        name: &'static str,
        client: impl Future<Output = BenchClient>,
        params: impl Into<String>,
        expected: &'static str,
    ) -> Self {
        Self::new(name, client, "tools/call", params, expected)
    }

    /// Sends the request without measuring it, and checks each answer: a server that refuses everything would be fast.
    /// Returns the length of the last answer.
    fn check(&mut self, times: usize) -> usize {
        let Self { measurements, runtime, client, method, params, expected } = self;
        runtime.block_on(async {
            let mut bytes = 0;
            for _ in 0..times {
                let answer = client.request(method, params).await;
                assert!(answer.contains(*expected), "{} answered {answer}", measurements.name);
                bytes = answer.len();
            }
            bytes
        })
    }

    fn measure(&mut self, times: usize) {
        let Self { measurements, runtime, client, method, params, .. } = self;
        runtime.block_on(async {
            for _ in 0..times {
                let start = Instant::now();
                client.request(method, params).await;
                measurements.since(start);
            }
        });
    }
}

/// Measures both workloads, `times` requests a turn, after four turns of each to warm up.
pub fn measure_in_turns(times: usize, ours: Workload, yardstick: Workload) -> [Measurements; 2] {
    let mut both = [ours, yardstick];
    for workload in &mut both {
        workload.check(4 * times);
    }
    for turn in 0..TURNS {
        for at in [turn % 2, (turn + 1) % 2] {
            both[at].measure(times);
        }
    }
    both.map(|workload| workload.measurements)
}
