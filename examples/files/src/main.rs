//! The server `files`. `files --help` lists its commands.

fn main() -> std::process::ExitCode {
    files::server().main()
}
