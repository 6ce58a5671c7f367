//! The server `files`. `files --help` lists its commands.

fn main() -> std::process::ExitCode {
    candor_examples::files::server().main()
}
