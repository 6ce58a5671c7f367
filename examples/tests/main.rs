//! Tests the example servers `prices`, `broker`, `liars` and `weather`, and the code of the README. Each level of tests has a
//! file: `handlers` calls functions, `client` a server in this process, and `stdio` a process.

mod client;
mod command_line;
mod contract;
mod exchange;
mod handlers;
mod idempotency;
mod liars;
mod readme;
mod stdio;
mod stores;
mod weather;
