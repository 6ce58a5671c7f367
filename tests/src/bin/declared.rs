//! The declared twin on stdio; with `unsandboxed` as its argument, without the kernel's sandbox.

use candor::Sandbox;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let unsandboxed = std::env::args().any(|argument| argument == "unsandboxed");
    let sandbox = if unsandboxed { Sandbox::Off } else { Sandbox::WhereAvailable };
    candor_tests::twin::declared::server(sandbox).serve_stdio().await
}
