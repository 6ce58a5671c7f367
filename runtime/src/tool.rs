//! Defines what a tool is made of: its descriptor, handler, arguments, output, errors, state and call context.

pub(crate) mod args;
pub(crate) mod as_text;
pub(crate) mod ask;
pub(crate) mod call;
pub(crate) mod caller;
pub(crate) mod cause;
pub(crate) mod deprecation;
pub(crate) mod descriptor;
pub(crate) mod error;
pub(crate) mod finite;
pub(crate) mod form;
pub(crate) mod handler;
pub(crate) mod literal;
pub(crate) mod outcome;
pub(crate) mod output;
pub(crate) mod progress;
pub(crate) mod request_info;
pub(crate) mod returned;
pub(crate) mod session_state;
pub(crate) mod state;
