//! The declared twin with a command line; with `UNSANDBOXED` set, without the kernel's sandbox.

use candor::Sandbox;

fn main() -> std::process::ExitCode {
    let sandbox =
        if std::env::var_os("UNSANDBOXED").is_some() { Sandbox::Off } else { Sandbox::WhereAvailable };
    candor_tests::twin::declared::unbuilt(sandbox).main()
}
