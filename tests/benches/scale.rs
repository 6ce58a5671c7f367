//! Measures a server of a thousand tools: a call beside one on a server of two tools, and `tools/list` beside the same
//! list on bare rmcp: `cargo bench -p candor-tests --bench scale`.

use candor::Sandbox;

use candor_tests::comparison::{
    bare,
    bench_client::BenchClient,
    declared,
    measurements::{self, report},
    thousand_tools,
    workload::{Workload, measure_in_turns},
};

fn main() {
    if !measurements::is_benchmark_run() {
        return;
    }
    let params = |tool| format!(r#"{{"name":"{tool}","arguments":{{"symbol":"AAPL","lots":3}}}}"#);
    let call =
        |name, server, tool| Workload::call(name, BenchClient::declared(server), params(tool), "669.06");
    let [thousand, two] = measure_in_turns(
        500,
        call("1000 tools", thousand_tools::declared(), "t777"),
        call("2 tools", declared::server(Sandbox::Off), "get_price_async"),
    );
    report("a call", &thousand, &two);
    let [declared, bare] = measure_in_turns(
        10,
        list("declared", BenchClient::declared(thousand_tools::declared())),
        list("bare", BenchClient::bare(thousand_tools::bare())),
    );
    report("a list of 1000 tools", &declared, &bare);
    let [declared, bare] = measure_in_turns(
        500,
        list("declared", BenchClient::declared(declared::server(Sandbox::Off))),
        list("bare", BenchClient::bare(bare::server())),
    );
    report("a list of 2 tools", &declared, &bare);
}

fn list(name: &'static str, client: impl Future<Output = BenchClient>) -> Workload {
    Workload::new(name, client, "tools/list", "{}", "inputSchema")
}
