//! Sandboxes: the limits of each, the reports about them, the threads of handlers, and scarce descriptors.
#![cfg(target_os = "linux")]

mod everyday;
mod handler_threads;
mod limits;
mod notes;
mod report;
mod scarce_descriptors;
