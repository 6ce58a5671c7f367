//! A server whose seals are set from outside, for tests of what it says of them.
//!
//! `SEALS` holds any of `off`, `required`, `unsealed`, `scratch=FOLDER`, `port=NUMBER`, parted by spaces.

use candor::{Seal, Server, mcp_tool, tools};

/// Look at nothing.
#[mcp_tool(read_only, closed_world, public)]
fn look() {}

/// Write nothing.
#[mcp_tool(additive, public)]
fn put() {}

/// Look at a cache.
#[mcp_tool(read_only, closed_world, public, unsealed = "it keeps a cache on disk")]
fn look_openly() {}

fn main() -> std::process::ExitCode {
    let mut server = Server::new("seals", "1.0.0").unaudited().tools(tools![look, put]);
    for word in std::env::var("SEALS").unwrap_or_default().split_whitespace() {
        server = match word.split_once('=').unwrap_or((word, "")) {
            ("off", _) => server.seal(Seal::Off),
            ("required", _) => server.seal(Seal::Required),
            ("unsealed", _) => server.tools(tools![look_openly]),
            ("scratch", folder) => server.scratch(folder),
            ("port", port) => server.closed_world_ports(port.parse::<u16>()),
            _ => panic!("`{word}` is no setting"),
        };
    }
    server.main()
}
