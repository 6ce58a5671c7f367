//! What a read call costs with everything enforced, and with everything but the kernel's sandbox, beside the same call on
//! bare rmcp: `cargo bench -p candor-tests --bench call`.
//!
//! Waking another CPU costs more than all else a call does, and how much changes from moment to moment; on one CPU the
//! difference is steady: `taskset -c 0 cargo bench -p candor-tests --bench call`.
//!
//! Where time still is too noisy, instructions tell: the difference of two counts of calls is what the calls between
//! them cost. Build with `cargo bench -p candor-tests --bench call --no-run`, then with the binary it names
//! `valgrind --tool=callgrind BINARY count declared get_price 1000`, the same with `2000`, and both with `bare`.

use candor::Sandbox;
use tokio::runtime::Builder;

use candor_tests::twin::{
    self,
    asked::{Asked, in_turns},
    client::Client,
    side_by_side::{self, report},
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
    } else if side_by_side::wanted() {
        for tool in TOOLS {
            compare("declared", tool);
            compare("unsandboxed", tool);
        }
    }
}

fn compare(ours: &'static str, tool: &str) {
    let side = |name| Asked::call(name, connect(name), params(tool), ANSWER);
    let [ours, bare] = in_turns(500, side(ours), side("bare"));
    report(tool, &ours, &bare);
}

fn params(tool: &str) -> String {
    format!(r#"{{"name":"{tool}","arguments":{{"symbol":"AAPL","lots":3}}}}"#)
}

async fn connect(side: &str) -> Client {
    match side {
        "declared" => Client::declared(twin::declared::server(Sandbox::WhereAvailable)).await,
        "unsandboxed" => Client::declared(twin::declared::server(Sandbox::Off)).await,
        "bare" => Client::bare(twin::bare::server()).await,
        other => panic!("`{other}` is none of `declared`, `unsandboxed` and `bare`"),
    }
}

async fn count(side: &str, tool: &str, calls: usize) {
    let params = params(tool);
    let mut client = connect(side).await;
    for _ in 0..calls {
        let answer = client.ask("tools/call", &params).await;
        assert!(answer.contains(ANSWER), "{side} answered {answer}");
    }
}
