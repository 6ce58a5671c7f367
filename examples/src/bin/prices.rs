//! The server `prices`. `prices --help` lists its commands.

fn main() -> std::process::ExitCode {
    candor_examples::prices::server().main()
}
