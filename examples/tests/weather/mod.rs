//! Tests the server `weather` at three levels: its functions, a client, and its process. The tests start the weather service.

#[path = "../support/api.rs"]
mod api;
mod client;
mod handlers;
mod process;
#[path = "../support/program.rs"]
mod program;
