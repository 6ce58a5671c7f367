//! Answers the methods of the Model Context Protocol, for every transport.

pub(crate) mod call;
pub(super) mod callers;
pub(super) mod handler;
pub(super) mod incoming;
pub(super) mod info;
mod logging;
mod observed;
mod other_methods;
pub(super) mod peer;
mod progress;
pub(super) mod refused;
pub(super) mod rounds;
#[cfg(feature = "postgres")]
pub(super) mod task_again;
mod task_call;
mod task_result;
mod tasks;
