//! The comparison server on Candor, over stdio. The argument `unsandboxed` turns the kernel's sandbox off; `--audit DIR`
//! records calls. With `serve` and flags of the command line, it has neither.

use std::{path::Path, process::ExitCode};

use candor::Sandbox;
use candor_tests::comparison::declared;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.get(1).is_some_and(|command| command == "serve") {
        return declared::unbuilt(Sandbox::Off).main();
    }
    match serve(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn serve(arguments: &[String]) -> std::io::Result<()> {
    let unsandboxed = arguments.iter().any(|argument| argument == "unsandboxed");
    let sandbox = if unsandboxed { Sandbox::Off } else { Sandbox::WhereAvailable };
    let flag = arguments.iter().position(|argument| argument == "--audit");
    let service = match flag.and_then(|at| arguments.get(at + 1)) {
        Some(folder) => declared::recorded(sandbox, Path::new(folder)),
        None => declared::server(sandbox),
    };
    service.serve_stdio().await
}
