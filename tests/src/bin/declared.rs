//! The comparison server on Candor, over stdio. The argument `unsandboxed` turns the kernel's sandbox off; `--audit DIR`
//! records calls.

use std::path::Path;

use candor::Sandbox;
use candor_tests::comparison::declared;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let unsandboxed = arguments.iter().any(|argument| argument == "unsandboxed");
    let sandbox = if unsandboxed { Sandbox::Off } else { Sandbox::WhereAvailable };
    let flag = arguments.iter().position(|argument| argument == "--audit");
    let service = match flag.and_then(|at| arguments.get(at + 1)) {
        Some(folder) => declared::recorded(sandbox, Path::new(folder)),
        None => declared::server(sandbox),
    };
    service.serve_stdio().await
}
