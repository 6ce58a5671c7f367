//! The server `broker`, which passes idempotency keys on to another service.

fn main() -> std::process::ExitCode {
    candor_examples::broker::server().main()
}
