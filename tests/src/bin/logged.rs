//! A server whose tools fail with what they were given and write lines of their own. With `LOGGED_OWN`, the program has a
//! subscriber of its own.

use std::process::ExitCode;

use candor::{Server, ToolError, mcp_tool, tools};

/// Fail with a text.
#[mcp_tool(read_only, closed_world, public)]
fn repeat(
    /// The text of the error.
    text: &str,
    /// A secret word.
    #[param(secret)]
    word: &str,
) -> Result<usize, ToolError> {
    tracing::info!(letters = word.len(), colour = %"\u{1b}[31mred", "the program writes");
    Err(ToolError::new(format!("cannot repeat {text}")))
}

fn main() -> ExitCode {
    if std::env::var_os("LOGGED_OWN").is_some() {
        let lines = tracing_subscriber::fmt().with_ansi(false).without_time().with_writer(std::io::stderr);
        lines.with_target(true).with_thread_names(false).init();
    }
    Server::new("logged", "1.0.0").tools(tools![repeat]).main()
}
