//! The server for the official conformance suite, as a program.

fn main() -> std::process::ExitCode {
    candor_tests::conformance::server().main()
}
