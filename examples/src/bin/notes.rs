//! The server `notes`. `notes --help` lists its commands.

fn main() -> std::process::ExitCode {
    candor_examples::notes::server().main()
}
