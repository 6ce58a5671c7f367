//! The server of a thousand tools as a program, for the benchmark of its contract. With the variable `THOUSAND_CHANGED`,
//! the descriptions of all tools are others.

use candor_tests::comparison::thousand_tools::{changed_server, server};

fn main() -> std::process::ExitCode {
    match std::env::var_os("THOUSAND_CHANGED") {
        Some(_) => changed_server().main(),
        None => server().main(),
    }
}
