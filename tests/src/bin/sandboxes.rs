//! A server whose sandbox settings come from the environment, for tests of its report of them.
//!
//! `SANDBOXES` holds any of `off`, `required`, `unsandboxed`, `warnings`, `scratch=FOLDER`, `port=NUMBER` and `open=FILE`, separated by
//! spaces.

use candor::{Sandbox, Server, mcp_tool, tools};

/// Look at nothing.
#[mcp_tool(read_only, closed_world, public)]
fn look() {}

/// Write nothing.
#[mcp_tool(additive, public)]
fn put() {}

/// Look at a cache.
#[mcp_tool(read_only, closed_world, public, unsandboxed = "it keeps a cache on disk")]
fn look_unsandboxed() {}

/// A step of counting.
#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Step {
    /// Its size.
    size: u64,
    unit: String,
}

/// Count to a number that JavaScript does not have.
#[mcp_tool(read_only, closed_world, public)]
fn count(
    /// The number.
    #[param(max = 9_007_199_254_740_993)]
    to: u64,
    /// The step.
    by: Option<Step>,
) -> u64 {
    to + by.map_or(0, |step| step.size + step.unit.len() as u64)
}

fn main() -> std::process::ExitCode {
    let mut server = Server::new("sandboxes", "1.0.0").unaudited().tools(tools![look, put]);
    let mut files = Vec::new();
    for word in std::env::var("SANDBOXES").unwrap_or_default().split_whitespace() {
        server = match word.split_once('=').unwrap_or((word, "")) {
            ("off", _) => server.sandbox(Sandbox::Off),
            ("required", _) => server.sandbox(Sandbox::Required),
            ("unsandboxed", _) => server.tools(tools![look_unsandboxed]),
            ("warnings", _) => server.tools(tools![count]),
            ("scratch", folder) => server.scratch(folder),
            ("open", path) => {
                files.push(std::fs::File::options().append(true).open(path));
                server
            }
            ("port", port) => server.closed_world_ports(port.parse::<u16>()),
            _ => panic!("`{word}` is not a setting"),
        };
    }
    server.main()
}
