//! What a read call costs with everything enforced, and with everything but the kernel's seal, beside the same call on
//! bare rmcp: `cargo bench -p candor-tests --bench call`.
//!
//! Waking another CPU costs more than all else a call does, and how much changes from moment to moment; on one CPU the
//! difference is steady: `taskset -c 0 cargo bench -p candor-tests --bench call`.
//!
//! Where time still is too noisy, instructions tell: the difference of two counts of calls is what the calls between
//! them cost. Build with `cargo bench -p candor-tests --bench call --no-run`, then with the binary it names
//! `valgrind --tool=callgrind BINARY count declared get_price 1000`, the same with `2000`, and both with `bare`.

use std::time::Instant;

use candor::Seal;
use tokio::runtime::Builder;

use candor_tests::twin::{
    self,
    client::Client,
    side_by_side::{self, Side, report},
};

const TOOLS: [&str; 2] = ["get_price", "get_price_async"];
const BLOCKS: usize = 60;
const CALLS_A_BLOCK: usize = 500;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, side, tool, calls, ..] = arguments.as_slice()
        && mode == "count"
    {
        let calls = calls.parse().expect("a number of calls");
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(count(side, tool, calls));
    } else if side_by_side::wanted() {
        for tool in TOOLS {
            compare("declared", tool);
            compare("unsealed", tool);
        }
    }
}

fn compare(ours: &'static str, tool: &str) {
    let params = params(tool);
    // A runtime each: threads that one side wakes are not there to serve the other.
    let mut sides = [ours, "bare"].map(|name| {
        let runtime = Builder::new_multi_thread().enable_all().build().expect("a runtime");
        let mut client = runtime.block_on(connect(name));
        runtime.block_on(async {
            for _ in 0..2_000 {
                answered(name, client.ask("tools/call", &params).await);
            }
        });
        (Side::new(name), client, runtime)
    });
    for block in 0..BLOCKS {
        for at in [block % 2, (block + 1) % 2] {
            let (side, client, runtime) = &mut sides[at];
            runtime.block_on(async {
                for _ in 0..CALLS_A_BLOCK {
                    let start = Instant::now();
                    client.ask("tools/call", &params).await;
                    side.since(start);
                }
            });
        }
    }
    let [(ours, ..), (bare, ..)] = sides;
    report(tool, &ours, &bare);
}

fn params(tool: &str) -> String {
    format!(r#"{{"name":"{tool}","arguments":{{"symbol":"AAPL","lots":3}}}}"#)
}

async fn connect(side: &str) -> Client {
    match side {
        "declared" => Client::declared(twin::declared::server(Seal::WhereAvailable)).await,
        "unsealed" => Client::declared(twin::declared::server(Seal::Off)).await,
        "bare" => Client::bare(twin::bare::server()).await,
        other => panic!("`{other}` is none of `declared`, `unsealed` and `bare`"),
    }
}

async fn count(side: &str, tool: &str, calls: usize) {
    let params = params(tool);
    let mut client = connect(side).await;
    for _ in 0..calls {
        answered(side, client.ask("tools/call", &params).await);
    }
}

/// A benchmark of refusals would flatter whoever refuses.
fn answered(side: &str, answer: &str) {
    assert!(answer.contains(r#""close":669.06"#), "{side} answered {answer}");
}
