//! The smallest whole server.

use candor::{Server, mcp_tool, tools};

/// Greet a person by name.
#[mcp_tool(read_only, closed_world, public)]
fn hello(
    /// The name of the person.
    name: &str,
) -> String {
    format!("Hello, {name}!")
}

fn main() -> std::process::ExitCode {
    Server::new("hello", env!("CARGO_PKG_VERSION")).tools(tools![hello]).main()
}
