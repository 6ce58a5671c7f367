//! The server `liars`: every tool of it breaks its word, and is stopped.

fn main() -> std::process::ExitCode {
    candor_examples::liars::server().main()
}
