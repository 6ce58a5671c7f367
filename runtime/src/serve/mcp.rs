//! Answers the methods of the Model Context Protocol, for every transport.

mod call;
pub(super) mod callers;
pub(super) mod handler;
mod logging;
pub(super) mod peer;
mod progress;
pub(super) mod rounds;
mod task_call;
mod task_result;
mod tasks;
