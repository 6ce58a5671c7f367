//! The fixture server as a program, for tests that need a real process.

fn main() -> std::process::ExitCode {
    candor_tests::fixture::server().main()
}
