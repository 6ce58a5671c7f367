//! Serves a thousand tools, for the size and the search of their reference.

fn main() -> std::process::ExitCode {
    candor_tests::comparison::thousand_tools::server().main()
}
