//! The server `notes`. `notes --help` lists its commands.

fn main() -> std::process::ExitCode {
    notes::server().main()
}
