//! The official conformance suite's server as a program.

fn main() -> std::process::ExitCode {
    candor_tests::conformance::server().main()
}
