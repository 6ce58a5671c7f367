//! A server whose sandboxes are set from outside, for tests of what it says of them.
//!
//! `SANDBOXES` holds any of `off`, `required`, `unsandboxed`, `scratch=FOLDER`, `port=NUMBER`, parted by spaces.

use candor::{Sandbox, Server, mcp_tool, tools};

/// Look at nothing.
#[mcp_tool(read_only, closed_world, public)]
fn look() {}

/// Write nothing.
#[mcp_tool(additive, public)]
fn put() {}

/// Look at a cache.
#[mcp_tool(read_only, closed_world, public, unsandboxed = "it keeps a cache on disk")]
fn look_openly() {}

fn main() -> std::process::ExitCode {
    let mut server = Server::new("sandboxes", "1.0.0").unaudited().tools(tools![look, put]);
    for word in std::env::var("SANDBOXES").unwrap_or_default().split_whitespace() {
        server = match word.split_once('=').unwrap_or((word, "")) {
            ("off", _) => server.sandbox(Sandbox::Off),
            ("required", _) => server.sandbox(Sandbox::Required),
            ("unsandboxed", _) => server.tools(tools![look_openly]),
            ("scratch", folder) => server.scratch(folder),
            ("port", port) => server.closed_world_ports(port.parse::<u16>()),
            _ => panic!("`{word}` is no setting"),
        };
    }
    server.main()
}
