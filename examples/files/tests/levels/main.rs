//! Tests the server `files` at three levels: its functions, a client, and its process.

mod client;
mod handlers;
mod process;
#[path = "../../../tests/support/program.rs"]
mod program;
