//! Serves tools whose calls are recorded, for tests of the audit log that need a real process.

use candor::{Server, mcp_tool, tools};

/// Enter a number in the ledger.
#[mcp_tool(additive, closed_world, public)]
fn enter(
    /// The number.
    n: u64,
    /// The purpose of the number.
    text: Option<String>,
    /// A secret word.
    #[param(secret)]
    word: Option<String>,
) -> u64 {
    drop((text, word));
    n
}

/// Look a number up.
#[mcp_tool(read_only, closed_world, public)]
fn look(
    /// The number.
    n: u64,
) -> u64 {
    n
}

/// Open the drawer.
#[mcp_tool(additive, closed_world, scope = "write:drawer")]
fn open_drawer() {}

/// Shout in the shop, after asking.
#[mcp_tool(additive, closed_world, public, confirm = "always")]
fn shout(
    /// Any text.
    text: &str,
) -> usize {
    text.len()
}

fn main() -> std::process::ExitCode {
    Server::new("ledger", "1.0.0").tools(tools![enter, look, open_drawer, shout]).main()
}
