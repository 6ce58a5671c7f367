//! What a thousand tools cost: a call beside one of two tools, and `tools/list` beside the same list on bare rmcp:
//! `cargo bench -p candor-tests --bench scale`.

use candor::Sandbox;

use candor_tests::twin::{
    asked::{Asked, in_turns},
    bare,
    client::Client,
    declared, many,
    side_by_side::{self, report},
};

fn main() {
    if !side_by_side::wanted() {
        return;
    }
    let params = |tool| format!(r#"{{"name":"{tool}","arguments":{{"symbol":"AAPL","lots":3}}}}"#);
    let call = |name, server, tool| Asked::call(name, Client::declared(server), params(tool), "669.06");
    let [many, few] = in_turns(
        500,
        call("1000 tools", many::declared(), "t777"),
        call("2 tools", declared::server(Sandbox::Off), "get_price_async"),
    );
    report("a call", &many, &few);
    let [declared, bare] = in_turns(
        10,
        list("declared", Client::declared(many::declared())),
        list("bare", Client::bare(many::bare())),
    );
    report("a list of 1000 tools", &declared, &bare);
    let [declared, bare] = in_turns(
        500,
        list("declared", Client::declared(declared::server(Sandbox::Off))),
        list("bare", Client::bare(bare::server())),
    );
    report("a list of 2 tools", &declared, &bare);
}

fn list(name: &'static str, client: impl Future<Output = Client>) -> Asked {
    Asked::of(name, client, "tools/list", "{}", "inputSchema")
}
