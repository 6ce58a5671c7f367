//! The server `prices`: `prices --help` says what it does.

fn main() -> std::process::ExitCode {
    candor_examples::prices::server().main()
}
