//! The server `weather`. `weather --help` lists its commands.

fn main() -> std::process::ExitCode {
    candor_examples::weather::server().main()
}
