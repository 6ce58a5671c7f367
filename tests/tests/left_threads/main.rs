//! Threads that outlive a sandboxed call: they are reported once, fail a test, and stay in their sandbox.
#![cfg(target_os = "linux")]

mod careless_crates;
mod reports;

use tokio::sync::Mutex;

/// The tests of this process that watch threads take turns, since another sandboxed call may have started a thread, too. So
/// no other tests are in this process.
static TURN: Mutex<()> = Mutex::const_new(());
