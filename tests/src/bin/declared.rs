//! The comparison server on Candor, over stdio. The argument `unsandboxed` turns the kernel's sandbox off.

use candor::Sandbox;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let unsandboxed = std::env::args().any(|argument| argument == "unsandboxed");
    let sandbox = if unsandboxed { Sandbox::Off } else { Sandbox::WhereAvailable };
    candor_tests::comparison::declared::server(sandbox).serve_stdio().await
}
