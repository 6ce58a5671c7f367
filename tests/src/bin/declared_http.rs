//! The declared twin with a command line; with `UNSEALED` set, without the kernel's seal.

use candor::Seal;

fn main() -> std::process::ExitCode {
    let seal = if std::env::var_os("UNSEALED").is_some() { Seal::Off } else { Seal::WhereAvailable };
    candor_tests::twin::declared::unbuilt(seal).main()
}
