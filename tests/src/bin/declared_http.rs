//! The comparison server on Candor, with a command line. The variable `UNSANDBOXED` turns the kernel's sandbox off.

use candor::Sandbox;

fn main() -> std::process::ExitCode {
    let sandbox =
        if std::env::var_os("UNSANDBOXED").is_some() { Sandbox::Off } else { Sandbox::WhereAvailable };
    candor_tests::comparison::declared::unbuilt(sandbox).main()
}
