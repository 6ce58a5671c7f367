//! The declared twin on stdio; with `unsealed` as its argument, without the kernel's seal.

use candor::Seal;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let unsealed = std::env::args().any(|argument| argument == "unsealed");
    let seal = if unsealed { Seal::Off } else { Seal::WhereAvailable };
    candor_tests::twin::declared::server(seal).serve_stdio().await
}
