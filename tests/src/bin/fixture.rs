//! The fixture server as a program, for tests that need a real process. `REVISION` is the only revision that it speaks.

use candor::Revision;

fn main() -> std::process::ExitCode {
    let server = candor_tests::fixture::server();
    match std::env::var("REVISION") {
        Ok(name) => server.revisions([Revision::named(&name).expect("a revision")]).main(),
        Err(_) => server.main(),
    }
}
