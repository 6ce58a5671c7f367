//! Sandboxes: the limits of each, the reports about them, and the threads of handlers.
#![cfg(target_os = "linux")]

mod everyday;
mod handler_threads;
mod limits;
mod notes;
mod report;
