//! Answers the methods of the Model Context Protocol, for every transport.

pub(super) mod call;
pub(crate) mod convert;
pub(super) mod delegate;
pub(super) mod handler;
pub(super) mod logging;
pub(super) mod peer;
pub(super) mod progress;
pub(super) mod rounds;
pub(super) mod task_call;
pub(super) mod tasks;
