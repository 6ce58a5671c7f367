//! What a thousand tools cost: a call beside one of two tools, and `tools/list` beside the same list on bare rmcp:
//! `cargo bench -p candor-tests --bench scale`.

use std::time::Instant;

use candor::Seal;
use tokio::runtime::{Builder, Runtime};

use candor_tests::twin::{
    bare,
    client::Client,
    declared, many,
    side_by_side::{self, Side, report},
};

const BLOCKS: usize = 40;

fn main() {
    if !side_by_side::wanted() {
        return;
    }
    let call = |tool| format!(r#"{{"name":"{tool}","arguments":{{"symbol":"AAPL","lots":3}}}}"#);
    let (few, many) = compare(
        500,
        Asked::of("1000 tools", Client::declared(many::declared()), "tools/call", &call("t777")),
        Asked::of(
            "2 tools",
            Client::declared(declared::server(Seal::Off)),
            "tools/call",
            &call("get_price_async"),
        ),
    );
    report("a call", &few, &many);
    let (declared, bare) = compare(
        10,
        Asked::of("declared", Client::declared(many::declared()), "tools/list", "{}"),
        Asked::of("bare", Client::bare(many::bare()), "tools/list", "{}"),
    );
    report("a list of 1000 tools", &declared, &bare);
    let (declared, bare) = compare(
        500,
        Asked::of("declared", Client::declared(declared::server(Seal::Off)), "tools/list", "{}"),
        Asked::of("bare", Client::bare(bare::server()), "tools/list", "{}"),
    );
    report("a list of 2 tools", &declared, &bare);
}

/// One question to one server, on a runtime of its own.
struct Asked {
    side: Side,
    runtime: Runtime,
    client: Client,
    method: &'static str,
    params: String,
}

impl Asked {
    fn of(
        name: &'static str,
        client: impl Future<Output = Client>,
        method: &'static str,
        params: &str,
    ) -> Self {
        let runtime = Builder::new_multi_thread().enable_all().build().expect("a runtime");
        let mut client = runtime.block_on(client);
        let answer = runtime.block_on(client.ask(method, params));
        assert!(answer.contains("669.06") || answer.contains("inputSchema"), "{name} answered {answer}");
        if method == "tools/list" {
            println!("{name:24} {method}: {} bytes", answer.len());
        }
        Self { side: Side::new(name), runtime, client, method, params: params.to_owned() }
    }

    fn ask(&mut self, times: usize) {
        let Self { side, runtime, client, method, params } = self;
        runtime.block_on(async {
            for _ in 0..times {
                let start = Instant::now();
                client.ask(method, params).await;
                side.since(start);
            }
        });
    }
}

fn compare(calls_a_block: usize, mut ours: Asked, mut yardstick: Asked) -> (Side, Side) {
    for block in 0..BLOCKS {
        if block == 1 {
            // The first block warmed everything up.
            (ours.side, yardstick.side) = (Side::new(ours.side.name), Side::new(yardstick.side.name));
        }
        if block % 2 == 0 {
            ours.ask(calls_a_block);
            yardstick.ask(calls_a_block);
        } else {
            yardstick.ask(calls_a_block);
            ours.ask(calls_a_block);
        }
    }
    (ours.side, yardstick.side)
}
